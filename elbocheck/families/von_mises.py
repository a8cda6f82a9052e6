"""Von Mises distribution on the circle, constant base measure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts

SWITCH = 24.0
"""κ below: power series with TERMS terms; above: asymptotic series with ORDER terms."""
TERMS = 40
"""The first neglected term at the switch is below 1e-18 of the sum."""
ORDER = 23
"""The first neglected term of the entropy at the switch is below 2e-17."""


def _ratio_coefficients(order: int) -> list[float]:
    """c_0, …, c_order of I₁(κ)/I₀(κ) = Σ c_k κ^−k, from the differential equation r' = 1 − r/κ − r² of the ratio."""
    c = [1.0, -0.5]
    for k in range(2, order + 1):
        c.append(0.5 * ((k - 2) * c[k - 1] - sum(c[j] * c[k - j] for j in range(1, k))))
    return c


_RATIO = np.array(_ratio_coefficients(ORDER))
_LOG_I0 = np.array([-_RATIO[k] / (k - 1) for k in range(2, ORDER + 1)])
_ENTROPY = np.array([-_RATIO[k] * k / (k - 1) for k in range(2, ORDER + 1)])
_I0 = np.array([144**k / math.factorial(k) ** 2 for k in range(TERMS)])  # in (κ/24)²
_I1 = np.array([144**k / (math.factorial(k) * math.factorial(k + 1)) for k in range(TERMS)])


def _horner(coefficients: np.ndarray, x: Array) -> Array:
    """Σ_k coefficients[k] x^k."""
    total = float(coefficients[-1]) + zeros(x)
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + float(coefficient)
    return total


def _power_series(coefficients: np.ndarray, x: Array) -> Array:
    """The same to be differentiated: XLA compiles the Hessian of so long a loop for 4 s, that of one power for 1 s.

    The first terms are apart, because JAX differentiates 0 ** 1 twice to nan.
    """
    xp = namespace(x).xp
    base = x + xp.zeros_like(x)
    powers = base[..., None] ** xp.arange(3, len(coefficients), dtype=base.dtype)
    rest = xp.sum(xp.asarray(coefficients[3:], dtype=base.dtype) * powers, axis=-1)
    return _horner(coefficients[:3], base) + rest


@dataclass(frozen=True)
class VonMises:
    """p(u) = exp(c cos u + s sin u) / 2π I₀(κ) for an angle u, with κ² = c² + s² and mean direction atan2(s, c).

    T(u) = (cos u, sin u), η = (c, s), A = log 2π I₀(κ), h = 1.

    Shapes: `cosine` c, `sine` s (*batch,), broadcasting against each other. A and its derivatives are written with
    the power series of I₀ in κ² below κ = 24, which has positive terms only and no square root at κ = 0, and with
    the asymptotic series of log I₀ above: library Bessel functions would lose the second derivative 1/2κ², a
    difference of numbers near 1. Source: THEORY section 7, row EF mixtures.
    """

    cosine: Array
    sine: Array

    family: ClassVar[str] = "von Mises"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "real"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(log_pi=True)

    def natural_parameters(self) -> NaturalParameters:
        return (self.cosine + zeros(self.sine), self.sine + zeros(self.cosine))

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(*eta)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        xp = namespace(value).xp
        return (xp.cos(value), xp.sin(value))

    def _branches(self) -> tuple[Array, Array, Array]:
        """(whether κ is small, (κ/24)² if it is, κ if not): each with a harmless number for the other branch."""
        ns = namespace(self.cosine, self.sine)
        ns.approximate("von Mises: log I₀ is a truncated series")
        xp = ns.xp
        square = self.cosine * self.cosine + self.sine * self.sine
        small = square < SWITCH * SWITCH
        return small, xp.where(small, square / SWITCH**2, 0.0), xp.sqrt(xp.where(small, SWITCH * SWITCH, square))

    def log_partition(self) -> Array:
        ns = namespace(self.cosine, self.sine)
        xp, log_2pi = ns.xp, ns.constants.log_2pi
        small, fraction, kappa = self._branches()
        high = kappa - 0.5 * (log_2pi + xp.log(kappa)) + _power_series(_LOG_I0, 1.0 / kappa) / kappa
        return log_2pi + xp.where(small, xp.log(_power_series(_I0, fraction)), high)

    def mean_statistics(self) -> NaturalParameters:
        """η I₁(κ) / κ I₀(κ)."""
        xp = namespace(self.cosine, self.sine).xp
        small, fraction, kappa = self._branches()
        low = 0.5 * _horner(_I1, fraction) / _horner(_I0, fraction)
        factor = xp.where(small, low, _horner(_RATIO, 1.0 / kappa) / kappa)
        return (factor * self.cosine, factor * self.sine)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value, self.cosine, self.sine)

    def expected_log_base_measure(self) -> Array:
        return zeros(self.cosine, self.sine)

    def log_density(self, value: Array) -> Array:
        cosine, sine = self.sufficient_statistics(value)
        return self.cosine * cosine + self.sine * sine - self.log_partition()

    def log_density_scale(self, value: Array) -> Array:
        xp = namespace(self.cosine, self.sine, value).xp
        cosine, sine = self.sufficient_statistics(value)
        terms = xp.abs(self.cosine * cosine) + xp.abs(self.sine * sine) + xp.abs(self.log_partition())
        return terms + xp.abs(value * (self.sine * cosine - self.cosine * sine))

    def entropy(self) -> Array:
        ns = namespace(self.cosine, self.sine)
        xp, log_2pi = ns.xp, ns.constants.log_2pi
        small, fraction, kappa = self._branches()
        i0 = _horner(_I0, fraction)
        low = log_2pi + xp.log(i0) - 0.5 * SWITCH**2 * fraction * _horner(_I1, fraction) / i0
        high = 0.5 * (log_2pi + 1.0 - xp.log(kappa)) + _horner(_ENTROPY, 1.0 / kappa) / kappa
        return xp.where(small, low, high)

    def pseudo_entropy(self) -> Array:
        return self.entropy()
