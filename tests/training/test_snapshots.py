"""What is recorded along training: the steps that count, terms that add up, and the bound at every step."""

from __future__ import annotations

import numpy as np
import pytest

from elbocheck.bound.decomposition import decompose
from elbocheck.bound.problem import Problem
from elbocheck.models import find_cell
from elbocheck.models.datasets import load, real_sample
from elbocheck.solver import find_stationary_points
from elbocheck.training.snapshots import Climb, Climbs, along, record, snapshot


@pytest.fixture(scope="module")
def problem() -> Problem:
    return real_sample(find_cell("poisson-mixture/exact"), load("horse_kicks"), 2, 0).problem()


@pytest.mark.xdist_group("poisson-mixture/table")
def test_a_watched_search_is_recorded_and_not_changed(problem: Problem) -> None:
    climbs = Climbs()
    watched = find_stationary_points(problem, watch=climbs)
    alone = find_stationary_points(problem)
    assert [point.decomposition.elbo for point in watched] == [point.decomposition.elbo for point in alone]
    assert [*climbs.found] == [point.origin for point in watched if point.origin != "saddle"]
    assert climbs.best(watched) is climbs.found["ascent"]
    assert climbs.best(watched[1:]) is not climbs.found["ascent"]
    assert climbs.best([]) is None
    steps = along(problem, climbs.found["ascent"].vectors)
    assert steps[0].elbo == pytest.approx(decompose(problem).elbo, abs=1e-12)
    # a search is watched to its end
    assert steps[-1].elbo == pytest.approx(watched[0].decomposition.elbo, abs=1e-12)
    assert watched[0].certified
    rises = np.diff([one.elbo for one in steps])
    assert np.all(rises >= -1e-13)
    assert steps[0].gradient > 1e-3 > 1e-9 > steps[-1].gradient
    for one in steps:
        assert abs(one.gap) <= one.bound
    assert abs(steps[0].gap) > 1e-6


@pytest.mark.xdist_group("poisson-mixture/table")
def test_a_snapshot_sums_components_and_keeps_totals(problem: Problem) -> None:
    terms = decompose(problem)
    assert len(terms.factors) > len({term.name for term in terms.factors})
    one = snapshot(terms, 3)
    assert (one.step, [share.name for share in one.factors]) == (3, ["z", "x"])
    assert one.entropy_sum == pytest.approx(terms.entropy_sum, abs=1e-15)
    assert sum(share.gap for share in one.factors) == pytest.approx(terms.gap, abs=1e-15)
    assert one.gap + one.delta == pytest.approx(terms.gap, abs=1e-13)
    assert sum(share.predicted for share in one.factors) == pytest.approx(terms.gap, abs=terms.rounding)


@pytest.mark.xdist_group("poisson-mixture/table")
def test_a_control_is_recorded_without_delta(problem: Problem) -> None:
    terms = decompose(problem)
    assert terms.delta != 0.0
    assert record(terms, "control").gap == pytest.approx(abs(terms.elbo - terms.entropy_sum))
    assert record(terms, "maximum").gap == pytest.approx(abs(terms.elbo - terms.entropy_sum - terms.delta))
    assert record(terms, "maximum").bound >= record(terms, "maximum").beta * terms.gradient_norm


def test_trial_points_that_are_stepped_back_from_are_no_steps() -> None:
    path = Climb()
    evaluations = [(-3.0, 1.0), (-5.0, 9.0), (-2.0, 0.5), (np.nan, np.nan), (-1.0, 1e-3), (-1.0, 1e-9), (-1.0, 1e-4)]
    for position, (value, gradient) in enumerate(evaluations):
        path(np.array([float(position)]), value, gradient)
    assert [int(vector[0]) for vector in path.vectors] == [0, 2, 4, 5]
    assert path.best == -1.0


@pytest.mark.xdist_group("poisson-mixture/table")
@pytest.mark.parametrize(
    ("count", "most", "steps"), [(1, 5, [0]), (5, 5, [0, 1, 2, 3, 4]), (101, 5, [0, 25, 50, 75, 100])]
)
def test_long_searches_are_thinned_to_their_ends(problem: Problem, count: int, most: int, steps: list[int]) -> None:
    found = along(problem, [problem.vector] * count, most)
    assert [one.step for one in found] == steps
