"""What is wrong, from how much is wrong: the deviation, measured at several points, against the usual mistakes.

A mistake is recognised only if it explains the deviation to rounding at every point. If none does, the blocks of
parameters that the deviation depends on still name the factor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import Reading, natural_size, read
from elbocheck.bound.trees import covers
from elbocheck.checks.blocks import block_directions, compared, reported_gradient
from elbocheck.checks.convention import factor as convention_factor
from elbocheck.checks.evidence import evidence
from elbocheck.checks.fit import Stop, stop
from elbocheck.checks.permutation import permutation
from elbocheck.checks.table import OF_TARGETS
from elbocheck.diagnosis.suspects.base import Suspect
from elbocheck.diagnosis.suspects.of_factors import suspects
from elbocheck.errors import ElbocheckError, TargetError, TimeoutExceeded
from elbocheck.outcome import Diagnosis, Outcome, Result
from elbocheck.solver import find_stationary_point

POINTS = 3
"""Parameter points beside the problem's own."""
MOST_EXACT = 64
"""Elements of a block whose slopes are taken one by one where derivatives are taken along directions."""
BUDGET = 30.0
"""Seconds after which no further mistake is tried: what is known by then is said."""
LOUD = 1e-3
"""A block whose share of ∇F is smaller is left alone where others are not stationary."""


@dataclass(frozen=True)
class Probe:
    """One point at which the reported and the declared ELBO are compared."""

    problem: Problem
    """At the point."""

    terms: Decomposition
    """Of the problem there."""

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
    ways: Mapping[str, Callable[[Problem, Result], Diagnosis]] = {
        "convention": _convention,
        "value": _value,
        "gradient": _gradient,
        "training": _training,
        "rows": _rows,
    }
    way = OF_TARGETS[result.check].diagnose if result.check in OF_TARGETS else "value"
    try:
        return (ways[way] if isinstance(way, str) else way)(problem, result)
    except ElbocheckError as error:  # a point beside the problem's own may lie outside the code's domain
        return Diagnosis("value", sentence=f"the cause could not be told: {error}")


def probes(problem: Problem) -> list[Probe]:
    """The problem at its own parameters and at some beside them."""
    if "probes" not in problem.memory:
        problem.memory["probes"] = problem.nearby(POINTS)[len(problem.beside) :]
    points = [problem, *problem.beside, *problem.memory["probes"]]
    found = []
    for at in points:
        try:
            found.append(Probe(at, decompose(at)))
        except TimeoutExceeded:
            raise
        except TargetError:  # outside the domain of the code
            if at is problem:
                raise
    return [one for one in found if np.isfinite(one.terms.elbo) and np.isfinite(one.terms.declared)]


def _convention(problem: Problem, result: Result) -> Diagnosis:
    found = convention_factor(problem, read(problem))
    assert found is not None
    name, times = found
    kind = "sign" if times == -1.0 else "scale"
    return Diagnosis(kind, suspect=name, sentence=f"everything is right but for a multiple, {times:.6g}: it is {name}")


def _value(problem: Problem, result: Result) -> Diagnosis:
    """Which term of the reported ELBO deviates from the declared one."""
    points = probes(problem)
    if all(abs(one.excess) <= one.noise for one in points):
        return _declared(problem, result, points)
    named = convention_factor(problem, read(problem))
    if named is not None:
        return _convention(problem, result)
    deadline = time.perf_counter() + BUDGET
    for suspect in suspects([one.problem for one in points], [one.terms for one in points]):
        if time.perf_counter() > deadline:
            break
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
    name = suspect.coefficient(times)
    if unusual(name) and np.ptp(predicted) <= 1e-9 * abs(predicted[largest]):
        return None  # what does not vary explains every constant
    return suspect.coefficient(times) if np.all(np.abs(times * predicted - excess) <= 8 * noise) else None


def _not_optimal(problem: Problem) -> Diagnosis | None:
    """Where the log evidence is known: a q that is not the exact posterior that it is declared to be."""
    tight = evidence(problem) if problem.declaration.optimal else None
    if tight is None or tight.outcome is not Outcome.VIOLATED:
        return None
    sentence = "the reported ELBO is that of the declared distributions, and misses the log evidence: q is not the "
    sentence += "exact posterior that it is declared to be"
    return Diagnosis("data", "q", suspect="q is not the exact posterior", sentence=sentence)


def unusual(name: str) -> bool:
    """Whether a multiple has no name but its number."""
    return name.startswith(("multiple ", "β ≠ 1")) and "number of data" not in name


def _declared(problem: Problem, result: Result, points: list[Probe]) -> Diagnosis:
    """The value agrees with its declaration, so its gradient is at fault, or the log evidence is another one's."""
    loose = _not_optimal(problem)
    if loose is not None:
        return loose
    off = deviating(read(problem))
    term = max(points[0].terms.factors, key=lambda one: abs(one.residual) / one.rounding)
    if off and abs(term.residual) <= term.rounding:
        return _detached(problem)
    if abs(term.residual) <= term.rounding:
        sentence = "the reported ELBO is that of the declared distributions, but not a bound of this log evidence"
        return Diagnosis("data", sentence=f"{sentence}: q, its entropy or the log evidence is another model's")
    where = _place("gradient", term.name, term.component)
    return Diagnosis(
        "gradient",
        term.name,
        term.component,
        sentence=f"{where}: the value is right, and its derivative along β is not (a detached parameter?)",
    )


def _located(problem: Problem, points: list[Probe]) -> Diagnosis:
    """No known mistake: the factor whose own parameters the deviation depends on."""
    size = points[0].excess
    off = deviating(read(problem))
    if not off:
        sentence = f"a constant of {size:+.6g} nats per datum, which no parameter changes"
        varying = [f.name for f in problem.declaration.factors if not f.distribution.constant_base_measure]
        if len(varying) == 1:  # the one term that depends on the data alone
            sentence = f"factor {varying[0]}: {sentence}, as the base measure log h does"
            return Diagnosis("value", varying[0], suspect="a constant", sentence=sentence)
        return Diagnosis("value", suspect="a constant", sentence=sentence)
    owners = owners_of(problem)
    loudest = max(off, key=lambda name: off[name])
    own = {owners[name]: off[name] for name in sorted(off, key=lambda name: off[name]) if name in owners}
    if not own:
        return Diagnosis(
            "entropy",
            "q",
            sentence=f"the entropy of q, or how q enters: off by {size:+.6g} nats per datum, mostly through {loudest}",
        )
    factor = max(own, key=lambda name: own[name])
    block = max((name for name in off if owners.get(name) == factor), key=lambda name: off[name])
    sure = [t for t in points[0].terms.factors if t.name == factor and abs(t.residual) > 4 * t.rounding]
    component = sure[0].component if len(sure) == 1 and sure[0].component is not None else None
    sentence = f"{_place('value', factor, component)}: off by {size:+.6g} nats per datum, most sensitive to {block}"
    return Diagnosis("value", factor, component, sentence=sentence)


def deviating(reading: Reading) -> dict[str, float]:
    """Block -> about ‖g − d‖ in it, in units of the parameters; blocks within rounding are left out."""
    off: dict[str, float] = {}
    slices = reading.problem.layout.slices
    typical = {name: float(np.sqrt(np.mean(natural_size(reading.problem)[w] ** 2))) for name, w in slices.items()}
    if reading.gradient is not None and reading.slope is not None:
        for one in compared(reading, reading.gradient, reading.slope):
            name = one.what.removeprefix("the gradient in ")
            if one.size > 4 * one.bound:
                off[name] = one.size / typical[name]
        return off
    for name, direction in block_directions(reading.problem):
        (code, error), (declared, more) = (reading.along(direction, side) for side in (False, True))
        if abs(code - declared) > 4 * reading.constant * (reading.scale + abs(code)) + 10.0 * (error + more):
            count = slices[name].stop - slices[name].start  # of a norm a random direction shows 1 / √count
            size = abs(code - declared) * float(np.sqrt(count)) / typical[name]
            off[name] = max(off.get(name, 0.0), size)
    return {name: _exactly_off(reading, slices[name], size) for name, size in off.items()}


def _exactly_off(reading: Reading, where: slice, size: float) -> float:
    """‖g − d‖ in a small block, element by element; else what it was estimated to be."""
    if where.stop - where.start > MOST_EXACT:
        return size
    units = [np.eye(1, reading.problem.vector.size, k)[0] for k in range(where.start, where.stop)]
    return float(np.linalg.norm([reading.along(one, False)[0] - reading.along(one)[0] for one in units]))


def owners_of(problem: Problem) -> dict[str, str]:
    """Block -> the one factor that names it among its parameters."""
    found: dict[str, list[str]] = {}
    for factor in problem.declaration.factors:
        for name in problem.layout.names:
            if any(covers(one, name) for one in factor.parameters):
                found.setdefault(name, []).append(factor.name)
    return {name: owners[0] for name, owners in found.items() if len(owners) == 1}


def _gradient(problem: Problem, result: Result) -> Diagnosis:
    """Which block's gradient is off, and by what."""
    if problem.grad is None:  # what the library derives is at fault
        return _detached(problem)
    reading, reported = read(problem), reported_gradient(problem)
    loose = _not_optimal(problem)
    if loose is not None and abs(reading.elbo - reading.declared) <= 4 * reading.constant * reading.scale:
        return loose  # gradients with q held, as EM has them, are right at the exact posterior only
    exact = _exact(reading, reported)
    norms = {one.what.removeprefix("the gradient in "): one for one in compared(reading, reported, exact)}
    wrong = [name for name, one in norms.items() if one.size > 4 * one.bound]
    worst = max(wrong or norms, key=lambda name: norms[name].size)
    owner, where = owners_of(problem).get(worst, "q"), problem.layout.slices[worst]
    heard = {name for name, one in norms.items() if np.abs(exact[problem.layout.slices[name]]).max() > one.bound}
    every = heard <= set(wrong)
    suspect = _ratio(reported[where], exact[where], problem.vector[where])
    what = "the gradient of every block" if every and len(norms) > 1 else f"the gradient of {', '.join(wrong)}"
    sentence = f"the value is right, {what} is not" + (f": {suspect}" if suspect else "")
    return Diagnosis("gradient", "" if every and len(norms) > 1 else owner, suspect=suspect, sentence=sentence)


def _exact(reading: Reading, reported: np.ndarray) -> np.ndarray:
    """∇F (P,) of the code's value; along directions only, in the blocks that are off, as far as they are small."""
    if reading.gradient is not None:
        return reading.gradient
    problem, exact = reading.problem, np.array(reported)
    for name, direction in block_directions(problem):
        where = problem.layout.slices[name]
        slope, error = reading.along(direction, declared=False)
        if abs(slope - float(reported @ direction)) <= reading.constant * reading.scale + 10.0 * error:
            continue
        indices = range(where.start, where.stop)
        if len(indices) > MOST_EXACT:
            exact[where] = reported[where] + (slope - float(reported @ direction)) / max(len(indices), 1)
            continue
        for k in indices:
            exact[k] = reading.along(np.eye(1, problem.vector.size, k)[0], declared=False)[0]
    return exact


def _detached(problem: Problem) -> Diagnosis:
    """The library's own derivative of the code is not that of its value."""
    off = deviating(read(problem))
    worst = max(off, key=lambda name: off[name]) if off else problem.layout.names[0]
    owner = owners_of(problem).get(worst, "q")
    return Diagnosis(
        "gradient",
        owner,
        suspect="a detached parameter",
        sentence=f"the library's derivative along {worst} is not that of the value (stop_gradient, detach, own rule)",
    )


def _ratio(reported: np.ndarray, exact: np.ndarray, vector: np.ndarray) -> str:
    """The usual mistake that turns one gradient into the other, element by element."""
    close = 1e-9 * (np.abs(exact).max(initial=0.0) + 1e-300)
    if np.abs(reported).max(initial=0.0) <= close:
        return "it is zero (a detached parameter)"
    with np.errstate(all="ignore"):
        candidates = {
            "the sign": -exact,
            "twice as large": 2.0 * exact,
            "half as large": 0.5 * exact,
            "the chain rule of exp: multiplied by the parameter": exact * vector,
            "the chain rule of log: divided by the parameter": exact / vector,
            "the chain rule of exp: exp(−parameter) too much": exact * np.exp(-vector),
            "the chain rule of exp: exp(parameter) too much": exact * np.exp(vector),
            "the chain rule of softplus": exact * (1.0 + np.exp(-vector)),
            "the chain rule of a square: divided by twice the parameter": exact / (2.0 * vector),
        }
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
        return f"multiplied by {ratios[0]:.6g}"
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
    left: dict[str, float] = {}
    deadline = time.perf_counter() + BUDGET
    for owner in sorted(loud):
        if left and time.perf_counter() > deadline:
            break
        held = {name: False for name in problem.layout.names if owners.get(name, "q") != owner}
        alone = find_stationary_point(replace(problem.from_here(), free={**problem.free, **held}, fit=None))
        left[owner] = decompose(problem.at(alone.problem.vector)).gradient_norm
    return min(left, key=lambda name: left[name])


def _training_sizes(problem: Problem) -> Iterator[tuple[str, float]]:
    """Gaps that the usual wrong steps leave in one factor, nats per datum."""
    data = len(read(problem).data_weights)
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
