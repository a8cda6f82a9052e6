"""Searches and certificates in lanes against those one by one, on cells of the catalogue, and planted faults.

Each cell is compiled for some ten seconds: the quick profile has one of each kind, the others have all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from scipy import stats

from elbocheck import Factor
from elbocheck.backends import get_backend
from elbocheck.bound.decomposition import decompose
from elbocheck.bound.problem import Problem
from elbocheck.checks import every_point, stationary
from elbocheck.checks.batched import every_point_lanes, stationary_lanes
from elbocheck.models import CELLS, find_cell
from elbocheck.models.sample import Cell
from elbocheck.outcome import Outcome, Result
from elbocheck.profiles import PROFILES
from elbocheck.runs.chunks import Chunk, trained_columns
from elbocheck.solver import Start, certify, find_in_turn, find_stationary_point
from elbocheck.solver.batched import Cohort, Ends, batches, search
from elbocheck.solver.batched_certificate import Certificates, certify_lanes, decompose_lanes

QUICK = {
    "bernoulli-mixture/exact": "tied components, climbs to saddles",
    "poisson-mixture/exact": "a base measure that is not constant",
    "ppca/diagonal": "a fixed prior; a Gaussian q that is eliminated",
    "gmm-tied/free": "responsibilities that are eliminated; blocks that all components share",
    "sbn/arbitrary": "a q that nobody trains",
    "gaussian-process/exact": "few parameters, starts near the truth",
}
"""Cells of the quick profile, and what each is there for."""
COUNT, SIGNIFICANT = 12, 1e-3
"""Problems of a cell; the level of a sign test of searches that end certified in one way only: what runs away from a
start is chance, but neither way may be worse at it."""


@dataclass(frozen=True, eq=False)
class Solved:
    """Problems of a cell, searched in lanes, each from the start whose turn it is."""

    problems: list[Problem]
    starts: list[Start]
    cohort: Cohort
    ends: Ends

    @classmethod
    def of(cls, cell: Cell, count: int = COUNT) -> Solved:
        problems = [sample.problem() for sample in Chunk(cell.name, 0, count, 0).samples(cell)]
        starts = [one.starts[turn % len(one.starts)] for turn, one in enumerate(problems)]
        cohort = Cohort.of(problems, trained_columns(cell, problems[0]))
        return cls(problems, starts, cohort, search(cohort, starts))

    @property
    def labels(self) -> list[str]:
        return [problem.label for problem in self.problems]

    @cached_property
    def certificates(self) -> Certificates:
        return certify_lanes(self.cohort, self.ends)


@pytest.mark.parametrize(
    "cell", [pytest.param(cell, id=cell.name, marks=pytest.mark.xdist_group(cell.group)) for cell in CELLS]
)
def test_lanes_say_what_is_said_one_by_one(cell: Cell, elbocheck_settings: settings) -> None:
    """Certificates are recomputed one by one at the same points, and searches from the same starts."""
    if cell.name not in QUICK and elbocheck_settings.max_examples < PROFILES["gate"]:
        pytest.skip("compiled for some ten seconds; the gate and nightly profiles hold every cell")
    solved = Solved.of(cell)
    found, kinds, lost, won = solved.certificates, 0, 0, 0
    verdicts = stationary_lanes(found, solved.labels)
    for lane, (problem, start) in enumerate(zip(solved.problems, solved.starts, strict=True)):
        here = problem.at(solved.ends.vectors[lane])
        point = certify(here, displacement=solved.ends.displacements[lane])
        assert point.reason.split(":")[0] == found.reasons[lane].split(":")[0]
        assert (verdicts[lane] is None) == (not point.certified)
        _same_terms(here, found, lane)
        verdict = verdicts[lane]
        if verdict is not None:
            assert point.inertia == found.inertia[lane]
            _same_verdict(verdict, stationary(problem, [point]))
        other = find_stationary_point(problem, start)
        lost += other.certified and not found.certified[lane]
        won += not other.certified and bool(found.certified[lane])
        near = np.linalg.norm((other.problem.vector - here.vector) / problem.unit_vector) <= 1e-7
        if near and other.certified and verdict is not None:
            assert other.inertia == found.inertia[lane]
            kinds += 1
    assert not lost or stats.binomtest(lost, lost + won, alternative="greater").pvalue >= SIGNIFICANT
    assert kinds >= 1  # some end at the very same points


def _same_terms(problem: Problem, found: Certificates, lane: int) -> None:
    """Every number of the certificate, to the rounding that both bound."""
    one, lanes = decompose(problem), found.decompositions
    tolerance = one.elbo_rounding
    for mine, theirs in (
        (lanes.elbo, one.elbo),
        (lanes.declared, one.declared),
        (lanes.entropy_sum, one.entropy_sum),
        (lanes.delta, one.delta),
    ):
        assert abs(mine[lane] - theirs) <= tolerance
    assert np.linalg.norm(lanes.gradient[lane] - one.gradient) <= one.gradient_rounding
    assert len(lanes.terms) == len(one.factors)
    for term, other in zip(lanes.terms, one.factors, strict=True):
        assert term.label == other.label
        assert bool(term.covered[lane]) == other.covered
        assert abs(term.gap[lane] - other.gap) <= tolerance
        assert abs(term.pseudo_gap[lane] - other.pseudo_gap) <= tolerance
        assert abs(term.slope[lane] - (other.predicted - other.delta)) <= other.rounding
        mine, theirs = term.beta[lane], other.scaling.beta
        both = (mine != 0.0) & (theirs != 0.0)  # a derivative that is 0 in one of them moves nothing there
        np.testing.assert_allclose(mine[both], theirs[both], rtol=1e-9)
        if np.array_equal(mine != 0.0, theirs != 0.0):
            assert term.norm[lane] == pytest.approx(other.scaling.norm, rel=1e-9)
        assert term.rounding[lane] == pytest.approx(other.rounding, rel=1e-9)
    assert lanes.gradient_rounding[lane] == pytest.approx(one.gradient_rounding, rel=1e-9)


def _same_verdict(mine: Result, theirs: Result) -> None:
    assert (mine.outcome, mine.kinds, mine.points) == (theirs.outcome, theirs.kinds, theirs.points)
    assert mine.bound > 0.0
    for name in ("gradient_norm", "power", "bound"):
        # the same number of another rounding, or that of another factor with almost the same ratio
        assert getattr(mine, name) <= 10.0 * theirs.power + 1e-9
    assert abs(mine.ratio - theirs.ratio) <= 0.5


def test_random_points_say_what_they_say_one_by_one() -> None:
    """The identity in lanes: verdict, ratio and power of `every_point`."""
    cell = find_cell("poisson-mixture/exact")
    problems = [sample.problem() for sample in Chunk(cell.name, 0, COUNT, 0).samples(cell)]
    cohort = Cohort.of(problems, trained_columns(cell, problems[0]))
    vectors = np.stack([problem.vector for problem in problems])
    for mine, problem in zip(
        every_point_lanes(decompose_lanes(cohort, vectors), list("x" * COUNT)), problems, strict=True
    ):
        theirs = every_point(problem)
        assert (mine.outcome, mine.points) == (theirs.outcome, theirs.points)
        assert mine.power == pytest.approx(theirs.power, rel=1e-9)
        assert mine.gradient_norm == pytest.approx(theirs.gradient_norm, rel=1e-9)
        assert abs(mine.ratio - theirs.ratio) <= 0.5


def test_a_census_chunk_has_the_verdicts_of_searches_in_turn() -> None:
    cell = find_cell("bernoulli-mixture/exact")
    (_, theorem, _) = Chunk(cell.name, 0, COUNT, 0).run(lambda count: None)
    alone = [
        stationary(sample.problem(), find_in_turn(sample.problem(), turn))
        for turn, sample in enumerate(Chunk(cell.name, 0, COUNT, 0).samples(cell))
    ]
    assert {one.outcome for one in alone} == {Outcome.HOLDS} == {Outcome(theorem.outcome)}
    assert theorem.tally.points == sum(one.points for one in alone)


Change = Callable[[Factor, Any], Factor]


def faulty(cell: Cell, factor: str, **methods: Callable[..., Any]) -> Cell:
    """The cell with other methods of the family of one factor."""

    def factors(*arguments: Any) -> tuple[Factor, ...]:
        found = []
        for one in cell.model.factors(*arguments):
            if one.name == factor:
                family = type(one.distribution)
                broken = type(f"Broken{family.__name__}", (family,), methods)
                own = {field.name: getattr(one.distribution, field.name) for field in fields(family)}
                one = replace(one, distribution=broken(**own))
            found.append(one)
        return tuple(found)

    return replace(cell, model=replace(cell.model, factors=factors))


def test_points_that_are_not_stationary_are_not_certified() -> None:
    """The certificate does not believe the search: where it began, and beside where it ended."""
    solved = Solved.of(find_cell("bernoulli-mixture/exact"))
    begun = np.stack([problem.vector for problem in solved.problems])
    beside = solved.ends.vectors + 1e-4 * solved.cohort.free
    for vectors in (begun, beside):
        still = np.zeros_like(vectors)
        found = certify_lanes(solved.cohort, replace(solved.ends, vectors=vectors, displacements=still))
        moved = np.linalg.norm(found.decompositions.gradient, axis=1) > 1e-9
        assert np.sum(moved) >= 10
        assert all(found.reasons[lane].startswith("gradient too large") for lane in np.flatnonzero(moved))
        assert not np.any(found.certified & moved)
        assert all(
            (one is None) == (not sure)
            for one, sure in zip(stationary_lanes(found, solved.labels), found.certified, strict=True)
        )


def test_a_search_that_ran_away_is_not_certified() -> None:
    solved = Solved.of(find_cell("bernoulli-mixture/exact"))
    far = np.where(solved.cohort.free, 30.0, 0.0)
    found = certify_lanes(solved.cohort, replace(solved.ends, displacements=far))
    assert all(reason.startswith("boundary at infinity: ") for reason in found.reasons)


def test_a_base_measure_taken_for_constant_leaves_its_gap() -> None:
    """Without δ the entropy sum of Poisson mixtures misses the ELBO by exactly δ, which is what lanes then report."""
    right = Solved.of(find_cell("poisson-mixture/exact"))
    found = right.certificates
    terms = found.decompositions
    forgotten = replace(terms, terms=tuple(replace(one, delta=np.zeros(COUNT)) for one in terms.terms))
    results = stationary_lanes(replace(found, decompositions=forgotten), right.labels)
    judged = [lane for lane, one in enumerate(results) if one is not None]
    assert len(judged) >= 10
    for lane in judged:
        result = results[lane]
        assert result is not None
        assert result.outcome is Outcome.VIOLATED
        predicted = [terms.delta[lane], *(one.delta[lane] for one in terms.terms)]
        assert min(abs(result.gap - abs(one)) for one in predicted) <= terms.bound[lane] + terms.elbo_rounding[lane]


def test_a_wrong_entropy_is_rejected_at_every_point_and_at_stationary_ones() -> None:
    cell = find_cell("bernoulli-mixture/exact")
    right = Solved.of(cell)
    factor = right.certificates.decompositions.terms[-1].label.split("[")[0]
    family = next(one for one in _factors(right.problems[0]) if one.name == factor).distribution
    wrong = faulty(cell, factor, entropy=lambda d: type(family).entropy(d) + 1e-9)
    lanes = Cohort.of(
        [one.with_compiled(wrong.program_at(cell.capacity)) for one in right.problems], right.cohort.columns
    )
    for result in every_point_lanes(decompose_lanes(lanes, right.ends.vectors), right.labels):
        assert result.outcome is Outcome.VIOLATED
    results = [one for one in stationary_lanes(certify_lanes(lanes, right.ends), right.labels) if one is not None]
    assert len(results) >= 10
    assert {one.outcome for one in results} == {Outcome.VIOLATED}


def _factors(problem: Problem) -> tuple[Factor, ...]:
    bound = problem.compiled.bound
    return bound.declare(bound.layout.unpack(problem.vector), problem.fixed).factors


def test_what_is_not_finite_is_neither_certified_nor_held() -> None:
    solved = Solved.of(find_cell("bernoulli-mixture/exact"), 4)
    vectors = np.where(solved.cohort.free, np.nan, solved.ends.vectors)
    found = certify_lanes(solved.cohort, replace(solved.ends, vectors=vectors))
    assert found.reasons == ("non-finite value or derivative",) * 4
    assert {one.outcome for one in every_point_lanes(found.decompositions, solved.labels)} == {Outcome.INCONCLUSIVE}


def test_only_double_precision_of_jax_has_lanes() -> None:
    cell = find_cell("bernoulli-mixture/exact")
    sample = Chunk(cell.name, 0, 1, 0).samples(cell)[0]
    wanted = {("jax", "float64"): True, ("jax", "float32"): False, ("numpy", "float64"): False}
    assert {one: batches(sample.on(get_backend(*one)).compiled) for one in wanted} == wanted
