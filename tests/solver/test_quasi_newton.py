"""The search without cheap Hessians, on functions whose stationary points are known."""

from __future__ import annotations

import numpy as np

from elbocheck.solver.newton import Evaluation
from elbocheck.solver.quasi_newton import search
from support.landscapes import endless, ring, two_hills


def nowhere(point: np.ndarray) -> Evaluation:
    return np.nan, np.full(1, np.nan), np.full((1, 1), np.nan)


def gradient_of(function):  # type: ignore[no-untyped-def]
    return lambda point: function(point)[:2]


def test_a_singular_maximum_to_rounding() -> None:
    found = search(gradient_of(ring), ring, np.array([0.3, -0.8, 2.0]))
    assert found.stopped == "converged"
    assert np.linalg.norm(ring(found.vector)[1]) <= 1e-14
    assert abs(np.linalg.norm(found.vector) - 1.0) <= 1e-14


def test_a_start_next_to_a_saddle_stays_there() -> None:
    """Redundant latents start next to saddles: no ascent may lead away from them."""
    found = search(gradient_of(two_hills), two_hills, np.array([1e-3, 2e-3]))
    assert found.stopped == "converged"
    np.testing.assert_allclose(found.vector, [0.0, 0.0], atol=1e-12)


def test_a_wrong_hessian_still_converges_on_few_of_them() -> None:
    """A chord with an error of 1e-3 contracts the gradient a thousandfold at every step, so one Hessian serves."""
    calls = 0

    def approximate(point: np.ndarray) -> Evaluation:
        nonlocal calls
        calls += 1
        value, gradient, hessian = two_hills(point)
        return value, gradient, hessian * 1.001

    found = search(gradient_of(two_hills), approximate, np.array([0.8, 0.7]))
    assert found.stopped == "converged"
    assert calls <= 2
    np.testing.assert_allclose(found.vector, [1.0, 0.0], atol=1e-13)


def test_a_hessian_of_the_wrong_sign_is_not_called_converged() -> None:
    """The planted fault: Newton steps that lead away must not end in "converged" off the maximum."""

    def wrong(point: np.ndarray) -> Evaluation:
        value, gradient, hessian = two_hills(point)
        return value, gradient, -hessian

    found = search(gradient_of(two_hills), wrong, np.array([0.8, 0.7]))
    reached = float(np.linalg.norm(two_hills(found.vector)[1]))
    assert found.stopped != "converged" or reached <= 1e-9


def test_infinity_and_nothing() -> None:
    away = search(gradient_of(endless), endless, np.zeros(1), limit=200)
    assert away.stopped != "converged"
    assert away.vector[0] > 1.0
    assert search(gradient_of(nowhere), nowhere, np.zeros(1)).stopped == "non-finite at the start"
