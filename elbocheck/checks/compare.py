"""Deviations with computed bounds, collected into one Result: the shared end of every check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from elbocheck.bound.decomposition import Decomposition, FactorTerms
from elbocheck.outcome import Claim, Outcome, Result


@dataclass(frozen=True)
class Deviation:
    """A number that must not exceed its bound, nats per datum."""

    what: str
    """Its name in messages."""

    size: float
    """Absolute value of what should be 0."""

    bound: float
    """Computed; infinite where it has overflowed, so that nothing can be said."""

    scale: float = 0.0
    """Σ|terms| behind it; 0 where no relative size makes sense."""

    noise: float = 0.0
    """What of the bound was measured, and differs from one machine to the next."""

    @property
    def excess(self) -> float:
        return _ratio(self.size, self.bound)

    @property
    def rank(self) -> float:
        """The excess that no measurement has a part in: messages come in the same order everywhere."""
        return _ratio(self.size, self.bound - self.noise)


def _ratio(size: float, bound: float) -> float:
    if not np.isfinite(size):
        return float("inf")
    return size / bound if bound > 0.0 else (0.0 if size == 0.0 else float("inf"))


def judge(
    check: str,
    problem: str,
    deviations: Iterable[Deviation],
    *,
    points: int = 1,
    kinds: Sequence[str] = (),
    attempts: Sequence[str] = (),
    gradient_norm: float = 0.0,
) -> Result:
    """`holds` if every deviation is within its bound, else `violated`; the message names the others, worst first.

    A bound that has overflowed says nothing: `inconclusive`, if nothing else is violated.
    """
    deviations = list(deviations)
    unbounded = [one for one in deviations if not np.isfinite(one.bound)]
    deviations = [one for one in deviations if np.isfinite(one.bound)]
    broken = sorted((one for one in deviations if not one.excess <= 1.0), key=lambda one: -one.rank)
    largest = max(deviations, key=lambda one: one.excess, default=Deviation("nothing", 0.0, 0.0))
    worst = broken[0] if broken else largest
    relative = max((one.size / one.scale for one in deviations if one.scale > 0.0), default=0.0)
    lines = [f"{one.what} deviates by {one.size:.3e} nats per datum, bound {one.bound:.1e}" for one in broken[:6]]
    if not broken and unbounded:
        message = f"{check}: the rounding bound of {unbounded[0].what} is {unbounded[0].bound} ({problem})"
        return Result(check, problem, Outcome.INCONCLUSIVE, points=0, attempts=tuple(attempts), message=message)
    message = f"{check}: {'; '.join(lines)} ({problem})" if broken else ""
    return Result(
        check=check,
        problem=problem,
        outcome=Outcome.VIOLATED if broken else Outcome.HOLDS,
        gap=worst.size,
        bound=worst.bound,
        relative=relative,
        points=points,
        kinds=tuple(kinds),
        attempts=tuple(attempts),
        message=message,
        gradient_norm=gradient_norm,
        power=max((one.bound for one in deviations), default=0.0),
    )


def unpredicted(decomposition: Decomposition) -> list[FactorTerms]:
    """Factors without a scaling direction; one whose gap vanishes anyway (fixed uniform weights) needs none."""
    return [
        term
        for term in decomposition.factors
        if term.scaling.residual and not abs(term.gap - term.delta) <= term.rounding
    ]


def out_of_scope(check: str, problem: str, terms: Sequence[FactorTerms], claims: Sequence[Claim] = ()) -> Result:
    """What is said of factors that the theorem does not cover; `claims` have the reasons."""
    outside = [one for one in claims if not one.covered]
    if outside:
        return Result(
            check,
            problem,
            Outcome.OUT_OF_SCOPE,
            points=0,
            message=f"value and gradient hold; by the theorem {'; '.join(map(str, outside))} ({problem})",
        )
    reasons = ", ".join(f"{term.label!r} (residual {term.scaling.residual:.1e})" for term in terms)
    return Result(
        check,
        problem,
        Outcome.OUT_OF_SCOPE,
        points=0,
        message=f"no direction scales all natural parameters of factor {reasons}: the theorem does not apply",
    )


def told_apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers for a message, to two digits beyond the first in which they differ: at least 9, at most 17."""
    size, apart = max(abs(one), abs(other)), abs(one - other)
    digits = 9
    if np.isfinite(apart) and 0.0 < apart < size:
        digits = min(max(9, int(np.ceil(np.log10(size / apart))) + 2), 17)
    return f"{one:.{digits}g}", f"{other:.{digits}g}"
