"""The reported ELBO against a recomputation from the declared distributions.

Rejects: a term, constant, weight or factor of the reported bound that the declared model and q do not have, also where
it agrees with its own gradient, which the identity cannot see (THEORY section 8).
"""

from __future__ import annotations

import numpy as np

from elbocheck.checks.compare import Deviation, judge
from elbocheck.identity import decompose
from elbocheck.outcome import Result
from elbocheck.problem import Problem

CHECK = "value"
BESIDE = 2
"""More points: at parameters of 0 or 1 wrong terms can vanish."""


def value(problem: Problem) -> Result | None:
    """|F reported − F declared| within rounding; None for a problem that reports no ELBO of its own."""
    if problem.elbo is None:
        return None
    deviations = []
    for at in (problem, *problem.nearby(BESIDE)):
        terms = decompose(at)
        if at is not problem and not np.isfinite(terms.declared):
            continue  # outside the domain of the declaration
        where = "" if at is problem else ", at a point beside the problem's own,"
        what = f"the reported ELBO {terms.elbo:.9g} against {terms.declared:.9g} from the declared distributions{where}"
        deviations.append(Deviation(what, abs(terms.elbo - terms.declared), 2 * terms.elbo_rounding, terms.magnitude))
    return judge(CHECK, problem.label, deviations)
