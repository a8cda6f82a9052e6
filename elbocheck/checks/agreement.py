"""Two array libraries that must give the same numbers: every term, F and ∇F of one problem on both.

Rejects: an entropy, a density or a derivative that one library, compiler or rule of differentiation gets wrong.
"""

from __future__ import annotations

from itertools import zip_longest

from elbocheck.backends.base import Backend
from elbocheck.checks.compare import Deviation, judge
from elbocheck.identity import Decomposition, decompose
from elbocheck.outcome import Result
from elbocheck.problem import Problem

CHECK = "agreement"
TERMS = ("log_density", "entropy", "pseudo_entropy", "log_base_measure", "delta")


def agreement(problem: Problem, other_backend: Backend) -> Result:
    """All terms on the problem's own backend and on another, to the sum of the rounding bounds of both."""
    return compared(decompose(problem), decompose(problem.on(other_backend)), problem.label)


def compared(one: Decomposition, other: Decomposition, label: str) -> Result:
    """The verdict on two decompositions of one problem; a factor that only one of them has is a violation."""
    noise = one.elbo_rounding + other.elbo_rounding
    scale = one.magnitude + other.magnitude
    deviations = [
        Deviation("the ELBO", abs(one.elbo - other.elbo), noise, scale),
        Deviation("the entropy of q", abs(one.entropy_q - other.entropy_q), noise, scale),
    ]
    for mine, its in zip_longest(one.factors, other.factors):
        if mine is None or its is None or mine.label != its.label:
            missing = its if mine is None else mine
            deviations.append(Deviation(f"factor {missing.label}, found by one backend only,", float("inf"), noise))
            continue
        for name in TERMS:
            size = abs(getattr(mine, name) - getattr(its, name))
            deviations.append(Deviation(f"{name} of factor {mine.label}", size, noise, scale))
    apart = abs(one.gradient - other.gradient)
    worst = int(apart.argmax()) if apart.size else 0
    bound = one.gradient_rounding + other.gradient_rounding
    if apart.size:
        deviations.append(Deviation(f"element {worst} of ∇F", float(apart[worst]), bound, scale))
    return judge(CHECK, label, deviations, gradient_norm=one.gradient_norm)
