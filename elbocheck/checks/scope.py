"""The scope of the theorem: which factors have a direction that scales all natural parameters, and why others do not.

Rejects: a model outside the theorem that is taken for one inside, and the reverse.
"""

from __future__ import annotations

import numpy as np

from elbocheck.backends import get_backend
from elbocheck.bound.criterion import Criterion, criteria
from elbocheck.bound.problem import Problem
from elbocheck.checks.check import Check
from elbocheck.outcome import Outcome, Result

NAME = "scope"


def scope(problem: Problem) -> Result:
    """`holds` if every factor satisfies the criterion (THEORY section 2), else `out of scope` with each reason."""
    found = criteria(problem)
    eps = problem.compiled.backend.eps
    missing = [one for one in found.values() if not one.applies(eps)]
    if not missing:
        return Result(
            NAME, problem.label, Outcome.HOLDS, gap=max((one.residual for one in found.values()), default=0.0)
        )
    worst = max(one.residual for one in missing)
    message = "; ".join(f"factor {one.factor!r}: {reason(one)} (residual {one.residual:.1e})" for one in missing)
    return Result(NAME, problem.label, Outcome.OUT_OF_SCOPE, gap=worst, points=0, message=message)


def outside(problem: Problem) -> Result:
    """`scope` of a problem that the theorem does not cover.

    `inconclusive` where float64 says so and the type that runs cannot tell, because the residual is below √eps.
    """
    found, backend = scope(problem), problem.compiled.backend
    if found.outcome is Outcome.OUT_OF_SCOPE or backend.dtype == "float64":
        return found
    exact, limit = scope(problem.on(get_backend(backend.name, "float64"))), float(np.sqrt(backend.eps))
    if exact.outcome is not Outcome.OUT_OF_SCOPE or exact.gap > 2 * limit:
        return found
    message = f"the criterion's residual is {exact.gap:.1e}; {backend.dtype} tells it from 0 above {limit:.1e} only"
    return Result(NAME, problem.label, Outcome.INCONCLUSIVE, gap=found.gap, points=0, message=message)


def reason(criterion: Criterion) -> str:
    """Why no direction exists, as far as the criterion can tell."""
    if criterion.rescaling:
        return "its prior is fixed, and no tangent of the model and of q together rescales z"
    if not criterion.parameters:
        return "it has no parameters of its own that could scale its natural parameters"
    return "no direction of its parameters multiplies all its natural parameters by one factor"


CHECK = Check(
    name=NAME,
    letter="x",
    promise="every factor has a direction that scales its natural parameters (theory, section 2)",
    run=scope,
)
