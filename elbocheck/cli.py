"""Command line: `elbocheck verify`, `replay`, `certify`, `list`, `census` and more; see `elbocheck --help`.

Exit codes: 0 all hold, 1 something violated or too much inconclusive, 2 bad usage or bad input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from elbocheck import __version__
from elbocheck.cache import keep_compiled
from elbocheck.commands import census, certify, explain, faults, listing, replay, verify
from elbocheck.errors import DeclarationError, InputError, Interrupted, UndecidedError, named
from elbocheck.executables import keep_executables
from elbocheck.files import beginning_here
from elbocheck.limits import interruptible
from elbocheck.output import complain, guarded

COMMANDS = (verify, census, certify, explain, replay, faults, listing)
"""In the order of `--help`."""
SHOWN = "ELBOCHECK_TRACEBACK"
"""Environment variable: not empty, where an exception that nobody expected was raised is shown."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code, whatever happens."""
    with guarded():
        try:
            with interruptible():
                return _judged(parser().parse_args(arguments))
        except KeyboardInterrupt as error:
            return _interrupted(error, None)


def _judged(options: argparse.Namespace) -> int:
    """The exit code of a command; every exception of it is one paragraph."""
    try:
        with beginning_here():
            if (folder := keep_compiled()) is not None:
                keep_executables(folder)
            return int(options.command(options))
    except (InputError, DeclarationError) as error:
        complain(error)
        return 2
    except UndecidedError as error:
        complain(f"nothing is proved: {error}")
        return 1
    except KeyboardInterrupt as error:
        return _interrupted(error, getattr(options, "record", None))
    except BaseException as error:  # green is what was judged, whatever raises, `sys.exit(0)` included
        if Interrupted.pending:  # libraries make other exceptions of it while they are imported
            return _interrupted(error, getattr(options, "record", None))
        if os.environ.get(SHOWN):
            traceback.print_exc()
        complain(
            f"no verdict: {named(error)}. Nothing that elbocheck expects raises this: code that it was "
            f"given does, a library, or a mistake of its own; {SHOWN}=1 in the environment shows where"
        )
        return 2


def _interrupted(error: BaseException, record: str | None) -> int:
    number = error.args[0] if isinstance(error, Interrupted) and error.args else Interrupted.pending or signal.SIGINT
    Interrupted.pending = 0
    complain(f"interrupted; {'no report was written' if record is None else f'{record} keeps what had finished'}")
    return 128 + int(number)


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
