"""Axes of charts: values to coordinates, and ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    """Coordinate along the axis."""

    label: str
    """What is written there."""


@dataclass(frozen=True)
class Scale:
    """Values on coordinates; values outside are moved to the edge."""

    low: float
    """Least value; positive if logarithmic."""

    high: float
    """Greatest value."""

    start: float
    """Coordinate of `low`."""

    end: float
    """Coordinate of `high`; less than `start` where the axis points up."""

    logarithmic: bool = False
    """Whether equal ratios are equally far apart, not equal differences."""

    def __call__(self, value: float) -> float:
        low, high = (math.log10(self.low), math.log10(self.high)) if self.logarithmic else (self.low, self.high)
        inside = min(max(value, self.low), self.high)
        share = ((math.log10(inside) if self.logarithmic else inside) - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, most: int = 5) -> list[Tick]:
        """At most `most` + 1 marks at round numbers (powers of ten on a logarithmic axis)."""
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            every = max(1, math.ceil((last - first) / most))
            return [Tick(self(10.0**power), power_of_ten(power)) for power in range(first, last + 1, every)]
        step = round_step((self.high - self.low) / most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        digits = max(0, -math.floor(math.log10(step)))
        return [Tick(self(k * step), minus(f"{k * step:.{digits}f}")) for k in range(first, last + 1)]


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def power_of_ten(power: int) -> str:
    """10 to a power, as text."""
    return "1" if power == 0 else f"10{str(power).translate(SUPERSCRIPTS)}"


def minus(text: str) -> str:
    """A number with a real minus sign; no minus zero."""
    return text.lstrip("-") if not text.strip("-0.") else text.replace("-", "−")


def linear(values: Iterable[float], start: float, end: float, margin: float = 0.06) -> Scale:
    """A linear scale around finite values."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    wide = max(high - low, 1e-9 * max(abs(high), abs(low)), 1e-12)
    return Scale(low - margin * wide, high + margin * wide, start, end)


def decades(values: Iterable[float], start: float, end: float, floor: float) -> Scale:
    """A logarithmic scale over whole decades around positive values, from `floor` on."""
    positive = [value for value in values if math.isfinite(value) and value > floor] or [10 * floor]
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)) + 1e-9)
    return Scale(max(10.0**low, floor), 10.0 ** max(high, low + 1), start, end, logarithmic=True)
