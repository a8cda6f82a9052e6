"""Replays: the case of one failure as a JSON file, and its repetition without Hypothesis."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elbocheck import __version__
from elbocheck.checks.table import OF_TARGETS
from elbocheck.errors import InputError
from elbocheck.files import write_atomically
from elbocheck.gate.checking import run_check
from elbocheck.gate.encoding import decoded, encoded
from elbocheck.gate.records import Checked
from elbocheck.gate.sources import load_target, refuse_single_precision
from elbocheck.gate.target import Case, Target
from elbocheck.outcome import Result

FOLDER = "elbocheck-cases"


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


def write_replay(case: Mapping[str, Any], folder: str | Path = FOLDER) -> Path:
    """Write a replay to a file of its own, whole or not at all; the same case gives the same file."""
    text = json.dumps(case, indent=1, ensure_ascii=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    words = re.sub(r"[^A-Za-z0-9]+", "-", f"{case['name']}-{case['check']}").strip("-").lower()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{words[:80]}-{digest}.json"
    write_atomically(path, text)
    return path


def replay_line(path: str | Path) -> str:
    """The command that repeats a replay."""
    return f"elbocheck replay {path}"


def read_replay(path: str | Path) -> dict[str, Any]:
    """A replay; raises `InputError` if it is none."""
    try:
        case = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the case: {error}") from error
    except ValueError as error:
        raise InputError(f"{path} is no case: {error}") from error
    needed = {"kind", "target", "name", "check", "backend", "dtype", "outcome"}
    if not isinstance(case, dict) or not needed <= set(case):
        raise InputError(f"{path} is no case: expected the fields {sorted(needed)}")
    return case


def replayed(case: Mapping[str, Any], path: str | Path) -> Replayed:
    """Repeat the case of a target."""
    refuse_single_precision(str(path), case["dtype"])
    target = load_target(case["target"], case["name"])
    if case["check"] not in OF_TARGETS:
        raise InputError(f"{path}: unknown check {case['check']!r}; there are {', '.join(OF_TARGETS)}")
    if "arguments" in case:
        if target.recipe is None:
            raise InputError(f"{path}: target {target.name!r} makes no problems from arguments any more")
        again = target.make(decoded(case["arguments"]))
    else:
        problems = target.problems
        if not isinstance(problems, (list, tuple)) or not 0 <= case["index"] < len(problems):
            raise InputError(f"{path}: target {target.name!r} has no problem number {case['index']} any more")
        again = Case(problems[case["index"]], case["index"])
    checked = run_check(target, case["check"], again)
    return Replayed(f"{target.name}, {again.problem.label}", checked.result, case["outcome"], checked)
