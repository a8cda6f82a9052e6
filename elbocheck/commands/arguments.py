"""What several sub-commands have in common: arguments, and reading them."""

from __future__ import annotations

import argparse
from typing import Any

from elbocheck.errors import InputError

Commands = Any
"""The sub-parsers that a command adds its own to."""


def seed(text: str) -> int:
    """A seed; NumPy takes no negative ones."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a seed is a whole number, at least 0; got {text}")
    return int(text)


def add_backend(parser: argparse.ArgumentParser) -> None:
    """`--backend` and `--dtype`."""
    parser.add_argument("--backend", default="jax", metavar="NAME", help="array library: jax, numpy or torch")
    parser.add_argument("--dtype", default="float64", metavar="TYPE", help="float64 (default) or float32")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """`--workers`."""
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one per core)")


def check_workers(options: argparse.Namespace) -> None:
    """Raises `InputError` for a negative number."""
    if options.workers < 0:
        raise InputError(f"--workers must be at least 1; got {options.workers}")


def latents(options: argparse.Namespace) -> int:
    """The number of latents on given data."""
    if options.latents is not None and options.data is None:
        raise InputError(f"--latents {options.latents} goes with --data; random problems have numbers of their own")
    return 2 if options.latents is None else int(options.latents)
