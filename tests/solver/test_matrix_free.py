"""The search without matrices, on functions whose stationary points are known, and on code with many parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import Normal
from elbocheck.solver import certify, find_stationary_point
from elbocheck.solver.certificate import large
from elbocheck.solver.matrix_free import MOST, newton_step, search

SIZE = 100
CURVATURES = np.geomspace(1.0, 1e3, SIZE)
TOP = np.linspace(-1.0, 1.0, SIZE)


def bowl(point: np.ndarray) -> tuple[float, np.ndarray]:
    """−½ Σ cᵢ (xᵢ − tᵢ)², whose maximum is t."""
    apart = point - TOP
    return float(-0.5 * CURVATURES @ apart**2), -CURVATURES * apart


def trough(point: np.ndarray) -> tuple[float, np.ndarray]:
    """The same without the first half of the coordinates: a plane of maxima."""
    value, slope = bowl(np.where(np.arange(SIZE) < SIZE // 2, TOP, point))
    return value, slope


def quartic(point: np.ndarray) -> tuple[float, np.ndarray]:
    """−Σ log cosh(xᵢ − tᵢ): a maximum far from which Newton's steps are too long."""
    return float(-np.sum(np.log(np.cosh(point - TOP)))), -np.tanh(point - TOP)


@pytest.mark.parametrize("function", [bowl, quartic])
def test_it_finds_the_maximum(function: Any) -> None:
    found = search(function, TOP + 3.0)
    assert found.stopped == "converged"
    np.testing.assert_allclose(found.vector, TOP, atol=1e-9)


def test_a_plane_of_maxima_is_reached_next_to_the_start() -> None:
    start = TOP + 1.0
    found = search(trough, start)
    assert found.stopped == "converged"
    np.testing.assert_array_equal(found.vector[: SIZE // 2], start[: SIZE // 2])
    np.testing.assert_allclose(found.vector[SIZE // 2 :], TOP[SIZE // 2 :], atol=1e-9)


def test_what_has_no_maximum_runs_away() -> None:
    assert search(lambda point: (float(np.sum(point)), np.ones(SIZE)), np.zeros(SIZE)).stopped == "runaway"


def test_what_is_not_finite_is_refused_at_once() -> None:
    found = search(lambda point: (np.nan, np.full(SIZE, np.nan)), np.zeros(SIZE))
    assert (found.stopped, found.iterations) == ("non-finite at the start", 1)


def test_a_search_that_ends_beyond_all_numbers_has_not_converged() -> None:
    """e^(1000 x) overflows on the way up; catches that the slope there, which is none, counts as zero."""

    def steep(point: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):
            return float(np.exp(1e3 * point).sum()), 1e3 * np.exp(1e3 * point)

    assert search(steep, np.zeros(SIZE)).stopped == "non-finite"


def test_a_ridge_without_a_stationary_point_stalls() -> None:
    """−Σ |xᵢ − tᵢ|, whose slope is 1 or −1 everywhere."""

    def ridge(point: np.ndarray) -> tuple[float, np.ndarray]:
        apart = point - TOP
        return float(-np.sum(np.abs(apart))), np.where(apart < 0.0, 1.0, -1.0)

    assert search(ridge, TOP + 1.0 / 3.0).stopped == "stalled"


def test_steps_are_of_least_norm() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(SIZE, 20))
    hessian = -root @ root.T  # of rank 20
    slope = hessian @ rng.normal(size=SIZE)
    step = newton_step(lambda point: (0.0, slope + hessian @ point), np.zeros(SIZE))
    np.testing.assert_allclose(step, np.linalg.lstsq(hessian, -slope, rcond=1e-10)[0], atol=1e-6)


def wide(size: int) -> Problem:
    """x_d ~ N(m_d, 1) for `size` columns, in NumPy; F is largest at the mean of the data."""
    x = np.random.default_rng(1).normal(size=(5, size))

    def declare(params: dict[str, Any]) -> Declaration:
        return Declaration((Factor("x", Normal(params["m"], np.exp(params["s"])), x),), np.ones((5, 1)), np.zeros(5))

    def elbo(params: dict[str, Any]) -> Any:
        squares = (x - params["m"]) ** 2 * np.exp(-params["s"])
        return np.mean(np.sum(-0.5 * (squares + params["s"] + np.log(2 * np.pi)), axis=1))

    begin = {"m": np.zeros(size), "s": np.array(0.3)}
    return Problem(begin, elbo, declare, library="numpy", label="wide", grad=_gradient(x))


def _gradient(x: np.ndarray) -> Any:
    def gradient(params: dict[str, Any]) -> dict[str, Any]:
        apart, precision = x - params["m"], np.exp(-params["s"])
        spread = 0.5 * (np.mean(np.sum(apart**2, axis=1)) * precision - x.shape[1])
        return {"m": np.mean(apart, axis=0) * precision, "s": np.asarray(spread)}

    return gradient


def test_code_with_many_parameters_is_certified_without_a_hessian() -> None:
    problem = wide(MOST + 6)
    assert large(problem)
    assert not large(wide(MOST - 6))
    found = find_stationary_point(problem)
    assert found.certified, found.reason
    assert not found.inertia.known
    assert found.inertia.kind == "unknown"
    few = find_stationary_point(wide(MOST - 6))
    assert few.certified
    assert few.inertia.kind == "maximum"


def test_points_that_are_not_stationary_are_not_certified() -> None:
    """Planted: one mean of seventy is off by 1e-3."""
    problem = wide(MOST + 6)
    vector = np.array(find_stationary_point(problem).problem.vector)
    vector[3] += 1e-3
    moved = certify(problem.at(vector))
    assert not moved.certified
    assert moved.distance == pytest.approx(1e-3, rel=0.1)
