"""What is wrong, from how much is wrong: the deviation, measured at several points, against the usual mistakes.

A mistake is recognised only if it explains the deviation to rounding at every point. If none does, the blocks of
parameters that the deviation depends on still name the factor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from elbocheck.backends.plain import directional
from elbocheck.checks.convention import factor as convention_factor
from elbocheck.checks.evidence import evidence
from elbocheck.checks.fit import Stop, stop
from elbocheck.checks.gradient import directions, reported_gradient
from elbocheck.checks.rows import permutation
from elbocheck.errors import ElbocheckError
from elbocheck.identity import Decomposition, decompose
from elbocheck.outcome import Diagnosis, Outcome, Result
from elbocheck.problem import Problem
from elbocheck.solver import find_stationary_point
from elbocheck.suspect import Suspect
from elbocheck.suspects import suspects
from elbocheck.trees import covers

POINTS = 3
"""Parameter points beside the problem's own."""
LOUD = 1e-3
"""A block whose share of ∇F is smaller is left alone where others are not stationary."""


@dataclass(frozen=True)
class Probe:
    """One point: the problem there, its terms, and by how much the reported ELBO exceeds the declared one."""

    problem: Problem
    terms: Decomposition

    @property
    def excess(self) -> float:
        return self.terms.elbo - self.terms.declared

    @property
    def noise(self) -> float:
        return 4 * self.terms.elbo_rounding


def diagnose(problem: Problem, result: Result) -> Diagnosis | None:
    """What is at fault in a problem that a check rejects; None if the result holds."""
    if result.outcome is not Outcome.VIOLATED:
        return None
    tell: Mapping[str, Callable[[Problem, Result], Diagnosis]] = {
        "convention": _convention, "gradient": _gradient, "fit": _training, "scale": _rows, "permutation": _rows,
    }  # fmt: skip
    try:
        return tell.get(result.check, _value)(problem, result)
    except ElbocheckError as error:  # a point beside the problem's own may lie outside the code's domain
        return Diagnosis("value", sentence=f"the cause could not be told: {error}")


def probes(problem: Problem) -> list[Probe]:
    """The problem at its own parameters and at some beside them."""
    points = [problem.at(problem.vector), *problem.nearby(POINTS)]
    found = [Probe(at, decompose(at)) for at in points]
    return [one for one in found if np.isfinite(one.terms.elbo) and np.isfinite(one.terms.declared)]


def _convention(problem: Problem, result: Result) -> Diagnosis:
    found = convention_factor(problem, decompose(problem))
    assert found is not None
    name, times = found
    kind = "sign" if times == -1.0 else "scale"
    return Diagnosis(kind, suspect=name, sentence=f"everything is right but for a factor {times:.6g}: it is {name}")


def _value(problem: Problem, result: Result) -> Diagnosis:
    """Which term of the reported ELBO deviates from the declared one."""
    points = probes(problem)
    if all(abs(one.excess) <= one.noise for one in points):
        return _declared(problem, result, points)
    named = convention_factor(problem, points[0].terms)
    if named is not None:
        return _convention(problem, result)
    for suspect in suspects([one.problem for one in points], [one.terms for one in points]):
        found = explains(suspect, points)
        if found is not None:
            place = _place(suspect.kind, suspect.factor, suspect.component)
            sentence = found if place in found else f"{place}: {found}"
            return Diagnosis(suspect.kind, suspect.factor, suspect.component, found, sentence)
    found_at = _located(problem, points)
    order = permutation(problem)
    if order is not None and order.outcome is Outcome.VIOLATED:
        sentence = f"the bound depends on the order of the data; {found_at.sentence}"
        return replace(found_at, kind="data", suspect="the order of the data", sentence=sentence)
    return found_at


def explains(suspect: Suspect, points: list[Probe]) -> str | None:
    """The suspect's name if it explains the deviation at all points, with its own coefficient or with one for all."""
    predicted, excess = np.array(suspect.sizes), np.array([one.excess for one in points])
    if len(predicted) != len(excess) or not np.all(np.isfinite(predicted)):
        return None
    noise = np.array([one.noise for one in points]) * (1.0 + np.abs(predicted) / np.abs(excess).max())
    if suspect.coefficient is None:
        return suspect.name if np.all(np.abs(predicted - excess) <= 4 * noise) and predicted.any() else None
    largest = int(np.argmax(np.abs(predicted)))
    if abs(predicted[largest]) <= 1e3 * noise[largest]:
        return None
    times = excess[largest] / predicted[largest]
    return suspect.coefficient(times) if np.all(np.abs(times * predicted - excess) <= 8 * noise) else None


def _declared(problem: Problem, result: Result, points: list[Probe]) -> Diagnosis:
    """The value agrees with its declaration, so the gap of a factor or its gradient is at fault."""
    tight = evidence(problem)
    if problem.declaration.optimal and tight is not None and tight.outcome is Outcome.VIOLATED:
        sentence = "the reported ELBO is that of the declared distributions, and misses the log evidence: q is not the "
        sentence += "exact posterior that it is declared to be"
        return Diagnosis("data", "q", suspect="q is not the exact posterior", sentence=sentence)
    term = max(points[0].terms.factors, key=lambda one: abs(one.residual) / one.rounding)
    if abs(term.residual) <= term.rounding:
        sentence = "the reported ELBO is that of the declared distributions, but not a bound of this log evidence"
        return Diagnosis("data", sentence=f"{sentence}: q, its entropy or the log evidence is another model's")
    where = _place("gradient", term.name, term.component)
    return Diagnosis(
        "gradient", term.name, term.component,
        sentence=f"{where}: the value is right, and its derivative along β is not (a detached parameter?)",
    )  # fmt: skip


def _located(problem: Problem, points: list[Probe]) -> Diagnosis:
    """No known mistake: the factor whose parameters the deviation depends on."""
    at = points[0].problem
    jacobian, terms = at.program.terms(at.vector, at.fixed)
    slope = np.where(at.free_mask, at.gradient(at.vector)[1] - terms["data_weights"] @ jacobian, 0.0) * at.unit_vector
    heard = points[0].terms.gradient_rounding * 4
    blocks = {name: float(np.linalg.norm(slope[where])) for name, where in at.layout.slices.items()}
    size = points[0].excess
    if max(blocks.values(), default=0.0) <= heard:
        sentence = f"a constant of {size:+.6g} nats per datum, which no parameter changes"
        return Diagnosis("value", suspect="a constant", sentence=sentence)
    owners = owners_of(at)
    loudest = max(blocks, key=lambda name: blocks[name])
    factor = owners.get(loudest, "")
    own = [term for term in points[0].terms.factors if term.name == factor and abs(term.residual) > 4 * term.rounding]
    component = own[0].component if len(own) == 1 and own[0].component is not None else None
    if not factor:
        return Diagnosis(
            "entropy", "q",
            sentence=f"the entropy of q, or how q enters: off by {size:+.6g} nats per datum, mostly through {loudest}",
        )  # fmt: skip
    sentence = f"{_place('value', factor, component)}: off by {size:+.6g} nats per datum, most sensitive to {loudest}"
    return Diagnosis("value", factor, component, sentence=sentence)


def owners_of(problem: Problem) -> dict[str, str]:
    """Block -> the factor whose parameters it belongs to."""
    factors = problem.declaration.factors
    return {
        name: factor.name
        for name in problem.layout.names
        for factor in factors
        if any(covers(one, name) for one in factor.parameters)
    }


def _gradient(problem: Problem, result: Result) -> Diagnosis:
    """Which block's gradient is off, and by what."""
    reported, exact = reported_gradient(problem), problem.gradient(problem.vector)[1]
    if problem.grad is None:  # what the library derives is at fault
        return _detached(problem)
    off = np.where(problem.free_mask, reported - exact, 0.0)
    norms = {name: float(np.linalg.norm(off[where])) for name, where in problem.layout.slices.items()}
    heard = decompose(problem).gradient_rounding * 16
    wrong = [name for name in problem.layout.names if norms[name] > heard]
    worst = max(wrong or norms, key=lambda name: norms[name])
    owner, where = owners_of(problem).get(worst, "q"), problem.layout.slices[worst]
    every = len(wrong) == len([name for name in norms if np.abs(exact[problem.layout.slices[name]]).max() > heard])
    suspect = _ratio(reported[where], exact[where], problem.vector[where])
    what = "the gradient of every block" if every and len(norms) > 1 else f"the gradient of {', '.join(wrong)}"
    sentence = f"the value is right, {what} is not" + (f": {suspect}" if suspect else "")
    return Diagnosis("gradient", "" if every and len(norms) > 1 else owner, suspect=suspect, sentence=sentence)


def _detached(problem: Problem) -> Diagnosis:
    exact = problem.gradient(problem.vector)[1]
    worst, most = "", -1.0
    for name, direction in directions(problem):
        slope = float(directional(lambda v: np.atleast_1d(problem.value(v)), problem.vector, direction)[0][0])
        if abs(slope - float(exact @ direction)) > most:
            worst, most = name.split("[")[0], abs(slope - float(exact @ direction))
    owner = owners_of(problem).get(worst, "q")
    return Diagnosis(
        "gradient", owner, suspect="a detached parameter",
        sentence=f"the library's derivative along {worst} is not that of the value (stop_gradient, detach, own rule)",
    )  # fmt: skip


def _ratio(reported: np.ndarray, exact: np.ndarray, vector: np.ndarray) -> str:
    """The usual mistake that turns one gradient into the other, element by element."""
    close = 1e-9 * (np.abs(exact).max(initial=0.0) + 1e-300)
    if np.abs(reported).max(initial=0.0) <= close:
        return "it is zero (a detached parameter)"
    with np.errstate(all="ignore"):
        candidates = {
            "the sign": -exact, "a factor 2": 2.0 * exact, "a factor ½": 0.5 * exact,
            "the chain rule of exp: multiplied by the parameter": exact * vector,
            "the chain rule of log: divided by the parameter": exact / vector,
            "the chain rule of exp: exp(−parameter) too much": exact * np.exp(-vector),
            "the chain rule of exp: exp(parameter) too much": exact * np.exp(vector),
            "the chain rule of softplus": exact * (1.0 + np.exp(-vector)),
            "the chain rule of a square: divided by twice the parameter": exact / (2.0 * vector),
        }  # fmt: skip
    for name, candidate in candidates.items():
        if np.all(np.isfinite(candidate)) and np.abs(candidate - reported).max() <= close:
            return name
    moving = np.abs(exact) > close
    ratios = reported[moving] / exact[moving]
    if (
        ratios.size > 1  # any one number is a multiple of any other
        and np.ptp(ratios) <= 1e-9 * np.abs(ratios).max()
        and np.abs(reported[~moving]).max(initial=0) <= close
    ):
        return f"a factor {ratios[0]:.6g}"
    return ""


def _training(problem: Problem, result: Result) -> Diagnosis:
    """Which factor is not stationary where training stops."""
    at = stop(problem, problem.vector)
    owner = culprit(at)
    terms = [term for term in at.terms.factors if term.covered]
    own = [term for term in terms if term.name == owner]
    worst = max(own, key=lambda one: abs(one.gap - one.delta) / one.rounding, default=None)
    suspect, component = "", None
    if worst is not None and abs(worst.gap - worst.delta) > 100 * worst.rounding:
        total = sum(t.gap - t.delta for t in own)
        loud = [t for t in own if abs(t.gap - t.delta) > 0.05 * abs(total)]
        component = worst.component if len(loud) == 1 else None
        suspect = next((name for name, size in _training_sizes(problem) if abs(total - size) <= 1e-6 * abs(size)), "")
    gap = "" if worst is None else f" (F − S there is {sum(t.gap - t.delta for t in terms if t.name == owner):+.6g})"
    place = _place("training", owner, component)
    sentence = f"{place}: training stops where its parameters are not stationary{gap}" + (suspect and f": {suspect}")
    return Diagnosis("training", owner, component, suspect, sentence)


def culprit(at: Stop) -> str:
    """The factor that training leaves wrong, "q" for the variational distribution.

    If several are not stationary, the one whose parameters alone, once they are, leave least of ∇F to the others: a
    wrong update of one is followed by the right updates of all others.
    """
    problem, owners = at.problem, owners_of(at.problem)
    norm = at.terms.gradient_norm
    loud = {
        owners.get(name, "q")
        for name, where in problem.layout.slices.items()
        if float(np.linalg.norm(at.terms.gradient[where])) > LOUD * norm
    }
    if len(loud) == 1:
        return loud.pop()
    left = {}
    for owner in sorted(loud):
        held = {name: False for name in problem.layout.names if owners.get(name, "q") != owner}
        alone = find_stationary_point(replace(problem, free={**problem.free, **held}, starts=(), fit=None))
        left[owner] = decompose(problem.at(alone.problem.vector)).gradient_norm
    return min(left, key=lambda name: left[name])


def _training_sizes(problem: Problem) -> Iterator[tuple[str, float]]:
    """Gaps that the usual wrong steps leave in one factor, nats per datum."""
    _, terms = problem.program.terms(problem.vector, problem.fixed)
    data = len(terms["data_weights"])
    for factor in problem.declaration.factors:
        for size in range(1, 65):
            if np.shape(factor.value)[-1:] == (size,) or size == 1:
                yield f"n − 1 for n: {size} / 2N", 0.5 * size / data
                yield f"n + 1 for n: −{size} / 2(N + 1)", -0.5 * size / (data + 1)


def _rows(problem: Problem, result: Result) -> Diagnosis:
    if result.check == "permutation":
        return Diagnosis("data", sentence="the bound depends on the order of the data")
    about = next((one for one in ("particles", "batches") if one in result.message), "number of data")
    sentence = f"the bound per datum changes with its {about}: a sum for a mean, or N / batch"
    return Diagnosis("scale", suspect="N / batch", sentence=sentence)


def _place(kind: str, factor: str, component: int | None) -> str:
    if factor == "q":
        return "the entropy of q" if kind in ("entropy", "value") else "q"
    if not factor:
        return "the whole bound"
    return f"factor {factor}" if component is None else f"factor {factor}, component {component}"
