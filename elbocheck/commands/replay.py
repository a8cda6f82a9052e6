"""`elbocheck replay`: one failure again, from its case."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from elbocheck.commands.arguments import Commands, refuse_empty
from elbocheck.commands.outside import for_code_outside
from elbocheck.errors import InputError, named
from elbocheck.loading import place, trusted
from elbocheck.output import complain

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
    parser.add_argument(
        "--trust", action="store_true", help="run code that neither lies below this directory nor is installed"
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    from elbocheck.commands.targets import replay_command
    from elbocheck.replay_files import read_replay

    refuse_empty(options)
    case = read_replay(options.case)
    for_code_outside(case["dtype"])
    allow(case["target"], options.case, options.trust)
    return replay_command(options.case, replay)


def allow(source: str, path: str, trust: bool) -> None:
    """Say which module a case is going to import; raises `InputError` for one that nobody has vouched for."""
    if not source:
        return  # a cell of the catalogue
    lies = place(source)
    if not trust and not trusted(source):
        raise InputError(
            f"{path} would run {source} ({lies}), which neither lies below this directory nor is installed; "
            "read it, then give --trust"
        )
    complain(f"{path} runs {source} ({lies or 'not found'})")


def replay(path: str | Path) -> Replayed:
    """Repeat a case, on the backend and in the dtype that it names; the module that it names is imported."""
    from elbocheck.backends import get_backend
    from elbocheck.checks.table import OF_CATALOGUE
    from elbocheck.gate.replays import Replayed, fields_of, replayed
    from elbocheck.models.catalogue import find_cell
    from elbocheck.models.sample import Sample
    from elbocheck.replay_files import decoded, read_replay

    case = read_replay(path)
    if case["kind"] != "sample":
        return replayed(case, path)
    if case["check"] not in OF_CATALOGUE:
        raise InputError(f"{path}: the check {case['check']!r} cannot be repeated; {', '.join(OF_CATALOGUE)} can")
    cell = find_cell(case["name"], case["target"]).on(get_backend(case["backend"], case["dtype"]))
    try:
        sample = Sample.checked(cell, **fields_of(decoded(case.get("sample")), path))
        problem = sample.problem()
    except (AttributeError, KeyError, TypeError, IndexError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: its sample does not fit {cell.name}: {named(error)}") from error
    return Replayed(cell.name, OF_CATALOGUE[case["check"]].run(problem), case["outcome"])
