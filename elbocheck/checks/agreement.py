"""Two array libraries that must give the same numbers: every term, F and ∇F of one problem on both.

Rejects: an entropy, a density or a derivative that one library, compiler or rule of differentiation gets wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from elbocheck.backends.base import Backend
from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.problem import Problem
from elbocheck.checks.compare import Deviation, judge
from elbocheck.outcome import Outcome, Result

NAME = "agreement"
TERMS = ("log_density", "entropy", "pseudo_entropy", "log_base_measure", "delta")


Appeal = Callable[[Problem, Mapping[str, Decomposition]], str]
"""Which of several decompositions, by the names of their backends, is right; in words, for a message."""


def agreement(problem: Problem, other_backend: Backend, appeal: Appeal | None = None) -> Result:
    """All terms on the problem's own backend and on another, to the sum of the rounding bounds of both.

    `appeal`: asked which is wrong where they differ (`elbocheck.proofs.appeal` asks ball arithmetic).
    """
    one, other = decompose(problem), decompose(problem.on(other_backend))
    result = compared(one, other, problem.label)
    if result.outcome is Outcome.HOLDS or appeal is None:
        return result
    names = (problem.compiled.backend.name, other_backend.name)
    return replace(result, message=result.message + appeal(problem, dict(zip(names, (one, other), strict=True))))


def numbers(decomposition: Decomposition) -> dict[str, float]:
    """What of a decomposition is compared, by the names that messages use: terms, then the elements of ∇F."""
    found = {"the ELBO": decomposition.elbo, "the entropy of q": decomposition.entropy_q}
    for term in decomposition.factors:
        found |= {f"{name} of factor {term.label}": getattr(term, name) for name in TERMS}
    return found | {f"element {i} of ∇F": float(slope) for i, slope in enumerate(decomposition.gradient)}


def compared(one: Decomposition, other: Decomposition, label: str) -> Result:
    """The verdict on two decompositions of one problem; a factor that only one of them has is a violation."""
    noise = one.elbo_rounding + other.elbo_rounding
    scale = one.magnitude + other.magnitude
    bound = one.gradient_rounding + other.gradient_rounding
    mine, its = numbers(one), numbers(other)
    deviations = []
    for name in dict.fromkeys([*mine, *its]):
        if name not in mine or name not in its:
            deviations.append(Deviation(f"{name}, found by one backend only,", float("inf"), noise))
            continue
        within = bound if name.endswith("∇F") else noise
        deviations.append(Deviation(name, abs(mine[name] - its[name]), within, scale))
    return judge(NAME, label, deviations, gradient_norm=one.gradient_norm)
