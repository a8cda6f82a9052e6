"""`elbocheck replay`: one failure again, from its case."""

from __future__ import annotations

import argparse

from elbocheck.commands.arguments import Commands
from elbocheck.commands.outside import for_code_outside


def add(commands: Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "replay",
        help="repeat a failure from its case",
        description="Repeat one failure from the case that it left, without Hypothesis. Exit code 0 if it holds now.",
    )
    parser.add_argument("case", metavar="FILE", help="a case, as failures name it")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    from elbocheck.commands.targets import replay_command
    from elbocheck.gate.replays import read_replay
    from elbocheck.runs.replays import replay

    for_code_outside(str(read_replay(options.case)["dtype"]))
    return replay_command(options.case, replay)
