"""Noise that no term of a bound shows: the identity of the catalogue is then judged with what is measured of it."""

from __future__ import annotations

import numpy as np
import pytest

from elbocheck import decompose
from elbocheck.backends import get_backend
from elbocheck.checks import every_point
from elbocheck.checks.compare import Deviation, judge
from elbocheck.models import find_cell
from elbocheck.models.sample import Cell, Sample
from elbocheck.outcome import Outcome
from support.faulty_cells import with_wrong_beta


def unlikely(cell: Cell) -> Sample:
    """Counts of 2 where 1,400 are expected: at log probabilities of −2,800 the derivative of q cancels."""
    params = {
        "initial_logits": np.zeros(2),
        "transition_logits": np.eye(2),
        "log_rates": np.full(2, 7.26629073),
    }
    return Sample.checked(cell, np.full((2, 2), 2.0), 2, params, np.array([2.0, 1.0]) / 3.0)


@pytest.mark.parametrize("backend", ["jax", "numpy"])
def test_what_rounding_leaves_of_a_cancelling_derivative_is_no_violation(backend: str) -> None:
    cell = find_cell("hmm-poisson/exact").on(get_backend(backend))
    if backend == "numpy":  # else rounding decides whether there is anything to measure
        terms = decompose(unlikely(cell).problem())
        assert max(abs(one.residual) / one.rounding for one in terms.factors) > 1.0
    assert every_point(unlikely(cell).problem()).outcome is Outcome.HOLDS


@pytest.mark.parametrize("by", [1e-6, 1e-9])
def test_a_fault_of_that_point_is_still_seen(by: float) -> None:
    cell = find_cell("hmm-poisson/exact").on(get_backend("numpy"))
    assert every_point(unlikely(with_wrong_beta(cell, by)).problem()).outcome is Outcome.VIOLATED


@pytest.mark.parametrize("measured", [(1e-13, 5e-13), (5e-13, 1e-13)], ids=["first", "second"])
def test_measured_noise_does_not_order_a_message(measured: tuple[float, float]) -> None:
    """It differs between machines: the worse one by what is computed comes first on all of them."""
    first, second = (
        Deviation(name, size, 1e-12 + noise, noise=noise)
        for name, size, noise in zip(("one", "other"), (0.25, 0.24), measured, strict=True)
    )
    result = judge("value", "p", [second, first])
    assert result.message.startswith("value: one deviates by 2.500e-01")
    assert (result.gap, result.bound) == (0.25, first.bound)


def test_what_measured_noise_explains_comes_after_what_it_does_not() -> None:
    """The first is within its bound, and only that with the noise: the message and the numbers are the second's."""
    explained = Deviation("explained", 1e-9, 1e-12 + 1e-8, noise=1e-8)
    result = judge("value", "p", [explained, Deviation("left", 2e-12, 1e-12)])
    assert result.outcome is Outcome.VIOLATED
    assert "explained" not in result.message
    assert (result.gap, result.bound) == (2e-12, 1e-12)
