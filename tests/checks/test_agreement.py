"""The agreement of two backends: planted differences of one term or one derivative are found and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elbocheck.backends import get_backend
from elbocheck.backends.batch import Batch
from elbocheck.checks import agreement
from elbocheck.families import Bernoulli
from elbocheck.models import find_cell
from elbocheck.outcome import Outcome
from support.oracle_tools import draw

FAULT = 1e-10


def plant(monkeypatch: pytest.MonkeyPatch, method: str, fault: Callable[[Any], Any]) -> None:
    """Add `fault(distribution)` to what one method of the Bernoulli family returns, on the NumPy backend only."""
    honest = getattr(Bernoulli, method)

    def wrong(self: Bernoulli, *arguments: Any) -> Any:
        value = honest(self, *arguments)
        return value + fault(self) if isinstance(self.logits, Batch) else value

    monkeypatch.setattr(Bernoulli, method, wrong)


def test_backends_agree_without_a_fault() -> None:
    result = agreement(draw(find_cell("sbn/exact"), (6, 3, 2)).problem(), get_backend("numpy"))
    assert result.outcome is Outcome.HOLDS
    assert result.ratio < 1.0


@pytest.mark.parametrize(
    ("method", "fault", "named"),
    [
        ("entropy", lambda self: FAULT, "entropy of factor"),
        ("pseudo_entropy", lambda self: FAULT, "pseudo_entropy of factor"),
        ("log_base_measure", lambda self: FAULT, "log_base_measure of factor"),
        # a slope that no value shows
        ("log_density", lambda self: FAULT * (self.logits - Batch(self.logits.data.real)), "of ∇F"),
    ],
)
def test_one_term_that_differs_is_named(
    monkeypatch: pytest.MonkeyPatch, method: str, fault: Callable[[Any], Any], named: str
) -> None:
    problem = draw(find_cell("sbn/exact"), (6, 3, 2)).problem()
    plant(monkeypatch, method, fault)
    result = agreement(problem, get_backend("numpy"))
    assert result.outcome is Outcome.VIOLATED
    assert named in result.message
    if "factor" in named:
        assert f"{named} z" in result.message
        assert f"{named} x" in result.message
