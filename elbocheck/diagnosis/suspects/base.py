"""One mistake that a bound may have, and names for the factors that terms are off by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

UNUSUAL = 9
"""Rank of a multiple that has no name but its number."""


@dataclass(frozen=True)
class Suspect:
    """One mistake, and what it would add to the reported ELBO."""

    name: str
    """What it is called; empty where `coefficient` makes the name."""

    kind: str
    """Of the `Diagnosis` if this is it."""

    factor: str
    """Where it is: a factor's name, "q", or empty for the whole bound."""

    sizes: tuple[float, ...]
    """What it adds at each point, nats per datum."""

    component: int | None = None
    """Of the factor; None if it concerns all."""

    coefficient: Callable[[float], str] | None = None
    """a -> name: the mistake adds a times `sizes`, with one a for all points; None: it adds `sizes` themselves."""

    rank: int = 1
    """0 for the most usual ones, more for rarer ones: the least rank that explains a deviation is told."""


def is_usual(name: str) -> bool:
    """Whether a multiple has a name besides its number."""
    return not name.startswith(("multiple ", "β ≠ 1")) or "number of data" in name


def multiple(what: str, a: float, data: int) -> str:
    """A name for `what` entering 1 + a times."""
    times = 1.0 + a
    if abs(times) < 1e-9:
        return f"missing: {what}"
    for usual, name in ((-1.0, "sign"), (2.0, "twice"), (0.5, "half"), (-2.0, "sign, and twice")):
        if abs(times - usual) < 1e-9:
            return f"{name}: {what}"
    for usual, name in ((float(data), f"multiple {data}"), (1.0 / data, f"multiple 1 / {data}")):
        if abs(times - usual) < 1e-9 * usual:
            return f"{name} (number of data): {what}"
    return f"multiple {times:.6g}: {what}"
