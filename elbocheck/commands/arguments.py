"""What several sub-commands have in common: arguments, and reading them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from elbocheck.backends import get_backend
from elbocheck.errors import InputError, named
from elbocheck.limits import pass_on

if TYPE_CHECKING:
    from elbocheck.backends.base import Backend

MOST_WORKERS = 1024
"""Processes."""

Commands = Any
"""The sub-parsers that a command adds its own to."""


def seed(text: str) -> int:
    """A seed; NumPy takes no negative ones."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a seed is a whole number, at least 0; got {text}")
    return int(text)


def add_backend(parser: argparse.ArgumentParser) -> None:
    """`--backend` and `--dtype`."""
    parser.add_argument("--backend", metavar="NAME", help="array library: jax, numpy or torch")
    parser.add_argument("--dtype", metavar="TYPE", help="float64 (default) or float32")


def backend_of(options: argparse.Namespace) -> Backend:
    """The backend of `--backend` and `--dtype`; raises `InputError` where it is unknown, not installed, or broken."""
    name = given(options.backend, "jax")
    if name == "jax":
        check_jax()
    return get_backend(name, given(options.dtype, "float64"))


def check_jax() -> None:
    """Raise `InputError` with one line where JAX cannot start, which its own environment variables often cause."""
    try:
        from elbocheck.backends.jax import devices

        devices()
    except Exception as error:
        pass_on(error)
        own = ", ".join(f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("JAX_"))
        raise InputError(
            f"JAX cannot start: {named(error)}; "
            + (f"the environment has {own}" if own else "try `python -c 'import jax; print(jax.devices())'`")
        ) from error
    check_cache()


def check_cache() -> None:
    """Raise `InputError` for a folder of compiled programs that JAX would complain of again and again."""
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR", "")
    if folder and "://" not in folder and not _usable(folder):
        raise InputError(f"JAX_COMPILATION_CACHE_DIR={folder} cannot be read and written; give another folder, or none")


def _usable(folder: str) -> bool:
    try:
        os.makedirs(folder, exist_ok=True)
        return os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    except (OSError, ValueError):
        return False


def add_workers(parser: argparse.ArgumentParser) -> None:
    """`--workers`."""
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core)")


def workers_of(options: argparse.Namespace) -> int:
    """The number of processes, 0 for one per core; raises `InputError` for one that cannot be."""
    workers = given(options.workers, 0)
    if workers < 1 and options.workers is not None:
        raise InputError(f"--workers must be at least 1; got {workers}")
    if workers > MOST_WORKERS:
        raise InputError(f"--workers must be at most {MOST_WORKERS}; got {workers}")
    return int(workers)


def given(value: Any, default: Any) -> Any:
    """An option, or what it is where it is not given; so that one is told that nothing would read."""
    return default if value is None else value


def refuse_ignored(options: argparse.Namespace, names: Sequence[str], by: str) -> None:
    """Raise `InputError` for an option that is given although nothing would read it; `by`: what ignores it."""
    for name in names:
        value = getattr(options, name, None)
        if value is not None:
            raise InputError(f"--{name} {value} has no effect on {by}; leave it out")


def refuse_empty(options: argparse.Namespace) -> None:
    """Raise `InputError` for an argument that is there and empty, as a variable of CI that is not set is."""
    for name, value in vars(options).items():
        given = value if isinstance(value, list) else [value]
        if any(isinstance(one, str) and not one.strip() for one in given):
            raise InputError(f"{name.replace('_', '-')} is given, and empty; is a variable not set?")


def latents(options: argparse.Namespace) -> int:
    """The number of latents on given data."""
    if options.latents is not None and options.data is None:
        raise InputError(f"--latents {options.latents} goes with --data; random problems have numbers of their own")
    return 2 if options.latents is None else int(options.latents)
