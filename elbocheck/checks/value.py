"""The reported ELBO against a recomputation from the declared distributions.

Rejects: a term, constant, weight or factor of the reported bound that the declared model and q do not have, also where
it agrees with its own gradient, which the identity cannot see (THEORY section 8).
"""

from __future__ import annotations

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import read, read_beside
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge
from elbocheck.outcome import Result

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
        what = f"the reported ELBO {one.elbo:.9g} against {one.declared:.9g} from the declared distributions{where}"
        deviation = Deviation(what, abs(one.elbo - one.declared), 2 * one.constant * one.scale, one.scale)
        if not deviation.excess <= 1.0:
            bound = 2 * one.constant * one.full_scale
            if np.isfinite(deviation.size) and deviation.size > bound:
                bound += one.value_noise
            deviation = Deviation(what, deviation.size, bound, one.full_scale)
        deviations.append(deviation)
    return judge(NAME, problem.label, deviations)


CHECK = Check(
    name=NAME,
    letter="v",
    promise="the reported ELBO is that of the declared distributions (theory, section 1)",
    run=value,
    needs=("elbo",),
)
