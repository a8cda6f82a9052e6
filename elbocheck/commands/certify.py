"""`elbocheck certify`: a proof in ball arithmetic."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from elbocheck.commands.arguments import Commands, latents, refuse_empty, seed
from elbocheck.errors import InputError
from elbocheck.files import different, writable, written

MOST_SECONDS = 86400.0
"""Longest that one cell may be given."""


def add(commands: Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "certify",
        help="prove the identity and a stationary point in ball arithmetic",
        description="Prove, in interval arithmetic with rigorous rounding, that the identity holds at a point, that a "
        "stationary point of the bound exists next to the computed one, and that F - S = delta there.",
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a model (see `elbocheck list`), or model/posterior")
    parser.add_argument("--all", action="store_true", help="every cell of the catalogue, in place of a model")
    parser.add_argument("--workers", type=int, metavar="W", help="worker processes of --all (default: one per core)")
    parser.add_argument(
        "--timeout", type=float, metavar="S", help="seconds that a cell of --all may take (default 300)"
    )
    parser.add_argument("--posterior", metavar="NAME", help="variational family (default: the model's first one)")
    parser.add_argument("--data", metavar="NAME|FILE.csv", help="data set (default: random problems)")
    parser.add_argument("--latents", type=int, metavar="K", help="latents on --data (default 2)")
    parser.add_argument("--bits", type=int, default=192, help="precision (default 192)")
    parser.add_argument("--seed", type=seed, default=0, help="seed of the random problem (default 0)")
    parser.add_argument("--json", metavar="FILE", help="write the certificate as JSON")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    from elbocheck.backends import require

    _refuse(options)
    require("flint", "a certificate needs python-flint", "certify")
    refuse_empty(options)
    different({"--json": options.json}, {"--data": options.data})
    target = None if options.json is None else writable(options.json)
    return _all(options, target) if options.all else _one(options, target)


def _refuse(options: argparse.Namespace) -> None:
    """Raises `InputError` for options that do not go together."""
    if options.all == (options.model is not None):
        raise InputError("certify takes a MODEL, or --all")
    own = {"--posterior": options.posterior, "--data": options.data, "--latents": options.latents}
    of_all = {"--workers": options.workers, "--timeout": options.timeout}
    for name, value in (own if options.all else of_all).items():
        if value is not None:
            raise InputError(f"{name} {'does not go' if options.all else 'goes'} with --all")
    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers must be at least 1; got {options.workers}")
    if options.timeout is not None and not 1.0 <= options.timeout <= MOST_SECONDS:
        raise InputError(f"--timeout must lie between 1 and {MOST_SECONDS:g} seconds; got {options.timeout:g}")


def _one(options: argparse.Namespace, target: Path | None) -> int:
    from elbocheck.models import find_cell
    from elbocheck.models.datasets import cells_of, load, real_sample
    from elbocheck.report.certificate import print_certificate
    from elbocheck.report.terminal import terminal
    from elbocheck.runs.proofs import first_proof, random_problems

    model, _, posterior = options.model.partition("/")
    if posterior and options.posterior not in (None, posterior):
        raise InputError(f"{options.model} names a posterior already; --posterior {options.posterior} is another one")
    posterior, count = posterior or options.posterior or cells_of(model)[0].posterior, latents(options)
    cell = find_cell(f"{model}/{posterior}")
    if options.data is None:  # some random problems have no isolated stationary point
        drawn = random_problems(cell, options.seed)
    else:
        drawn = [real_sample(cell, load(options.data), count, options.seed)]
    console, begin = terminal(), time.perf_counter()
    certificate, passed = first_proof(drawn, options.bits)
    skipped = f" ({passed} without an isolated stationary point passed over)" if passed else ""
    print_certificate(console, certificate, options.data or f"random problem, seed {options.seed}{skipped}")
    console.print(f"[{time.perf_counter() - begin:.1f} s]", markup=False, highlight=False)
    if target is not None:
        written(target, lambda: json.dumps(certificate.to_json(), indent=1) + "\n", "the certificate")
    return 0 if certificate.holds else 1


def _all(options: argparse.Namespace, target: Path | None) -> int:
    """Every cell; 1 if an interval excludes what the theorem says."""
    from elbocheck import __version__
    from elbocheck.models import cells
    from elbocheck.report.proofs import line, print_proofs
    from elbocheck.report.terminal import terminal
    from elbocheck.runs.proofs import SECONDS, Proven, prove_all

    console, names, found = terminal(), [cell.name for cell in cells()], list[Proven]()
    workers = options.workers or os.cpu_count() or 1
    console.print(f"elbocheck {__version__}: proofs for {len(names)} cells, {options.bits} bits, {workers} workers")

    def listen(one: Proven) -> None:
        found.append(one)
        console.print(line(one), markup=False, highlight=False, soft_wrap=True)

    begin = time.perf_counter()
    limit = SECONDS if options.timeout is None else options.timeout
    try:
        prove_all(names, workers, listen, bits=options.bits, seed=options.seed, seconds=limit)
    except KeyboardInterrupt:
        options.record = options.json
        raise
    finally:  # also if it is interrupted: what is finished is not lost
        found.sort(key=lambda one: names.index(one.cell))
        print_proofs(console, found)
        console.print(f"[{time.perf_counter() - begin:.0f} s]", markup=False, highlight=False)
        if target is not None:
            document = {"elbocheck": __version__, "bits": options.bits, "cells": [one.to_json() for one in found]}
            written(target, lambda: json.dumps(document, indent=1, ensure_ascii=False) + "\n", "the proofs")
    return 1 if any(one.false for one in found) else 0
