"""Where a check, a strategy and pytest meet: properties of the catalogue, and targets of a downstream as tests."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elbocheck import __version__
from elbocheck.backends import get_backend
from elbocheck.backends.base import Backend
from elbocheck.errors import TargetError
from elbocheck.gate.cases import CATALOGUE_CHECKS, replay_line, sample_case, target_case, write_case
from elbocheck.gate.checking import CHECKS, Checked, applies, run_check, shrunk
from elbocheck.gate.failure_text import explain_failure
from elbocheck.gate.known_failures import KnownFailure, find, stale
from elbocheck.gate.target import Case, Target
from elbocheck.models.sample import Cell, Sample
from elbocheck.outcome import Outcome, Result
from elbocheck.profiles import COSTLY, MOST_INCONCLUSIVE, TARGET_PROFILES

Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Record:
    """What a running test found, for the properties that the plugin makes of it."""

    what: str
    result: Result
    backend: Backend
    seed: str = ""


RECORDED: list[Record] = []
"""Of the running test; the last one counts."""


@dataclass
class Tally:
    """All results of one property: nothing inconclusive is dropped, too much of it is a failure."""

    results: list[Result] = field(default_factory=list)

    @property
    def kinds(self) -> Counter[str]:
        """Inertia of all verified points."""
        return Counter(kind for result in self.results for kind in result.kinds)

    def require_conclusive(self) -> None:
        """Fail if more than `MOST_INCONCLUSIVE` of the problems were inconclusive or out of scope, with the reasons."""
        open_ = [result for result in self.results if result.outcome is not Outcome.HOLDS]
        share = len(open_) / max(len(self.results), 1)
        reasons = "\n".join(f"  {result.problem}: {result.outcome.value}, {result.message}" for result in open_[:10])
        assert self.results, "no problem was drawn"
        assert share <= MOST_INCONCLUSIVE, (
            f"{len(open_)} of {len(self.results)} problems without verdict, allowed {MOST_INCONCLUSIVE:.0%}:\n{reasons}"
        )


_under_test: tuple[Cell, ...] = ()
_backend: Backend | None = None


def choose_backend(backend: Backend) -> None:
    """Let the property modules that are imported from now on run on this backend."""
    global _backend
    _backend = backend


def backend_under_test() -> Backend:
    """What the properties of this run compute with: the one place that knows, besides the cells."""
    return get_backend() if _backend is None else _backend


def choose_cells(cells: Sequence[Cell]) -> None:
    """Let the property modules that are imported from now on run on these cells, in place of the catalogue."""
    global _under_test
    _under_test = tuple(cells)


def cells_under_test() -> tuple[Cell, ...]:
    """The cells that properties run on: a user's, or every one of the catalogue that the theorem covers.

    They are on the backend of the run.
    """
    from elbocheck.models import CELLS

    return tuple(cell.on(_backend) for cell in _under_test or CELLS)


def share(budget: settings, part: int, least: int = 5) -> settings:
    """The same settings with one `part`-th of the examples, for properties that need fewer; at least `least`."""
    return settings(budget, max_examples=max(budget.max_examples // part, least))


def budget_for(budget: settings, cell: Cell, part: int = 1) -> settings:
    """The examples of one cell that are to be solved: a third for costly ones, as many as the backend can afford."""
    backend = cell.backend
    return share(
        budget, part * backend.cost.share * (COSTLY if cell.costly else 1), least=5 if backend.cost.share == 1 else 3
    )


def run_property(
    budget: settings, strategy: st.SearchStrategy[Drawn], check: Callable[[Drawn], Result | list[Result]]
) -> Tally:
    """Draw from `strategy` under `budget`, fail with the check's message on a violation, return every result.

    The simplest failing problem is left as a case, with the line that repeats it as a note of the exception.
    """
    tally, failing = Tally(), list[tuple[Any, Result]]()

    @budget
    @given(strategy)
    def holds(drawn: Any) -> None:
        found = check(drawn)
        for result in found if isinstance(found, list) else [found]:
            tally.results.append(result)
            if result.outcome is Outcome.VIOLATED:
                failing.append((drawn, result))
            assert result.outcome is not Outcome.VIOLATED, result.message

    try:
        holds()
    except AssertionError as error:
        if failing:
            drawn, result = failing[-1]  # Hypothesis runs the simplest one last
            RECORDED.append(_record(result))
            if isinstance(drawn, Sample) and result.check in CATALOGUE_CHECKS:
                error.add_note(f"repeat: {replay_line(write_case(sample_case(drawn, result)))}")
        raise
    worst = max(tally.results, key=lambda one: one.ratio, default=None)
    if worst is not None:
        RECORDED[:] = [_record(worst)]
    return tally


def _record(result: Result) -> Record:
    seed = re.search(r"seed=(\d+)", result.problem)
    return Record(result.problem, result, backend_under_test(), seed.group(1) if seed else "")


def parameters(
    targets: Sequence[Target], known: Sequence[KnownFailure] = (), examples: int = TARGET_PROFILES["quick"],
    source: str = "",
) -> list[Any]:  # fmt: skip
    """`pytest.param`s: a call for each check and problem of the targets; checks of one problem go to one worker."""
    found = []
    for target in targets:
        for number, case in enumerate(target.cases(examples)):
            examined: list[None] = []
            for name in [name for name in CHECKS if applies(name, case.problem)]:
                entry = find(f"{target.name}::{name}", known)
                marks = [pytest.mark.xdist_group(f"{target.name}[{number}]")]
                if entry is not None:
                    marks.append(pytest.mark.xfail(reason=entry.reason, raises=CheckViolation, strict=False))
                call = partial(_require, target, name, case, examined, source)
                found.append(pytest.param(call, id=f"{target.name}[{number}]-{name}", marks=marks))
    return found


def parametrize_with_checks(
    targets: Sequence[Target], *, known_failures: Sequence[KnownFailure] = (), profile: str = "quick"
) -> pytest.MarkDecorator:
    """Decorator for a test with one argument `check`, which it calls: a test for each check of each problem.

        @elbocheck.parametrize_with_checks([target])
        def test_bound(check):
            check()

    Known failures are expected to fail; that they still do is checked by `check_target` and the command line.
    """
    return pytest.mark.parametrize("check", parameters(targets, known_failures, TARGET_PROFILES[profile]))


class CheckViolation(pytest.fail.Exception):  # type: ignore[name-defined]
    """A check of a target is violated; the message is DESIGN section 6's."""


SHRINKING = 20.0
"""Seconds that the search for a simpler failing problem may take, of the first failure of each target."""
_shrunk: set[str] = set()


def _require(target: Target, name: str, case: Case, examined: list[None], source: str) -> None:
    """Run one check as a test: skip where it does not apply, fail with everything that is known."""
    __tracebackhide__ = True
    try:
        one = run_check(target, name, case, examined)
    except TargetError as error:
        pytest.fail(f"the target cannot be judged. {error}", pytrace=False)
    result = one.result
    if result is None:
        pytest.skip(f"{name} needs something that the problem does not have (see Problem)")
    if result.outcome is Outcome.VIOLATED:
        if target.name not in _shrunk:
            _shrunk.add(target.name)
            one = shrunk(target, one, SHRINKING)
        RECORDED.append(_target_record(one))
        line = ""
        if source:
            made = target_case(one, target, source)
            line = replay_line(write_case(made)) if made is not None else ""
        raise CheckViolation(explain_failure(one, line), pytrace=False)
    RECORDED.append(_target_record(one))
    if result.outcome is Outcome.INCONCLUSIVE:
        pytest.fail(f"inconclusive: {result.message}", pytrace=False)


def _target_record(one: Checked) -> Record:
    assert one.result is not None
    arguments = "" if one.case.arguments is None else repr(dict(one.case.arguments))
    return Record(one.id, one.result, one.case.problem.program.backend, arguments)


def junit_properties(recorded: Sequence[Record]) -> list[tuple[str, object]]:
    """Properties of a test, for JUnit files: residual, bound, gradient norm, backend, dtype, seed, outcome.

    The seed of a target's problem are the arguments that it was drawn with.
    """
    last = recorded[-1]
    result, backend = last.result, last.backend
    return [
        ("elbocheck", last.what), ("check", result.check), ("outcome", result.outcome.value), ("residual", result.gap),
        ("bound", result.bound), ("gradient_norm", result.gradient_norm), ("points", result.points),
        ("backend", backend.name), ("dtype", backend.dtype), ("seed", last.seed), ("problem", result.problem),
        *[("outside", str(one)) for one in result.claims if not one.covered],
    ]  # fmt: skip


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


def stale_entries(reports: Iterable[Any], known: Sequence[KnownFailure]) -> tuple[str, ...]:
    """What is wrong with the list of known failures after a run."""
    found = [(name, properties["outcome"] == Outcome.VIOLATED.value) for name, properties, _ in _found(reports)]
    return stale(found, known)


def write_report(path: str, reports: Iterable[Any], backend: str, dtype: str) -> str:
    """The layout of DESIGN section 5, one cell for each test with results."""
    cells = []
    for report in reports:
        own = dict(report.user_properties)
        if "elbocheck" in own:
            bound = float(own["bound"])
            cells.append({
                "target": str(own["elbocheck"]).split("::")[0] if "::" in str(own["elbocheck"]) else report.nodeid,
                "posterior": "", "data": str(own["problem"]), "check": own["check"], "outcome": own["outcome"],
                "points": own["points"], "worst_gap": own["residual"], "worst_bound": bound,
                "worst_ratio": float(own["residual"]) / bound if bound > 0.0 else 0.0, "test": report.nodeid,
            })  # fmt: skip
    summary = {
        "cells": len(cells), "points": sum(one["points"] for one in cells),
        **{key: sum(one["outcome"] == word for one in cells) for key, word in
           (("violated", "violated"), ("inconclusive", "inconclusive"), ("out_of_scope", "out of scope"))},
    }  # fmt: skip
    content = {"elbocheck": __version__, "backend": backend, "dtype": dtype, "summary": summary, "cells": cells}
    Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
