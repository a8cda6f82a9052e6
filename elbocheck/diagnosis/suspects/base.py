"""One mistake that a bound may have, and names for the factors that terms are off by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

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

    usual_only: bool = False
    """Whether a multiple that has no name but its number explains nothing, also where the term varies."""

    rank: int = 1
    """0 for the most usual ones, more for rarer ones: the least rank that explains a deviation is told."""


def is_usual(name: str) -> bool:
    """Whether a multiple has a name besides its number."""
    return not name.startswith(("multiple ", "β ≠ 1")) or "(" in name.split(":")[0]


def multiple(what: str, a: float, data: int, counts: Mapping[str, int] = MappingProxyType({})) -> str:
    """A name for `what` entering 1 + a times; `counts`: further numbers of the problem that a multiple may be."""
    times = 1.0 + a
    if abs(times) < 1e-9:
        return f"missing: {what}"
    for usual, name in ((-1.0, "sign"), (2.0, "twice"), (0.5, "half"), (-2.0, "sign, and twice")):
        if abs(times - usual) < 1e-9:
            return f"{name}: {what}"
    for name, count in {"number of data": data, **counts}.items():
        for usual, number in ((float(count), f"{count}"), (1.0 / count, f"1 / {count}")):
            if count > 1 and abs(times - usual) < 1e-9 * usual:
                return f"multiple {number} ({name}): {what}"
    return f"multiple {times:.6g}: {what}"
