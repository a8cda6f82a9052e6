"""The criterion: the declared β scales all natural parameters at once, and least squares finds such a β by itself.

Rejects: a wrong closed form of β, and a model to which the theorem does not apply.
"""

from __future__ import annotations

import numpy as np

from elbocheck.bound.criterion import criteria
from elbocheck.bound.problem import Problem
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge
from elbocheck.outcome import Outcome, Result

NAME = "criterion"


def criterion_holds(problem: Problem) -> Result:
    """‖(∂η/∂θ)β − η‖ for the declared β, row by row within rounding; `out of scope` if no β exists at all."""
    eps = problem.compiled.backend.eps
    _, terms = problem.compiled.terms(problem.vector, problem.fixed)
    deviations = []
    for name, criterion in criteria(problem).items():
        if not criterion.applies(eps):
            return Result(
                NAME,
                problem.label,
                Outcome.OUT_OF_SCOPE,
                gap=criterion.residual,
                points=0,
                message=f"no direction scales all natural parameters of {name!r} (residual {criterion.residual:.1e})",
            )
        if "beta" not in terms["factors"][name]:
            continue
        beta = terms["factors"][name]["beta"].sum(0)
        absolute = np.abs(criterion.jacobian) @ np.abs(beta) + np.abs(criterion.target)
        error = np.abs(criterion.jacobian @ beta - criterion.target)
        # 16 roundings in each entry of the Jacobian, one per product summed
        # where a natural parameter is a difference (a − 1 of a beta distribution) the roundings of what it is made of
        # stay: each parameter is rounded to eps of its natural unit, or of itself where it is larger
        made_of = np.abs(criterion.jacobian) @ problem.unit_vector
        bound = eps * ((16 + np.sqrt(beta.size)) * np.maximum(absolute, np.finfo(float).tiny) + 2 * made_of)
        row = int(np.argmax(error / bound)) if error.size else 0
        if error.size:
            deviations.append(
                Deviation(
                    f"the scaling of natural parameter {row} of factor {name}", float(error[row]), float(bound[row])
                )
            )
    return judge(NAME, problem.label, deviations)


CHECK = Check(
    name=NAME,
    letter="k",
    promise="the declared β scales all natural parameters of its factor (theory, section 2)",
    run=criterion_holds,
)
