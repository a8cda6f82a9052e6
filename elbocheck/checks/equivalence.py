"""Two problems that must give the same numbers: permuted or repeated data, relabelled latents, other units or charts.

Rejects: a bound that depends on the order or the number of data, on the labels of latents, or on units.
"""

from __future__ import annotations

from elbocheck.bound.decomposition import decompose
from elbocheck.bound.problem import Problem
from elbocheck.checks.compare import Deviation, judge
from elbocheck.outcome import Result


def equivalent(problem: Problem, image: Problem, *, check: str, shift: float = 0.0) -> Result:
    """F and S of `image` equal those of `problem` plus `shift`; gaps and predicted gaps agree factor by factor.

    `shift`: nats per datum; −D log s when continuous data are multiplied by s.
    """
    one, other = decompose(problem), decompose(image)
    noise = one.rounding + other.rounding + one.elbo_rounding + other.elbo_rounding
    # a shift that was itself rounded moves both sides alike
    noise += 4 * problem.compiled.backend.eps * abs(shift)
    scale = one.magnitude + other.magnitude
    deviations = [
        Deviation("the ELBO", abs(one.elbo + shift - other.elbo), noise, scale),
        Deviation("the entropy sum", abs(one.entropy_sum + shift - other.entropy_sum), noise, scale),
    ]
    for name in dict.fromkeys(term.name for term in one.factors):
        gaps = [sum(t.gap for t in side.factors if t.name == name) for side in (one, other)]
        predicted = [sum(t.predicted for t in side.factors if t.name == name) for side in (one, other)]
        deviations.append(Deviation(f"the gap of factor {name}", abs(gaps[0] - gaps[1]), noise, scale))
        deviations.append(
            Deviation(f"the predicted gap of factor {name}", abs(predicted[0] - predicted[1]), noise, scale)
        )
    return judge(check, problem.label, deviations)
