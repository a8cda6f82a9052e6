"""The theorem: at certified stationary points the ELBO equals the entropy sum, F = S + δ (THEORY section 2).

Rejects: what `every_point` rejects, and a bound whose terms are consistent but whose parameters are not stationary
where its training stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from elbocheck.bound.problem import Problem
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge, out_of_scope, unpredicted
from elbocheck.checks.every_point import measured_noise
from elbocheck.outcome import Outcome, Result
from elbocheck.solver import StationaryPoint, distinct, find_stationary_points

NAME = "stationary"


def stationary(problem: Problem, points: Sequence[StationaryPoint] | None = None) -> Result:
    """|gap − δ| ≤ ‖β‖·‖∇F‖ + rounding, per factor, per component and in total, at every certified point.

    `points`: points to judge; default all that the problem's starts lead to. `inconclusive` if none is certified;
    `out of scope` if β moves parameters that are not free, for every factor.
    """
    points = find_stationary_points(problem) if points is None else points
    attempts = tuple(f"{point.origin}: {point.reason}" for point in points if not point.certified)
    verified = distinct(list(points))
    if not verified:
        return Result(
            NAME,
            problem.label,
            Outcome.INCONCLUSIVE,
            points=0,
            attempts=attempts,
            message=f"no stationary point certified: {'; '.join(attempts)}",
        )
    outside = [term for point in verified for term in unpredicted(point.decomposition)]
    deviations = [deviation for point in verified for deviation in theorem_deviations(point)]
    if any(not deviation.size <= deviation.bound for deviation in deviations):
        deviations = [deviation for point in verified for deviation in with_measured_noise(point)]
    if not deviations and not outside:
        return Result(
            NAME,
            problem.label,
            Outcome.OUT_OF_SCOPE,
            points=0,
            attempts=attempts,
            message="every factor has a scaling direction that training does not move",
        )
    result = judge(
        NAME,
        problem.label,
        deviations,
        points=len(verified),
        kinds=[point.kind for point in verified],
        attempts=attempts,
        gradient_norm=max(point.gradient_norm for point in verified),
    )
    return out_of_scope(NAME, problem.label, outside) if outside and result.outcome is Outcome.HOLDS else result


def with_measured_noise(point: StationaryPoint) -> list[Deviation]:
    """The same, with what rounding is measured to change in the identity at the point (THEORY section 11).

    A posterior whose precision is badly conditioned loses digits that no term shows.
    """
    return theorem_deviations(point, measured_noise(point.problem, point.decomposition))


NO_NOISE: Mapping[str, float] = {}


def theorem_deviations(point: StationaryPoint, noise: Mapping[str, float] = NO_NOISE) -> list[Deviation]:
    """gap − δ of every factor that the theorem covers, and of the whole bound if it covers all."""
    decomposition = point.decomposition
    names = [f"factor {term.label}" for term in decomposition.factors]
    deviations = [
        Deviation(
            name,
            abs(term.gap - term.delta),
            decomposition.factor_bound(term) + noise.get(name, 0.0),
            term.magnitude,
            noise.get(name, 0.0),
        )
        for name, term in zip(names, decomposition.factors, strict=True)
        if term.covered
    ]
    if decomposition.covered:
        total = abs(decomposition.elbo - decomposition.entropy_sum - decomposition.delta)
        bound = decomposition.bound + decomposition.elbo_rounding
        measured = sum(
            term.weight * noise.get(name, 0.0) for name, term in zip(names, decomposition.factors, strict=True)
        )
        deviations.append(
            Deviation("ELBO minus entropy sum", total, bound + measured, decomposition.magnitude, measured)
        )
    return deviations


CHECK = Check(
    name=NAME,
    letter="t",
    promise="at certified stationary points the ELBO equals a sum of entropies (theory, section 2)",
    run=stationary,
)
