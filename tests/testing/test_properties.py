"""Guided draws: in the nightly profile they climb towards the largest |residual| / bound, which is listed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from elbocheck.outcome import Outcome, Result
from elbocheck.testing import properties
from elbocheck.testing.properties import MOST_RATIO, run_property
from elbocheck.testing.records import near_lines


def budget(derandomize: bool) -> settings:
    return settings(max_examples=30, deadline=None, derandomize=derandomize, database=None)


def ratio_of(drawn: int) -> Result:
    return Result("check", str(drawn), Outcome.HOLDS, gap=float(drawn), bound=1000.0)


@pytest.mark.parametrize("derandomize", [False, True], ids=["nightly", "quick"])
def test_random_draws_are_guided_by_the_ratio(monkeypatch: pytest.MonkeyPatch, derandomize: bool) -> None:
    aims: list[float] = []
    monkeypatch.setattr(properties, "target", aims.append)
    tally = run_property(budget(derandomize), st.integers(0, 1000), ratio_of)
    assert len(aims) == (0 if derandomize else tally.problems)
    if aims:
        assert max(aims) == tally.worst.ratio


def test_guided_draws_climb() -> None:
    """One in a million draws would be above 0.9 by chance; the aim leads there."""
    drawn = st.lists(st.integers(0, 9), min_size=12, max_size=12)

    def ratio(digits: list[int]) -> Result:
        return Result("check", str(digits), Outcome.HOLDS, gap=sum(digits) / 108.0, bound=1.0)

    wide = settings(budget(False), max_examples=2000)
    assert run_property(wide, drawn, ratio).worst.ratio > 0.9


def test_an_aim_is_finite() -> None:
    """Hypothesis refuses others; a bound of 0, where nothing can deviate, gives an infinite ratio."""
    aims: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(properties, "target", aims.append)
        run_property(budget(False), st.integers(1, 9), lambda n: Result("check", "p", Outcome.HOLDS, gap=n, bound=0.0))
    assert set(aims) == {MOST_RATIO}


def report(test: str, residual: float, bound: float, **own: Any) -> SimpleNamespace:
    found = {"elbocheck": "cell", "residual": residual, "bound": bound, "problem": f"Draw of {test}", **own}
    return SimpleNamespace(nodeid=test, user_properties=list(found.items()))


def test_what_came_close_is_listed_worst_first() -> None:
    reports = [
        report("a", 0.91, 1.0),
        report("b", 0.5, 1.0),
        report("c", 0.99, 1.0),
        report("d", 0.0, 0.0),
        report("e", 0.95, 1.0, elbocheck="target::check"),
        SimpleNamespace(nodeid="f", user_properties=[]),
    ]
    assert near_lines(reports) == ["0.99 of its bound: c: Draw of c", "0.91 of its bound: a: Draw of a"]
