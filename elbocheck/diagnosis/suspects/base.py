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

    offset: bool = False
    """Whether `sizes` are known up to a constant only, the same at every point."""

    rank: int = 1
    """0 for the most usual ones, more for rarer ones: the least rank that explains a deviation is told."""


def is_usual(name: str) -> bool:
    """Whether a multiple has a name besides its number."""
    if name.startswith("β ≠ 1"):
        return "(" in name.split("×")[-1]
    return not name.startswith("multiple ") or "(" in name.split(":")[0]


def multiple(what: str, a: float, data: int, counts: Mapping[str, float] = MappingProxyType({})) -> str:
    """A name for `what` entering 1 + a times; `counts`: further numbers of the problem that a multiple may be."""
    times = 1.0 + a
    if abs(times) < 1e-9:
        return f"missing: {what}"
    for usual, name in ((-1.0, "sign"), (2.0, "twice"), (0.5, "half"), (-2.0, "sign, and twice")):
        if abs(times - usual) < 1e-9:
            return f"{name}: {what}"
    number, known = counted(times, {"number of data": data, **counts}) if times else ("", "")
    return f"multiple {number} ({known}): {what}" if known else f"multiple {times:.6g}: {what}"


def counted(times: float, counts: Mapping[str, float]) -> tuple[str, str]:
    """(a multiple as a number, what it may be a number of, all that fit); the second is empty if it is none."""
    for power in (1.0, -1.0):
        names = [name for name, count in counts.items() if count > 1.0 and abs(times**power / count - 1.0) < 1e-9]
        if names:
            size = f"{times**power:.6g}"
            return (size if power > 0 else f"1 / {size}"), " or ".join(names)
    return f"{times:.6g}", ""
