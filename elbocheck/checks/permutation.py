"""The order of the data must not matter.

Rejects: a bound that depends on it.
"""

from __future__ import annotations

import numpy as np

from elbocheck.bound.decomposition import Decomposition
from elbocheck.bound.problem import Problem
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge
from elbocheck.checks.rows import inputs, settled
from elbocheck.outcome import Result

NAME = "permutation"


def permutation(problem: Problem) -> Result | None:
    """The data in another order give the same bound."""
    return None if problem.subset is None else settled(problem, _permutation)


def _permutation(problem: Problem, terms: Decomposition) -> Result:
    weights, of = inputs(problem)
    every = np.arange(len(weights))
    order = np.random.default_rng(0).permutation(len(every)) if len(every) > 2 else np.array(every[::-1])
    straight, turned = of(every), of(order)
    what = f"the ELBO {turned:.9g} of the data in another order against {straight:.9g}"
    return judge(
        NAME,
        problem.label,
        [Deviation(what, abs(turned - straight), 4 * terms.elbo_rounding, terms.magnitude)],
    )


CHECK = Check(
    name=NAME,
    letter="o",
    promise="the ELBO does not depend on the order of the data (theory, section 1)",
    run=permutation,
    needs=("subset",),
    diagnose="rows",
)
