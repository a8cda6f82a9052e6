"""`elbocheck replay`: one failure again, from its case."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from elbocheck.commands.arguments import Commands
from elbocheck.commands.outside import for_code_outside

if TYPE_CHECKING:
    from elbocheck.gate.replays import Replayed


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
    from elbocheck.replay_files import read_replay

    for_code_outside(str(read_replay(options.case)["dtype"]))
    return replay_command(options.case, replay)


def replay(path: str | Path) -> Replayed:
    """Repeat a case, on the backend and in the dtype that it names."""
    from elbocheck.backends import get_backend
    from elbocheck.checks.table import OF_CATALOGUE
    from elbocheck.errors import InputError
    from elbocheck.gate.replays import Replayed, replayed
    from elbocheck.models.catalogue import find_cell
    from elbocheck.models.sample import Sample
    from elbocheck.replay_files import decoded, read_replay

    case = read_replay(path)
    if case["kind"] != "sample":
        return replayed(case, path)
    cell = find_cell(case["name"], case["target"]).on(get_backend(case["backend"], case["dtype"]))
    if case["check"] not in OF_CATALOGUE:
        raise InputError(f"{path}: the check {case['check']!r} cannot be repeated; {', '.join(OF_CATALOGUE)} can")
    sample = Sample.checked(cell, **decoded(case["sample"]))
    return Replayed(cell.name, OF_CATALOGUE[case["check"]].run(sample.problem()), case["outcome"])
