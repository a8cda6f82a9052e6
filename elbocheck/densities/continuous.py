"""Densities of real numbers: Student-t, half-Cauchy, uniform."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from elbocheck.backends.namespace import Array, namespace, zeros

LOG_PI = math.log(math.pi)
LOG_2_OVER_PI = math.log(2.0 / math.pi)


@dataclass(frozen=True)
class StudentT:
    """p(u) = Γ((ν + 1)/2) / (Γ(ν/2) √(πν) s) · (1 + z²/ν)^−(ν + 1)/2 with z = (u − m)/s; ν = 1 is Cauchy's.

    Shapes: `df` ν > 0, `location` m, `scale` s > 0, (*batch,), broadcasting against each other; m and s have the unit
    of u. Of large ν the two log Γ cancel: their error is that of ν log ν.
    """

    df: Array
    location: Array
    scale: Array

    family: ClassVar[str] = "Student-t"
    event_ndim: ClassVar[int] = 0

    def log_density(self, value: Array) -> Array:
        """log p(u), nats."""
        ns = namespace(self.df, self.location, self.scale, value)
        z = (value - self.location) / self.scale
        power = 0.5 * (self.df + 1.0)
        constant = ns.gammaln(power) - ns.gammaln(0.5 * self.df) - 0.5 * (LOG_PI + ns.xp.log(self.df))
        return constant - ns.xp.log(self.scale) - power * ns.xp.log1p(z * z / self.df)


@dataclass(frozen=True)
class HalfCauchy:
    """p(u) = 2 / (π s (1 + u²/s²)) for u ≥ 0: the absolute value of a Cauchy number of location 0.

    Shapes: `scale` s > 0 (*batch,), in the unit of u.
    """

    scale: Array

    family: ClassVar[str] = "half-Cauchy"
    event_ndim: ClassVar[int] = 0

    def log_density(self, value: Array) -> Array:
        """log p(u), nats; u must not be negative."""
        xp = namespace(self.scale, value).xp
        z = value / self.scale
        return LOG_2_OVER_PI - xp.log(self.scale) - xp.log1p(z * z)


@dataclass(frozen=True)
class Uniform:
    """p(u) = 1/(b − a) for a ≤ u ≤ b.

    Shapes: `low` a, `high` b (*batch,), in the unit of u. A value outside is not noticed: the density has no slope that
    could lead back.
    """

    low: Array
    high: Array

    family: ClassVar[str] = "uniform"
    event_ndim: ClassVar[int] = 0

    def log_density(self, value: Array) -> Array:
        """log p(u), nats."""
        width = self.high - self.low + zeros(value)
        return -namespace(width).xp.log(width)
