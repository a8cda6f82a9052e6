"""The search on functions whose stationary points are known, and the bookkeeping around it."""

from __future__ import annotations

import numpy as np
import pytest

from elbocheck.bound.problem import Problem
from elbocheck.models import find_cell
from elbocheck.models.sample import random_sample
from elbocheck.outcome import Outcome, Result, Tally
from elbocheck.profiles import MOST_INCONCLUSIVE
from elbocheck.solver import certify, find_stationary_point
from elbocheck.solver.certificate import FAR, Inertia
from elbocheck.solver.newton import RUNAWAY, Evaluation, ascent_step, minimum_norm_step, search
from elbocheck.solver.precision import precision_of
from support.landscapes import endless, ring, two_hills


def test_ascent_converges_on_a_circle_of_maxima_to_rounding() -> None:
    found = search(ring, np.array([0.3, -0.2, 0.1]))
    assert found.stopped == "converged"
    assert np.linalg.norm(ring(found.vector)[1]) < 1e-14
    assert np.linalg.norm(found.vector) == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize(("index", "expected"), [(0, [1.0, 0.0]), (1, [0.0, 0.0])])
def test_the_index_chooses_between_maximum_and_saddle(index: int, expected: list[float]) -> None:
    found = search(two_hills, np.array([0.4, 0.7]), index=index)
    np.testing.assert_allclose(np.abs(found.vector), expected, atol=1e-12)


def test_a_search_towards_infinity_says_so() -> None:
    assert search(endless, np.array([0.0])).stopped == "runaway"


def test_a_function_that_is_not_finite_is_refused_at_once() -> None:
    def broken(point: np.ndarray) -> Evaluation:
        return np.nan, np.full(1, np.nan), np.full((1, 1), np.nan)

    found = search(broken, np.array([0.0]))
    assert found.stopped == "non-finite at the start"
    assert found.iterations == 0


def test_a_search_survives_non_finite_values_on_its_way() -> None:
    def walled(point: np.ndarray) -> Evaluation:
        """log(1 − x) + 3x, which ends at x = 1; maximum at 2/3."""
        x = point[0]
        with np.errstate(all="ignore"):
            return float(np.log(1 - x) + 3 * x), np.array([-1 / (1 - x) + 3]), np.array([[-1 / (1 - x) ** 2]])

    assert search(walled, np.array([-3.0])).vector[0] == pytest.approx(2 / 3, abs=1e-12)


def test_minimum_norm_step_leaves_null_directions_alone() -> None:
    hessian = np.diag([-2.0, -1e-14, -4.0])
    step = minimum_norm_step(np.array([1e-3, 1e-16, 2e-3]), *np.linalg.eigh(hessian))
    np.testing.assert_allclose(step, [5e-4, 0.0, 5e-4], rtol=1e-12)


def test_ascent_step_climbs_whatever_the_curvature() -> None:
    gradient, hessian = np.array([1.0, 1.0]), np.diag([3.0, -2.0])
    step = ascent_step(gradient, *np.linalg.eigh(hessian), index=0)
    np.testing.assert_allclose(step, [1 / 3, 1 / 2])
    down = ascent_step(gradient, *np.linalg.eigh(hessian), index=1)
    np.testing.assert_allclose(down, [-1 / 3, 1 / 2])


@pytest.mark.parametrize(
    ("inertia", "kind"),
    [
        (Inertia(0, 1, 3), "maximum"),
        (Inertia(1, 0, 3), "saddle"),
        (Inertia(2, 1, 0), "minimum"),
        (Inertia(0, 2, 0), "flat"),
    ],
)
def test_kinds(inertia: Inertia, kind: str) -> None:
    assert inertia.kind == kind


@pytest.fixture(scope="module")
def stationary_problem() -> Problem:
    """A problem at its maximum."""
    counts = np.array([[1.0], [4.0], [0.0], [9.0]])
    point = find_stationary_point(random_sample(find_cell("poisson-mixture/arbitrary"), counts, 2, 0).problem())
    assert point.certified, point.reason
    return point.problem


RUNAWAY_GROUP = pytest.mark.xdist_group(find_cell("poisson-mixture/arbitrary").group)


@RUNAWAY_GROUP
@pytest.mark.parametrize(
    ("moved", "reason"), [(0.0, ""), (-0.9, ""), (-1.1, "boundary at infinity: {} ran away, by -28")]
)
@pytest.mark.parametrize("block", ["logits", "log_rates"])
def test_a_search_that_went_too_far_is_not_certified_and_the_block_is_named(
    stationary_problem: Problem, block: str, moved: float, reason: str
) -> None:
    assert certify(stationary_problem).certified
    displacement = np.full(stationary_problem.vector.size, 0.5)
    displacement[stationary_problem.layout.slices[block].stop - 1] = moved * RUNAWAY
    point = certify(stationary_problem, "here", 7, displacement)
    assert (point.reason, point.origin, point.iterations) == (reason.format(block), "here", 7)


@RUNAWAY_GROUP
def test_a_search_that_ended_early_says_which_block_was_on_its_way(stationary_problem: Problem) -> None:
    elsewhere = stationary_problem.at(stationary_problem.vector + 0.3)
    displacement = np.zeros(elsewhere.vector.size)
    first = elsewhere.layout.slices["log_rates"].start
    displacement[first] = 0.9 * FAR
    assert certify(elsewhere, displacement=displacement).reason == certify(elsewhere).reason != ""
    displacement[first] = 1.6 * FAR
    assert certify(elsewhere, displacement=displacement).reason == (
        certify(elsewhere).reason + "; log_rates had moved by +16"
    )


def test_limits_follow_the_precision() -> None:
    double, single = precision_of(float(np.finfo(np.float64).eps)), precision_of(float(np.finfo(np.float32).eps))
    assert (double.gradient, single.gradient) == (1e-9, 1e-3)
    assert double.rounding <= 1e-9
    assert double.rounding / double.eps == single.rounding / single.eps
    for limits in (double, single):  # nothing is asked for that the type cannot represent
        assert limits.null > 20 * limits.eps
        assert limits.gradient > 1e3 * limits.eps


def test_too_much_inconclusive_fails_a_property_and_nothing_is_dropped() -> None:
    fine, open_ = Result("c", "p", Outcome.HOLDS), Result("c", "p", Outcome.INCONCLUSIVE, message="ran away")
    allowed = int(100 * MOST_INCONCLUSIVE)
    Tally.of([fine] * (100 - allowed) + [open_] * allowed).require_conclusive()
    with pytest.raises(AssertionError, match="ran away"):
        Tally.of([fine] * (99 - allowed) + [open_] * (allowed + 1)).require_conclusive()
    with pytest.raises(AssertionError, match="no problem"):
        Tally.of([]).require_conclusive()
