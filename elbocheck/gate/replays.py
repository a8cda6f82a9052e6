"""Replays: the case of one failure as a JSON file, and its repetition without Hypothesis."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elbocheck import __version__
from elbocheck.checks.table import OF_TARGETS
from elbocheck.errors import InputError
from elbocheck.gate.checking import run_check
from elbocheck.gate.records import Checked
from elbocheck.gate.sources import load_target, refuse_single_precision
from elbocheck.gate.target import Case, Target
from elbocheck.outcome import Result
from elbocheck.replay_files import decoded, encoded


@dataclass(frozen=True)
class Replayed:
    """What a case gave: the check again, and whether the outcome is still the recorded one."""

    name: str
    """What was repeated, for people: its target or cell, and its problem."""

    result: Result | None
    """None where the check does not apply any more."""

    recorded: str
    """The outcome that the case has on file."""

    checked: Checked | None = None
    """The same with its target; None for samples of the catalogue."""


def target_replay(checked: Checked, target: Target, source: str) -> dict[str, Any] | None:
    """The replay of a target's failure; None if it cannot be made again (a strategy that draws Problems directly)."""
    case = checked.case
    if target.drawn and case.arguments is None:
        return None
    assert checked.result is not None
    how = {"index": case.index} if case.arguments is None else {"arguments": encoded(dict(case.arguments))}
    backend = case.problem.compiled.backend
    return {
        "elbocheck": __version__,
        "kind": "target",
        "target": source,
        "name": target.name,
        "check": checked.check,
        **how,
        "backend": backend.name,
        "dtype": backend.dtype,
        "outcome": checked.result.outcome.value,
        "gap": checked.result.gap,
        "bound": checked.result.bound,
        "message": checked.result.message,
    }


def replayed(case: Mapping[str, Any], path: str | Path) -> Replayed:
    """Repeat the case of a target."""
    refuse_single_precision(str(path), case["dtype"])
    target = load_target(case["target"], case["name"])
    if case["check"] not in OF_TARGETS:
        raise InputError(f"{path}: unknown check {case['check']!r}; there are {', '.join(OF_TARGETS)}")
    if "arguments" in case:
        if target.recipe is None:
            raise InputError(f"{path}: target {target.name!r} makes no problems from arguments any more")
        arguments = fields_of(decoded(case["arguments"]), path)
        try:
            inspect.signature(target.recipe).bind(**arguments)
        except TypeError as error:
            raise InputError(f"{path}: its arguments do not fit target {target.name!r}: {error}") from error
        again = target.make(arguments)
    else:
        problems, index = target.problems, case.get("index")
        if isinstance(index, bool) or not isinstance(index, int):
            raise InputError(f"{path}: `index` must be a whole number, or `arguments` be there; got {str(index)[:80]}")
        if not isinstance(problems, (list, tuple)) or not 0 <= index < len(problems):
            raise InputError(f"{path}: target {target.name!r} has no problem number {index} any more")
        again = Case(problems[index], index)
    checked = run_check(target, case["check"], again)
    return Replayed(f"{target.name}, {again.problem.label}", checked.result, case["outcome"], checked)


def fields_of(found: Any, path: str | Path) -> dict[str, Any]:
    """What a case holds by name; raises `InputError` for anything else."""
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise InputError(f"{path}: expected values by name; got {str(found)[:80]}")
    return found
