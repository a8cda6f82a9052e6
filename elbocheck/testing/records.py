"""What running tests found: properties of tests in JUnit files, lines of the summary, and the JSON report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from elbocheck.backends.base import Backend
from elbocheck.errors import harmless
from elbocheck.files import began, written
from elbocheck.gate.known_failures import KnownFailure, stale
from elbocheck.gate.records import Checked
from elbocheck.outcome import Outcome, Result
from elbocheck.runs.rows import document


@dataclass(frozen=True)
class Record:
    """What a running test found, for the properties that the plugin makes of it."""

    what: str
    """ "target::check" of a target; of other tests, the label of the problem."""

    result: Result
    """What was found."""

    backend: Backend
    """What computed it."""

    seed: str = ""
    """Seed of the problem, or the arguments that a target's was drawn with; empty if there is none."""


RECORDED: list[Record] = []
"""Of the running test; the last one counts."""


def of_target(one: Checked) -> Record:
    """The record of one check of a target."""
    assert one.result is not None
    arguments = "" if one.case.arguments is None else repr(dict(one.case.arguments))
    return Record(one.id, one.result, one.case.problem.compiled.backend, arguments)


def junit_properties(recorded: Sequence[Record]) -> list[tuple[str, object]]:
    """Properties of a test, for JUnit files: residual, bound, gradient norm, backend, dtype, seed, outcome, reading.

    The seed of a target's problem are the arguments that it was drawn with.
    """
    last = recorded[-1]
    result, backend = last.result, last.backend
    found: list[tuple[str, object]] = [
        ("elbocheck", last.what),
        ("check", result.check),
        ("outcome", result.outcome.value),
        ("residual", result.gap),
        ("bound", result.bound),
        ("gradient_norm", result.gradient_norm),
        ("points", result.points),
        ("backend", backend.name),
        ("dtype", backend.dtype),
        ("seed", last.seed),
        ("problem", result.problem),
        *([("reading", result.reading)] if result.reading else []),
        *[("outside", str(one)) for one in result.claims if not one.covered],
    ]
    return [(key, harmless(value) if isinstance(value, str) else value) for key, value in found]


def _found(reports: Iterable[Any]) -> list[tuple[str, dict[str, Any], str]]:
    """(target::check, properties, "passed"/"failed"/"xfailed") of the tests of targets."""
    found = []
    for report in reports:
        properties = dict(report.user_properties)
        if "::" in str(properties.get("elbocheck", "")):
            kind = "xfailed" if hasattr(report, "wasxfail") else report.outcome
            found.append((str(properties["elbocheck"]), properties, kind))
    return found


def summary_lines(reports: Iterable[Any]) -> list[str]:
    """One line for each target."""
    counts: dict[str, Counter[str]] = {}
    outside: dict[str, list[str]] = {}
    reports = list(reports)
    for identifier, properties, kind in _found(reports):
        outcome = "known" if kind == "xfailed" else properties["outcome"]
        counts.setdefault(identifier.split("::")[0], Counter())[outcome] += 1
    for report in reports:
        for key, text in report.user_properties:
            name = str(dict(report.user_properties).get("elbocheck", "")).split("::")[0]
            if key == "outside" and str(text) not in outside.setdefault(name, []):
                outside[name].append(str(text))
    lines = []
    for name, own in counts.items():
        words = ", ".join(f"{count} {word}" for word, count in sorted(own.items()))
        lines.append(f"{name}: {sum(own.values())} checks, {words}")
        lines += [f"  theorem: {text}" for text in outside.get(name, [])]
    return lines


NEAR = 0.9
"""Ratio |residual| / bound above which a test is listed."""


def near_lines(reports: Iterable[Any]) -> list[str]:
    """Tests of the catalogue whose worst problem is close to its bound, worst first, with that problem."""
    found = []
    for report in reports:
        own = dict(report.user_properties)
        if "elbocheck" in own and "::" not in str(own["elbocheck"]) and float(own["bound"]) > 0.0:
            found.append((float(own["residual"]) / float(own["bound"]), report.nodeid, str(own["problem"])))
    return [
        f"{ratio:.2f} of its bound: {test}: {problem}" for ratio, test, problem in sorted(found)[::-1] if ratio > NEAR
    ]


def stale_entries(reports: Iterable[Any], known: Sequence[KnownFailure]) -> tuple[str, ...]:
    """What is wrong with the list of known failures after a run."""
    found = [(name, properties["outcome"] == Outcome.VIOLATED.value) for name, properties, _ in _found(reports)]
    return stale(found, known)


def write_report(path: str, reports: Iterable[Any], backend: str, dtype: str) -> str:
    """The JSON of all doors, one cell for each test with results; where it is, in words."""
    cells = []
    for report in sorted(reports, key=lambda one: one.nodeid):  # processes finish in any order
        own = dict(report.user_properties)
        if "elbocheck" in own:
            bound = float(own["bound"])
            name = str(own["elbocheck"])
            cells.append(
                {
                    "target": name.split("::")[0] if "::" in name else report.nodeid,
                    "posterior": "",
                    "data": str(own["problem"]),
                    "check": own["check"],
                    "outcome": own["outcome"],
                    "points": own["points"],
                    "worst_gap": own["residual"],
                    "worst_bound": bound,
                    "worst_ratio": float(own["residual"]) / bound if bound > 0.0 else 0.0,
                    "reading": str(own.get("reading", "")),
                    "test": report.nodeid,
                }
            )
    there = written(began() / path, lambda: json.dumps(document(cells, backend, dtype), indent=1) + "\n", "the report")
    return path if there else f"not written to {path}"
