"""`elbocheck certify`: a proof in ball arithmetic."""

from __future__ import annotations

import argparse
import json
import time

from elbocheck.commands.arguments import Commands, latents, seed
from elbocheck.errors import InputError, UndecidedError
from elbocheck.files import writable, write_atomically

PROBLEMS = 30
"""Most random problems that are tried."""


def add(commands: Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "certify",
        help="prove the identity and a stationary point in ball arithmetic",
        description="Prove, in interval arithmetic with rigorous rounding, that the identity holds at a point, that a "
        "stationary point of the bound exists next to the computed one, and that F - S = delta there.",
    )
    parser.add_argument("model", metavar="MODEL", help="a model (see `elbocheck list`), or model/posterior")
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

    require("flint", "a certificate needs python-flint", "certify")
    target = None if options.json is None else writable(options.json)
    from rich.console import Console

    from elbocheck.models import find_cell
    from elbocheck.models.datasets import cells_of, load, real_sample
    from elbocheck.proofs.certify import certify_sample, well_determined
    from elbocheck.report.certificate import print_certificate
    from elbocheck.strategies import draw_many, samples

    model, _, posterior = options.model.partition("/")
    if posterior and options.posterior not in (None, posterior):
        raise InputError(f"{options.model} names a posterior already; --posterior {options.posterior} is another one")
    posterior, count = posterior or options.posterior or cells_of(model)[0].posterior, latents(options)
    cell = find_cell(f"{model}/{posterior}")
    if options.data is None:  # the first draws are the simplest; some problems have no isolated stationary point
        drawn = draw_many(samples(well_determined(cell), solvable=True), PROBLEMS + 2, entropy=options.seed)[2:]
    else:
        drawn = [real_sample(cell, load(options.data), count, options.seed)]
    console, begin, passed = Console(), time.perf_counter(), 0
    for sample in drawn:
        try:
            certificate = certify_sample(sample, options.bits)
        except UndecidedError:
            if sample is drawn[-1]:
                raise
        else:
            if certificate.proved or not certificate.identity:
                break
        passed += sample is not drawn[-1]
    skipped = f" ({passed} without an isolated stationary point passed over)" if passed else ""
    print_certificate(console, certificate, options.data or f"random problem, seed {options.seed}{skipped}")
    console.print(f"[{time.perf_counter() - begin:.1f} s]", markup=False, highlight=False)
    if target is not None:
        write_atomically(target, json.dumps(certificate.to_json(), indent=1) + "\n")
    return 0 if certificate.holds else 1
