"""Deviations with computed bounds, collected into one Result: the shared end of every check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from elbocheck.outcome import Outcome, Result


@dataclass(frozen=True)
class Deviation:
    """A number that must not exceed its bound; `scale` is Σ|terms| behind it, `what` names it in messages."""

    what: str
    size: float
    bound: float
    scale: float = 0.0

    @property
    def excess(self) -> float:
        if not np.isfinite(self.size):
            return float("inf")
        return self.size / self.bound if self.bound > 0.0 else (0.0 if self.size == 0.0 else float("inf"))


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
    """`holds` if every deviation is within its bound, else `violated`; the message names the worst."""
    deviations = list(deviations)
    worst = max(deviations, key=lambda one: one.excess, default=Deviation("nothing", 0.0, 0.0))
    bad = not worst.excess <= 1.0
    relative = max((one.size / one.scale for one in deviations if one.scale > 0.0), default=0.0)
    message = ""
    if bad:
        size = f"{worst.size:.3e} nats per datum, bound {worst.bound:.1e}"
        message = f"{check}: {worst.what} deviates by {size} ({problem})"
    return Result(
        check=check,
        problem=problem,
        outcome=Outcome.VIOLATED if bad else Outcome.HOLDS,
        gap=worst.size,
        bound=worst.bound,
        relative=relative,
        points=points,
        kinds=tuple(kinds),
        attempts=tuple(attempts),
        message=message,
        gradient_norm=gradient_norm,
    )
