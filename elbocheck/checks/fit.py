"""The point where the code's own training stops: is it stationary, and does F = S + δ hold there?

Rejects: a training step with a wrong fixed point (an M-step off by a factor, n − 1 for n, a forgotten term), which the
identity at every point cannot see. Known departures are subtracted and named (THEORY section 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.problem import Prepared, Problem
from elbocheck.bound.reading import at_most
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge
from elbocheck.errors import NotFiniteError
from elbocheck.outcome import Diagnosis, Outcome, Result
from elbocheck.solver import find_stationary_point

NAME = "fit"
LEAVES = 0.01
"""Training that, started at the stationary point, stops where more than this share can be gained again, leaves it."""
STANDS = 16.0
"""A change of so many eps is rounding: training that is merely early moves on when it is started again."""
PROBE = 2.0**-13
"""Step along ∇F, in natural units, over which the curvature is measured; its truncation enters no verdict on F = S."""


@dataclass(frozen=True)
class Stop:
    """Where training stopped."""

    problem: Problem
    """At that point."""

    terms: Decomposition
    """Of the problem there."""

    gain: float
    """What a Newton step along ∇F would still add to F, nats per datum."""

    away: float
    """Length of that step, in natural units."""

    @property
    def converged(self) -> bool:
        """Whether training that looks at F can see that there is more to gain."""
        return self.gain <= self.terms.elbo_rounding

    @property
    def nearly(self) -> bool:
        """The same for training that looks at half of the digits of F."""
        return self.gain <= float(np.sqrt(self.problem.compiled.backend.eps)) * self.terms.magnitude


def fit(problem: Problem) -> Result | None:
    """`holds` if what is left to gain where training stops is below rounding, and F = S + δ there.

    Else a stationary point is sought from there, and training started at it. `violated` if it leaves: its fixed point
    is wrong. If it stays it had only stopped early, which `holds` with a note if half of the digits of F are right, and
    else is `inconclusive`, or `violated` if it does not move when started again from where it stopped. With
    `departures` the gap of each factor is compared with theirs instead. None without `fit`.
    """
    if problem.fit is None:
        return None
    try:
        at = stop(problem, problem.vector)
    except NotFiniteError as error:
        return _left_the_numbers(problem, error)
    if any(one.gaps for one in problem.departures):
        return departed(problem, [at, stop(problem, at.problem.vector)])
    theorem = judge(NAME, problem.label, _deviations(at), gradient_norm=at.terms.gradient_norm)
    if theorem.outcome is Outcome.VIOLATED:  # or only more rounding than the cheap bounds allow
        at = replace(at, terms=decompose(at.problem, thorough=True))
        theorem = judge(NAME, problem.label, _deviations(at), gradient_norm=at.terms.gradient_norm)
    if at.converged or theorem.outcome is not Outcome.HOLDS:
        return theorem
    goal = find_stationary_point(_exactly(at.problem))
    where = (
        f"‖∇F‖ = {at.terms.gradient_norm:.1e} where training stops, largest in {blame(at)}; a step of {at.away:.1e} "
        f"would add {at.gain:.1e} nats per datum"
    )
    if goal.certified:
        back = stop(problem, goal.problem.vector)
        if not back.converged and back.gain > LEAVES * at.gain:
            gaps = "; ".join(f"F − S of {t.label} is {t.gap - t.delta:+.3e}" for t in at.terms.factors if t.covered)
            return _verdict(
                problem,
                at,
                Outcome.VIOLATED,
                f"training stops where the bound is not stationary: {where}, and started at the stationary point it "
                f"leaves, to where {back.gain:.1e} can be gained again. {gaps}",
            )
        if at.nearly:
            return replace(theorem, note=f"training stopped early: {where}")
    again = stop(problem, at.problem.vector).problem
    if _moved(at.problem, again) <= STANDS * problem.compiled.backend.eps:
        return _verdict(
            problem,
            at,
            Outcome.VIOLATED,
            f"training stands still where the bound is not stationary: {where}, but started again it does not move (a "
            "block that is never updated, or a tolerance far too wide)",
        )
    return _verdict(problem, at, Outcome.INCONCLUSIVE, f"training has not converged: {where}; run it longer")


def _left_the_numbers(problem: Problem, error: NotFiniteError) -> Result:
    """Training that ends in NaN or infinity has failed, whatever the bound is worth."""
    sentence = f"training leaves the numbers. {error}"
    return Result(
        NAME,
        problem.label,
        Outcome.VIOLATED,
        gap=float("inf"),
        points=0,
        message=f"{NAME}: {sentence} where fit(params) ends",
        diagnosis=Diagnosis("training", suspect="not finite", sentence=sentence),
    )


def _verdict(problem: Problem, at: Stop, outcome: Outcome, message: str) -> Result:
    """What is said of a point that is not stationary: the gain that is left, over what rounding lets training see."""
    return Result(
        NAME,
        problem.label,
        outcome,
        gap=at.gain,
        bound=at.terms.elbo_rounding,
        points=0,
        message=f"{NAME}: {message} ({problem.label})",
        gradient_norm=at.terms.gradient_norm,
        at=tuple(at.problem.vector),
    )


def stop(problem: Problem, vector: np.ndarray) -> Stop:
    """Train from `vector`; raises `TargetError` if training fails or returns parameters that are not finite."""
    at = problem.at(problem.vector_of(problem.call("fit", problem.code_params(vector))))
    terms, units = decompose(at), at.unit_vector
    norm = terms.gradient_norm
    if norm == 0.0:
        return Stop(at, terms, 0.0, 0.0)
    along = terms.gradient / norm
    slopes = [float(along @ (units * at.gradient(at.vector + step * along * units)[1])) for step in (PROBE, -PROBE)]
    curvature = abs(slopes[0] - slopes[1]) / (2.0 * PROBE)
    away = norm / curvature if curvature > 0.0 else np.inf
    return Stop(at, terms, 0.5 * norm * away, away)


def _deviations(at: Stop) -> list[Deviation]:
    terms = at.terms
    if at_most(at.problem):  # another bound is trained: that it is one, and stationary, is all that can be said
        above = max(terms.elbo - terms.declared, 0.0)
        return [Deviation("the reported ELBO above the declared one where training stops", above, terms.elbo_rounding)]
    return [
        Deviation(f"factor {t.label} where training stops", abs(t.gap - t.delta), terms.factor_bound(t), t.magnitude)
        for t in terms.factors
        if t.covered
    ] + [
        Deviation(
            f"factors {one.label} where training stops",
            abs(sum(t.weight * (t.gap - t.delta) for t in terms.factors if t.name in one.factors)),
            terms.group_bound(one),
            terms.magnitude,
        )
        for one in terms.grouped
    ]


def _exactly(problem: Problem) -> Problem:
    """The problem in which a stationary point is sought: on the declared bound where the reported one has only
    derivatives by differences (that it is the same function is what the value check says)."""
    compiled = problem.compiled
    if problem.elbo is None or not compiled.backend.cost.directional or problem.factors is None:
        return problem.from_here()
    problem.gradient(problem.vector)  # whether complex steps are taken is known after the first
    if compiled.backend.error_of(compiled.gradient) == 0.0:
        return problem.from_here()
    return replace(problem, elbo=None, prepared=Prepared())


def _moved(one: Problem, other: Problem) -> float:
    """Largest change of a trained parameter, relative to it or to 1."""
    change = np.abs(one.vector - other.vector) / np.maximum(np.abs(one.vector), 1.0)
    return float(change[one.free_mask].max(initial=0.0))


def blame(at: Stop) -> str:
    """The block with the largest share of ∇F."""
    slices = at.problem.layout.slices
    return max(slices, key=lambda name: float(np.linalg.norm(at.terms.gradient[slices[name]])))


def departed(problem: Problem, stops: list[Stop]) -> Result:
    """gap_f − δ_f against what the departures predict, within what a second run of training still changed of it."""
    before, last = (_residuals(problem, one) for one in stops)
    names, deviations = ", ".join(one.name for one in problem.departures), []
    for name, (residual, predicted) in last.items():
        rounding = sum(2 * term.rounding for term in stops[-1].terms.factors if term.name == name)
        change = 10.0 * abs(residual - before[name][0])
        what = f"factor {name} where training stops, after {predicted:+.3e} for {names},"
        deviations.append(Deviation(what, abs(residual), rounding + change, abs(predicted)))
    result = judge(NAME, problem.label, deviations, gradient_norm=stops[-1].terms.gradient_norm)
    return result if result.message else replace(result, note=f"explained by {names}")


def _residuals(problem: Problem, one: Stop) -> Mapping[str, tuple[float, float]]:
    """Factor -> (gap − δ − predicted, predicted)."""
    params = problem.code_params(one.problem.vector)
    predicted = dict.fromkeys((t.name for t in one.terms.factors), 0.0)
    for departure in problem.departures:
        for name, size in departure.at(params).items():
            predicted[name] += float(size)
    found = dict.fromkeys(predicted, 0.0)
    for term in one.terms.factors:
        found[term.name] += term.gap - term.delta
    return {name: (found[name] - predicted[name], predicted[name]) for name in predicted}


CHECK = Check(
    name=NAME,
    letter="f",
    promise="where training stops the ELBO is stationary, and equals a sum of entropies (theory, section 2)",
    run=fit,
    needs=("fit",),
    diagnose="training",
)
