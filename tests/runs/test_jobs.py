"""Jobs of `elbocheck verify`: what a row says where problems, or points, show nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elbocheck.backends import get_backend
from elbocheck.models import OUT_OF_SCOPE
from elbocheck.models.controls import CONTROLS
from elbocheck.outcome import Outcome, Result
from elbocheck.report.terminal import summary
from elbocheck.runs import jobs
from elbocheck.runs.jobs import ControlJob, RandomJob, run_control
from elbocheck.runs.rows import Report
from elbocheck.strategies.of_cells import Draw, realise


def test_a_scope_that_no_problem_tells_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32 a residual may drown in rounding; if all of them do, nothing was recognised."""
    outcomes = iter([Outcome.OUT_OF_SCOPE, Outcome.INCONCLUSIVE] + [Outcome.INCONCLUSIVE] * 2)
    monkeypatch.setattr("elbocheck.runs.jobs.outside", lambda problem: Result("scope", "p", next(outcomes), gap=1e-5))
    job = RandomJob(("bounded-logits/arbitrary",), 2, 0)
    told, untold = (Report(tuple(job.run(lambda count: None)), "numpy", "float32") for _ in range(2))
    assert (told.rows[0].outcome, told.inconclusive, told.exit_code) == ("out of scope", 1, 0)
    assert (untold.rows[0].outcome, untold.inconclusive, untold.exit_code) == ("inconclusive", 2, 1)
    assert "2 problems inconclusive" in " ".join(summary(untold, 1.0).split())


def test_controls_look_for_a_point_that_shows_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal components make the gap of fixed weights vanish, as predicted: a fault of the point, not of the check."""
    one = next(one for one in CONTROLS if one.name == "weights are constants")
    choice = Draw(one.cell.name, (12, 2, 3), "model", "equal", 0.0, -1.0, 0.0, (), 2)
    sample = realise(one.cell, choice, solvable=True)
    assert run_control(one, sample)[0].outcome is Outcome.HOLDS
    monkeypatch.setattr(jobs, "RESTARTS", 1)
    assert run_control(one, sample)[0].outcome is Outcome.INCONCLUSIVE
    wrong = replace(one, predicted=lambda *_: 0.5)
    assert run_control(wrong, sample)[0].outcome is Outcome.VIOLATED


@pytest.mark.parametrize("position", range(len(CONTROLS)), ids=lambda position: f"{position}-{CONTROLS[position].name}")
def test_every_control_is_seen_and_has_its_size(position: int) -> None:
    """F − S is not 0 where it must not be, and as large as is predicted by other code."""
    (row,) = ControlJob((position,), 2, 0).run(lambda count: None, get_backend("numpy"))
    assert row.check == f"control: {CONTROLS[position].name}"
    assert (row.outcome, row.tally.problems) == ("holds", 2), row.tally
    assert len(row.records) == 2


@pytest.mark.parametrize("name", [cell.name for cell in OUT_OF_SCOPE])
def test_what_the_theorem_does_not_cover_is_recognised(name: str) -> None:
    (row,) = RandomJob((name,), 2, 0).run(lambda count: None)
    assert (row.check, row.outcome) == ("scope", "out of scope")
    assert row.said


def test_a_scope_that_seems_to_apply_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elbocheck.runs.jobs.outside", lambda problem: Result("scope", "p", Outcome.HOLDS, gap=1e-16))
    (row,) = RandomJob(("bounded-logits/arbitrary",), 2, 0).run(lambda count: None)
    assert row.outcome == "violated"
    assert Report((row,), "numpy", "float64").exit_code == 1
