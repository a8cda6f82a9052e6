"""Command line: `elbocheck verify`, `replay`, `certify`, `list`, `census` and more; see `elbocheck --help`.

Exit codes: 0 all hold, 1 something violated or too much inconclusive, 2 bad usage or bad input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from elbocheck import __version__
from elbocheck.commands import census, certify, explain, faults, listing, replay, verify
from elbocheck.errors import DeclarationError, InputError, UndecidedError

COMMANDS = (verify, census, certify, explain, replay, faults, listing)
"""In the order of `--help`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (InputError, DeclarationError) as error:
        print(f"elbocheck: {error}", file=sys.stderr)
        return 2
    except UndecidedError as error:
        print(f"elbocheck: nothing is proved: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        kept = f"{options.record} keeps what had finished" if hasattr(options, "record") else "no report was written"
        print(f"elbocheck: interrupted; {kept}", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    whole = argparse.ArgumentParser(
        prog="elbocheck",
        description="Verify variational lower bounds: at stationary points the ELBO equals a sum of entropies.",
    )
    whole.add_argument("--version", action="version", version=f"elbocheck {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for one in COMMANDS:
        one.add(commands)
    return whole


if __name__ == "__main__":
    sys.exit(main())
