"""Negative controls: where the plain identity must fail, it fails by the predicted amount.

Rejects: a check that cannot fail. A control that comes out at zero, or misses its prediction, is a violation.
"""

from __future__ import annotations

from elbocheck.bound.decomposition import Decomposition
from elbocheck.checks.compare import Deviation, judge
from elbocheck.outcome import Outcome, Result

LEAST_GAP = 1e-3
"""A control must miss zero by this much, nats per datum."""
RELATIVE = 1e-9
"""It must meet its prediction to this relative accuracy in float64; in other types to the computed bound."""


def control(
    name: str,
    problem: str,
    decomposition: Decomposition,
    predicted: float,
    certified: bool = True,
    computed_bound: float | None = None,
) -> Result:
    """The plain gap F − S against `predicted`, which comes from a closed form that shares no code with it.

    `certified`: a stationary point, if the control is about one, with something to show.
    `computed_bound`: what `RELATIVE` is replaced with where the type cannot reach it.
    """
    gap = decomposition.elbo - decomposition.entropy_sum
    check = f"control: {name}"
    if not certified:
        message = "no stationary point was certified at which the gap is not predicted to vanish"
        return Result(check, problem, Outcome.INCONCLUSIVE, points=0, message=message)
    if abs(gap) < LEAST_GAP:
        return Result(
            check,
            problem,
            Outcome.VIOLATED,
            gap=abs(gap),
            bound=LEAST_GAP,
            message=f"{check}: the gap is {gap:.3e}, but must miss zero by at least {LEAST_GAP} ({problem})",
        )
    bound = RELATIVE * abs(predicted) if computed_bound is None else computed_bound
    deviation = Deviation("the gap against its prediction", abs(gap - predicted), bound, abs(predicted))
    return judge(check, problem, [deviation], gradient_norm=decomposition.gradient_norm)
