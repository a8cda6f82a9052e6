"""The arguments of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from elbocheck import __version__
from elbocheck.profiles import PROFILES

Command = Callable[[argparse.Namespace], int]


def parser(run: Mapping[str, Command]) -> argparse.ArgumentParser:
    """The parser of the command line; `run`: sub-command -> what it does."""
    whole = argparse.ArgumentParser(
        prog="elbocheck",
        description="Verify variational lower bounds: at stationary points the ELBO equals a sum of entropies.",
    )
    whole.add_argument("--version", action="version", version=f"elbocheck {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    verify = commands.add_parser(
        "verify",
        help="run the catalogue on real data and random problems",
        description="Run the catalogue of models on real data, on random problems and on negative controls. "
        "With SOURCE, check a Target of your own, code outside elbocheck, or cells of your own instead. "
        "With --model and --data, run that model on that data only.",
    )
    verify.add_argument(
        "source",
        nargs="?",
        default="",
        metavar="SOURCE",
        help="FILE.py[:NAME] or MODULE[:NAME]: a Target (NAME defaults to target), or cells of your own (to CELLS)",
    )
    verify.add_argument("--model", metavar="NAME", help="only this model of the catalogue (see `elbocheck list`)")
    verify.add_argument("--data", metavar="NAME|FILE.csv", help="shipped data set, or CSV file with a header")
    verify.add_argument("--weights", metavar="COLUMN", help="column of the data that holds weights")
    verify.add_argument("--latents", type=int, metavar="K", help="latents on --data (default 2)")
    profiles = ", ".join(f"{name} {count}" for name, count in PROFILES.items())
    verify.add_argument(
        "--profile",
        choices=tuple(PROFILES),
        default="quick",
        help=f"random problems per cell: {profiles} (default quick)",
    )
    _add_backend(verify)
    verify.add_argument("--seed", type=_seed, default=0, help="seed of the random problems (default 0)")
    verify.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one per core)")
    verify.add_argument("--json", metavar="FILE", help="write the report as JSON")
    verify.add_argument("--html", metavar="FILE", help="write the report as one self-contained page (extra: report)")
    verify.add_argument(
        "--known-failures", metavar="FILE.toml", help="failures of a target that are known, each with a reason"
    )
    verify.set_defaults(command=run["verify"])

    census = commands.add_parser(
        "census",
        help="run very many random problems, resumably",
        description="Run random problems over the whole catalogue and record every finished program in FILE. "
        "Run again with the same arguments, it goes on where it was stopped.",
    )
    census.add_argument("--record", required=True, metavar="FILE", help="JSON lines, one for each finished program")
    census.add_argument("--problems", type=int, default=100_000, metavar="N", help="problems in all (default 100000)")
    _add_backend(census)
    census.add_argument("--seed", type=_seed, default=0, help="seed of the random problems (default 0)")
    census.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one per core)")
    census.set_defaults(command=run["census"])

    certify = commands.add_parser(
        "certify",
        help="prove the identity and a stationary point in ball arithmetic",
        description="Prove, in interval arithmetic with rigorous rounding, that the identity holds at a point, that a "
        "stationary point of the bound exists next to the computed one, and that F - S = delta there.",
    )
    certify.add_argument("model", metavar="MODEL", help="a model (see `elbocheck list`), or model/posterior")
    certify.add_argument("--posterior", metavar="NAME", help="variational family (default: the model's first one)")
    certify.add_argument("--data", metavar="NAME|FILE.csv", help="data set (default: random problems)")
    certify.add_argument("--latents", type=int, metavar="K", help="latents on --data (default 2)")
    certify.add_argument("--bits", type=int, default=192, help="precision (default 192)")
    certify.add_argument("--seed", type=_seed, default=0, help="seed of the random problem (default 0)")
    certify.add_argument("--json", metavar="FILE", help="write the certificate as JSON")
    certify.set_defaults(command=run["certify"])

    explain = commands.add_parser(
        "explain",
        help="show every term of a bound, before and after training",
        description="Show every term of the ELBO and of the entropy sum at random parameters and where training stops: "
        "what cancels, what remains, and why.",
    )
    explain.add_argument("model", metavar="MODEL", help="a model (see `elbocheck list`), or model/posterior")
    explain.add_argument("--data", metavar="NAME|FILE.csv", help="data set (default: the one it is verified on)")
    explain.add_argument("--latents", type=int, metavar="K", help="latents on --data (default 2)")
    explain.add_argument("--seed", type=_seed, default=0, help="seed of the start (default 0)")
    explain.add_argument("--plot", metavar="FILE.png|svg", help="plot F, S and the entropies (extra: report)")
    _add_backend(explain)
    explain.set_defaults(command=run["explain"])

    again = commands.add_parser(
        "replay",
        help="repeat a failure from its case",
        description="Repeat one failure from the case that it left, without Hypothesis. Exit code 0 if it holds now.",
    )
    again.add_argument("case", metavar="FILE", help="a case, as failures name it")
    again.set_defaults(command=run["replay"])

    faults = commands.add_parser(
        "faults",
        help="plant faults in correct bounds and count what finds them",
        description="Plant known faults in correct bounds, and show which check finds which, beside today's practice.",
    )
    faults.add_argument("--json", metavar="FILE", help="write the matrix as JSON")
    faults.set_defaults(command=run["faults"])

    listing = commands.add_parser("list", help="show the catalogue", description="Show the catalogue.")
    listing.add_argument("--json", action="store_true", help="as JSON on standard output")
    listing.set_defaults(command=run["list"])
    return whole


def _seed(text: str) -> int:
    """A seed; NumPy takes no negative ones."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a seed is a whole number, at least 0; got {text}")
    return int(text)


def _add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", default="jax", metavar="NAME", help="array library: jax, numpy or torch")
    parser.add_argument("--dtype", default="float64", metavar="TYPE", help="float64 (default) or float32")
