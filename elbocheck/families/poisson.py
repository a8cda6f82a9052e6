"""Poisson distribution, base measure not constant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import ClassVar, Self

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, OneStatistic

SWITCH = 48.0
"""Rates below are summed over k < TERMS, rates above use ORDER terms of the asymptotic series."""
TERMS = 160
"""P(k ≥ 160) < 1e-33 at the switch, so nothing representable is cut off the sum."""
ORDER = 16
"""The first neglected term at the switch is below 1e-17."""


def _gregory_magnitudes(count: int) -> list[Fraction]:
    """|G_1|, …, |G_count| of u / log(1 + u) = Σ G_n uⁿ (Gregory coefficients)."""
    values = [Fraction(1)]
    for n in range(1, count + 1):
        values.append(-sum((Fraction((-1) ** (n - k), n - k + 1) * values[k] for k in range(n)), Fraction(0)))
    return [abs(value) for value in values[1:]]


def _count_tables(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For k < count: log k! and ℓ_k = log k (0 for k = 0), both rounded, and c_k = log k! − k ℓ_k + k.

    c_k contains the rounding error of ℓ_k, so that log p(k) = k (η − ℓ_k) + (k − λ) − c_k has no large terms near the
    rate, where k η − λ − log k! would lose the digits that its terms cancel.
    """
    log_factorials, logs, corrections = np.zeros(count), np.zeros(count), np.zeros(count)
    log_factorial = Decimal(0)
    with localcontext(prec=30):
        for k in range(1, count):
            log = Decimal(k).ln()
            log_factorial += log
            log_factorials[k], logs[k] = log_factorial, log
            corrections[k] = log_factorial - k * Decimal(float(logs[k])) + k
    return log_factorials, logs, corrections


_SERIES = tuple(float(_gregory_magnitudes(ORDER + 1)[k] * math.factorial(k - 1)) for k in range(1, ORDER + 1))
_LOG_FACTORIALS, _LOGS, _CORRECTIONS = _count_tables(TERMS)


@dataclass(frozen=True)
class Poisson(OneStatistic):
    """p(u) = exp(η u − e^η) / u! for u = 0, 1, 2, … and rate λ = e^η.

    T(u) = u, A(η) = e^η, log h(u) = −log u!: **not** constant, so the theorem holds with the pseudo-entropy
    H̃ = λ − λ log λ and the terms E log h, while the plain identity misses by δ (THEORY section 2).

    Shapes: `log_rate` (*batch,). E log u! has no closed form. Below λ = 48, E log u! and H[p] = −E log p are summed
    over u < 160 (truncation error < 1e-30); above, H[p] = ½ log 2πeλ − Σ_k |G_{k+1}| (k−1)! λ^−k with Gregory
    coefficients G and 16 terms (truncation error < 1e-17), from the integral
    ∫₀¹ [λ − (1 − e^−λu)/u] / (−log(1 − u)) du.
    """

    log_rate: Array

    family: ClassVar[str] = "Poisson"
    support: ClassVar[str] = "count"

    def natural_parameters(self) -> NaturalParameters:
        return (self.log_rate,)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(eta[0])

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value,)

    def log_partition(self) -> Array:
        return namespace(self.log_rate).xp.exp(self.log_rate)

    def mean_statistics(self) -> NaturalParameters:
        return (namespace(self.log_rate).xp.exp(self.log_rate),)

    def log_base_measure(self, value: Array) -> Array:
        return -namespace(value, self.log_rate).gammaln(value + 1.0) + zeros(self.log_rate)

    def _entropy_and_log_factorial(self) -> tuple[Array, Array]:
        """(H[p], E log u!) by the sum or by the series, whichever is exact at this rate."""
        ns = namespace(self.log_rate)
        if ns.expected_log_factorial is not None:
            exact = ns.expected_log_factorial(self.log_rate)
            return self.pseudo_entropy() + exact, exact
        xp = ns.xp
        log_rate = self.log_rate + xp.zeros_like(self.log_rate)
        small = log_rate < math.log(SWITCH)
        low = xp.where(small, log_rate, 0.0)
        high = xp.where(small, math.log(SWITCH), log_rate)

        counts, log_factorials, logs, corrections = (
            xp.astype(xp.asarray(table), low.dtype)
            for table in (np.arange(TERMS), _LOG_FACTORIALS, _LOGS, _CORRECTIONS)
        )
        log_p = counts * (low[..., None] - logs) + (counts - xp.exp(low)[..., None]) - corrections
        p = xp.exp(log_p)
        entropy, log_factorial = -xp.sum(p * log_p, axis=-1), xp.sum(p * log_factorials, axis=-1)

        tail = xp.zeros_like(high)
        for coefficient in reversed(_SERIES):
            tail = (tail + coefficient) * xp.exp(-high)
        series = 0.5 * (ns.constants.log_2pi + 1.0 + high) - tail

        rate = xp.exp(log_rate)
        pseudo = rate * (1.0 - log_rate)
        return (
            xp.where(small, entropy, series),
            xp.where(small, log_factorial, series - pseudo),
        )

    def expected_log_base_measure(self) -> Array:
        return -self._entropy_and_log_factorial()[1]

    def entropy(self) -> Array:
        return self._entropy_and_log_factorial()[0]

    def pseudo_entropy(self) -> Array:
        return namespace(self.log_rate).xp.exp(self.log_rate) * (1.0 - self.log_rate)
