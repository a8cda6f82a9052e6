"""The reported ELBO against a recomputation from the declared distributions.

Rejects: a term, constant, weight or factor of the reported bound that the declared model and q do not have, also where
it agrees with its own gradient, which the identity cannot see (THEORY section 8).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import at_most, read, read_beside
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge, told_apart
from elbocheck.outcome import Outcome, Result

NAME = "value"


def value(problem: Problem) -> Result | None:
    """|F reported − F declared| within rounding; None for a problem that reports no ELBO of its own."""
    if problem.elbo is None:
        return None
    deviations = []
    for one in (read(problem), *read_beside(problem)):  # at parameters of 0 or 1 wrong terms can vanish
        at = one.problem
        if at is not problem and not np.isfinite(one.declared):
            continue  # outside the domain of the declaration
        where = "" if at is problem else ", at a point beside the problem's own,"
        reported, declared = told_apart(one.elbo, one.declared)
        what = f"the reported ELBO {reported} against {declared} from the declared distributions{where}"
        deviation = Deviation(what, one.deviation, 2 * one.constant * one.scale, one.scale)
        if not deviation.excess <= 1.0:
            bound = 2 * one.constant * one.full_scale
            noise = one.value_noise if np.isfinite(deviation.size) and deviation.size > bound else 0.0
            deviation = Deviation(what, deviation.size, bound + noise, one.full_scale, noise)
        deviations.append(deviation)
    result = judge(NAME, problem.label, deviations)
    return replace(result, note=_known(problem)) if result.outcome is Outcome.HOLDS else result


def _known(problem: Problem) -> str:
    """What a value that holds is not by itself."""
    notes = []
    params = problem.code_params(problem.vector)
    for departure in problem.departures:
        added = float(problem.departed(departure, params))
        if added:
            notes.append(f"{departure.name}, {added:+.3g} nats per datum, is subtracted")
    reading = read(problem)
    if at_most(problem):
        notes.append(f"a bound below the declared one, by {reading.declared - reading.elbo:.3g} nats per datum here")
    return "; ".join(notes)


CHECK = Check(
    name=NAME,
    letter="v",
    promise="the reported ELBO is that of the declared distributions (theory, section 1)",
    run=value,
    needs=("elbo",),
)
