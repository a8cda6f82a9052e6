"""Negative binomial distribution, base measure not constant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Self

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.bernoulli import Bernoulli

STEP = 3 / 16
"""Of the trapezoidal rule in log t: its error is about exp(−2π · (π/2) / STEP) < 1e-22."""
FIRST = -64.0
"""Least log t: cuts mean · 1.6e-28 off the integral, relative to itself."""
CUT = 44.0
"""Largest t · min(r, 1): cuts e^−44 < 1e-19 off."""


@cache
def _rule(failures: float) -> tuple[np.ndarray, np.ndarray]:
    """(weights, 1 − e^−t) at the nodes t: E log h = Σ weight · (1 − E e^−tu)."""
    last = math.log(CUT / min(failures, 1.0))
    t = np.exp(FIRST + STEP * np.arange(math.ceil((last - FIRST) / STEP)))
    smaller, excess = min(failures, 1.0), abs(failures - 1.0)
    weights = math.copysign(STEP, failures - 1.0) * np.exp(-smaller * t) * np.expm1(-excess * t) / np.expm1(-t)
    return weights, -np.expm1(-t)


GRID = np.exp(np.arange(FIRST, math.log(CUT) + STEP, STEP))
"""The nodes t · min(r, 1) where r is an array."""


def _rule_of(failures: Array) -> tuple[Array, Array]:
    """`_rule` for an array of r, whose nodes are a last axis more, and differentiable in r."""
    ns = namespace(failures)
    xp, r = ns.xp, failures[..., None]
    below = r < 1.0
    known = ns.constant(r)  # an integral does not depend on its nodes
    t = xp.astype(xp.asarray(GRID), failures.dtype) / xp.where(known < 1.0, known, xp.ones_like(known))
    less, more = xp.where(below, 1.0 - r, xp.zeros_like(r)), xp.where(below, xp.zeros_like(r), r - 1.0)
    either = xp.where(below, xp.exp(-(1.0 - less) * t) * xp.expm1(-less * t), -xp.exp(-t) * xp.expm1(-more * t))
    return STEP * either / -xp.expm1(-t), -xp.expm1(-t)


@dataclass(frozen=True)
class NegativeBinomial:
    """p(u) = Γ(u + r) / (Γ(r) u!) · (1 − π)^r π^u for u = 0, 1, 2, … and π = σ(logits), r > 0 known.

    T(u) = u, η = log π, A = −r log(1 − π), log h(u) = log Γ(u + r) − log Γ(r) − log u!: **not** constant, unless
    r = 1 (geometric distribution). The mean is r e^logits. Malmsten's integral for log Γ gives, without cancellation,

        E log h = ∫₀^∞ (e^−t − e^−rt) / (1 − e^−t) · (1 − E e^−tu) dt/t,   E e^−tu = (1 + e^logits (1 − e^−t))^−r,

    evaluated by the trapezoidal rule in log t, where it converges exponentially; of it, relative to itself, at most
    1e-17 is cut off for means up to 1e11. Source: THEORY section 7; Whittaker & Watson, section 12.31.

    Shapes: `logits` (*batch,), differentiated; `failures` r, not necessarily an integer: one number, a known constant,
    or an array that broadcasts to the batch. Where r is trained log h moves with it, and the theorem does not apply.
    As in `Bernoulli`, everything keeps its relative accuracy at saturated logits.
    """

    logits: Array
    failures: Array

    family: ClassVar[str] = "negative binomial"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "count"
    constant_base_measure: ClassVar[bool] = False
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(saturates=True)

    def natural_parameters(self) -> NaturalParameters:
        return (Bernoulli(self.logits).log_density(1.0),)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        xp = namespace(eta[0]).xp
        return type(self)(eta[0] - xp.log(-xp.expm1(eta[0])), self.failures)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value,)

    def log_partition(self) -> Array:
        return self.failures * Bernoulli(self.logits).log_partition()

    def mean_statistics(self) -> NaturalParameters:
        return (self.failures * namespace(self.logits).xp.exp(self.logits),)

    def _log_gammas(self, value: Array) -> tuple[Array, Array, Array]:
        """(log Γ(u + r), log Γ(r), log u!), all zero at u = 0, where they cancel exactly."""
        ns = namespace(value, self.logits)
        some, of_failures = value > 0, ns.of_known(self.failures).gammaln(self.failures)
        parts = ns.gammaln(value + self.failures), of_failures + zeros(value), ns.gammaln(value + 1.0)
        first, second, third = (ns.xp.where(some, part, 0.0) for part in parts)
        return first, second, third

    def log_base_measure(self, value: Array) -> Array:
        first, second, third = self._log_gammas(value)
        return first - second - third + zeros(self.logits)

    def expected_log_base_measure(self) -> Array:
        ns = namespace(self.logits)
        ns.approximate("negative binomial: E log h is a quadrature")
        xp = ns.xp
        odds = xp.exp(self.logits + xp.zeros_like(self.logits))
        if np.ndim(self.failures):
            weights, arguments = _rule_of(self.failures)
            failures = self.failures[..., None]
        else:
            weights, arguments = (xp.astype(xp.asarray(table), odds.dtype) for table in _rule(float(self.failures)))
            failures = self.failures
        return xp.sum(weights * -xp.expm1(-failures * xp.log1p(odds[..., None] * arguments)), axis=-1)

    def log_density(self, value: Array) -> Array:
        xp = namespace(value, self.logits).xp
        positive, _, tail = Bernoulli(self.logits)._tail()
        linear = xp.where(positive, -self.failures, value) * self.logits
        return linear - (value + self.failures) * xp.log1p(tail) + self.log_base_measure(value)

    def log_density_scale(self, value: Array) -> Array:
        xp = namespace(value, self.logits).xp
        first, second, third = self._log_gammas(value)
        # log Γ has roots, but its rounding has not
        log_gammas = xp.abs(first) + xp.abs(second) + third + xp.astype(value > 0, third.dtype)
        return xp.abs(self.log_density(value) - self.log_base_measure(value)) + log_gammas

    def entropy(self) -> Array:
        return self.pseudo_entropy() - self.expected_log_base_measure()

    def pseudo_entropy(self) -> Array:
        return self.log_partition() - self.natural_parameters()[0] * self.mean_statistics()[0]
