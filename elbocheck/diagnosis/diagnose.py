"""What is wrong, from how much is wrong: the deviation, measured at several points, against the usual mistakes.

A mistake is recognised only if it explains the deviation to rounding at every point. If none does, the blocks of
parameters that the deviation depends on still name the factor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import natural_size, read
from elbocheck.checks.convention import factor as convention_factor
from elbocheck.checks.permutation import permutation
from elbocheck.checks.table import OF_TARGETS
from elbocheck.checks.value import value
from elbocheck.diagnosis.influence import Part, able, constant_in, parts
from elbocheck.diagnosis.interactions import that_interact
from elbocheck.diagnosis.matching import Match, matches, varies
from elbocheck.diagnosis.of_gradients import detached, not_optimal, of_gradient
from elbocheck.diagnosis.of_training import of_training
from elbocheck.diagnosis.probes import Probe, deviating, place_of, probes
from elbocheck.diagnosis.suspects.base import UNUSUAL
from elbocheck.diagnosis.suspects.of_factors import suspects
from elbocheck.diagnosis.suspects.of_parameters import RANK, suspects_of_parameters
from elbocheck.diagnosis.vanishing import vanishing_block
from elbocheck.errors import ElbocheckError, InputError, TimeoutExceeded
from elbocheck.families import Average
from elbocheck.outcome import Diagnosis, Outcome, Result

FAINT = 1e-7
"""A deviation that is no larger, relative to the terms of the bound, is not read as a formula."""
MOST_BLOCKS = 6
"""Blocks that a sentence lists."""


def diagnose(problem: Problem, result: Result) -> Diagnosis | None:
    """What is at fault in a problem that a check rejects; None if the result holds."""
    if result.outcome is not Outcome.VIOLATED:
        return None
    ways: Mapping[str, Callable[[Problem, Result], Diagnosis]] = {
        "convention": _convention,
        "value": _value,
        "gradient": of_gradient,
        "training": _training,
        "rows": _rows,
    }
    way = OF_TARGETS[result.check].diagnose if result.check in OF_TARGETS else "value"
    try:
        return (ways[way] if isinstance(way, str) else way)(problem, result)
    except ElbocheckError as error:  # a point beside the problem's own may lie outside the code's domain
        return Diagnosis("value", sentence=f"the cause could not be told: {error}")


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
        return _declared(problem, points)
    if convention_factor(problem, read(problem)) is not None:
        return _convention(problem, result)
    faint = max(abs(one.excess) / one.terms.magnitude for one in points) <= FAINT
    off: dict[str, float] = {}
    try:
        for one in (*reversed(problem.beside), problem):
            off |= deviating(read(one))
    except TimeoutExceeded:
        raise
    except InputError:  # no derivatives, as of code that rounds
        if not faint:
            raise
    known = parts(problem, tuple(off))
    places = {one.factor for one in known if set(off) <= one.blocks} if off else None
    usual = suspects([one.problem for one in points], [one.terms for one in points])
    found = matches(usual, points, places)
    if (not found or found[0].rank > RANK) and off and not faint:
        found = matches(suspects_of_parameters(points, known, tuple(off)), points, places) or found
    if found and found[0].rank == UNUSUAL and (faint or _ambiguous(found, able(known, off) if off else [])):
        found = []  # near rounding any term fits with some tiny multiple
    if found:
        return _named(found)
    if faint and varies(points):
        return _near_rounding(problem, points, able(known, off) if off else [], off)
    found_at = _located(problem, points, known, off)
    order = permutation(problem)
    if order is not None and order.outcome is Outcome.VIOLATED:
        sentence = f"the bound depends on the order of the data; {found_at.sentence}"
        return replace(found_at, kind="data", suspect="the order of the data", sentence=sentence)
    return found_at


def _ambiguous(found: list[Match], parts_able: list[Part]) -> bool:
    """Whether other parts can produce what an unusual multiple of one of their terms explains."""
    return len(parts_able) > 1 and not any(one.name.startswith("β ≠ 1") for one in found)


def _named(found: list[Match]) -> Diagnosis:
    """Explanations that fit to rounding, all of them where there are several."""
    first = found[0].suspect

    def told(match: Match) -> str:
        place = place_of(match.suspect.kind, match.suspect.factor, match.suspect.component)
        return match.name if place in match.name or not match.suspect.factor else f"{place}: {match.name}"

    sentence = told(found[0])
    if len(found) > 1:
        sentence += "; or, as it fits equally well, " + "; or ".join(told(one) for one in found[1:])
    others = tuple(one.suspect.factor for one in found[1:])
    return Diagnosis(first.kind, first.factor, first.component, found[0].name, sentence, others)


def _near_rounding(problem: Problem, points: list[Probe], able_parts: list[Part], off: dict[str, float]) -> Diagnosis:
    """Noise or something small and smooth: single precision, cancellation, jitter."""
    size = max(abs(one.excess) for one in points)
    relative = size / max(one.terms.magnitude for one in points)
    rng, near = np.random.default_rng(0), []
    for _ in range(4):
        step = 1e-4 * natural_size(problem) * rng.normal(size=problem.vector.shape) * problem.free_mask
        at = read(problem.at(problem.vector + step))
        near.append(at.elbo - at.declared)
    rough = float(np.ptp(near))
    if rough > 0.1 * size:
        cause = "single precision somewhere in the code" if relative > 1e-10 else "digits lost to cancellation"
        sentence = f"noise of {size:.1e} nats per datum, {relative:.0e} of its terms: {cause}"
        return Diagnosis("value", suspect="noise", sentence=sentence)
    where = " or ".join(one.label for one in able_parts) or "the bound"
    loudest = f", mostly through {max(off, key=lambda name: off[name])}" if off else ""
    sentence = (
        f"{where}: a smooth deviation of {size:.1e} nats per datum, {relative:.0e} of its terms{loudest}: a jitter, "
        "an ε inside a logarithm or a division, or a constant with few digits"
    )
    place = able_parts[0] if len(able_parts) == 1 else None
    return Diagnosis(
        place.kind if place else "value", place.factor if place else "", suspect="jitter", sentence=sentence
    )


def _declared(problem: Problem, points: list[Probe]) -> Diagnosis:
    """The value agrees with its declaration, so its gradient is at fault, or the log evidence is another one's."""
    loose = not_optimal(problem)
    if loose is not None:
        return loose
    off = deviating(read(problem))
    term = max(points[0].terms.factors, key=lambda one: abs(one.residual) / one.rounding)
    if off:
        return detached(problem)
    if abs(term.residual) <= term.rounding:
        sentence = "the reported ELBO is that of the declared distributions, but not a bound of this log evidence"
        return Diagnosis("data", sentence=f"{sentence}: q, its entropy or the log evidence is another model's")
    where = place_of("gradient", term.name, term.component)
    return Diagnosis(
        "gradient",
        term.name,
        term.component,
        sentence=f"{where}: the value is right, and its derivative along β is not (a detached parameter?)",
    )


def _located(problem: Problem, points: list[Probe], known: tuple[Part, ...], off: dict[str, float]) -> Diagnosis:
    """No known mistake: the parts that can produce what the deviation depends on."""
    size = points[0].excess
    if not off:
        sentence = f"a constant of {size:+.6g} nats per datum, which no parameter changes"
        observed = [
            f
            for f in problem.declaration.factors
            if np.ndim(f.value) > 1 and np.shape(f.value)[1] == 1  # not at points
        ]
        varying = [
            f.name
            for f in observed
            if not f.distribution.constant_base_measure and not isinstance(f.distribution, (Average, LogDensity))
        ]
        if len(varying) == 1:  # the one term that depends on the data alone
            sentence = f"factor {varying[0]}: {sentence}, as the base measure log h does"
            return Diagnosis("value", varying[0], suspect="a constant", sentence=sentence)
        holding = constant_in(problem, known)
        if len(holding) == 1 and abs(size) > FAINT * points[0].terms.magnitude:
            only = holding[0]
            sentence = f"{only.label}: {sentence}, and no other part holds a constant"
            return Diagnosis(only.kind, only.factor, suspect="a constant", sentence=sentence)
        return Diagnosis("value", suspect="a constant", sentence=sentence)
    blocks = sorted(off, key=lambda name: -off[name])
    through = f"off by {size:+.6g} nats per datum, most sensitive to {blocks[0]}"
    fits = able(known, off)
    if not fits:
        sentence = (
            f"no single part of the bound depends on all of {', '.join(blocks[:MOST_BLOCKS])}: how q enters, or "
            f"several parts at once; {through}"
        )
        return Diagnosis("entropy", "q", suspect="", sentence=sentence)
    if len(fits) > 1:
        gone, owner = vanishing_block(points, blocks)
        of_it = [one for one in fits if one.kind == "value" and one.factor == owner]
        if of_it:
            fits, through = of_it, f"{through}; it vanishes where {gone}"
    if len(fits) == len(known) and len(known) > 2:
        every = ", ".join(blocks[:MOST_BLOCKS])
        sentence = f"which part is wrong cannot be told, every one depends on {every}; {through}"
        return Diagnosis("value", sentence=sentence, others=tuple(one.factor for one in fits))
    if len(fits) > 1:
        fits = that_interact(points, fits, blocks)
    first = fits[0]
    component = None
    if len(fits) == 1 and first.kind == "value":
        sure = [t for t in points[0].terms.factors if t.name == first.factor and abs(t.residual) > 4 * t.rounding]
        component = sure[0].component if len(sure) == 1 else None
    label = first.label if component is None else place_of("value", first.factor, component)
    where = " or ".join([label, *(one.label for one in fits[1:])])
    if len(fits) == 2 and any(one.divergence in [other.label for other in fits] for one in fits):
        where = f"the KL divergence, {where}"
    return Diagnosis(
        first.kind,
        first.factor,
        component,
        sentence=f"{where}: {through}",
        others=tuple(one.factor for one in fits[1:]),
    )


def _training(problem: Problem, result: Result) -> Diagnosis:
    """What is wrong where training stops: the value that is reported there, or else training."""
    at = problem.at(np.array(result.at)) if result.at else problem
    if at is not problem:
        reported = value(at)
        if reported is not None and reported.outcome is Outcome.VIOLATED:
            return _value(at, reported)
    return of_training(problem, result)


def _rows(problem: Problem, result: Result) -> Diagnosis:
    if result.check == "permutation":
        return Diagnosis("data", sentence="the bound depends on the order of the data")
    about = next((one for one in ("particles", "batches") if one in result.message), "number of data")
    sentence = f"the bound per datum changes with its {about}: a sum for a mean, or N / batch"
    return Diagnosis("scale", suspect="N / batch", sentence=sentence)
