"""Geometric distribution of the number of failures, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace
from elbocheck.families.base import NaturalParameters, OneStatistic, Parts


@dataclass(frozen=True)
class Geometric(OneStatistic):
    """p(u) = (1 − π) π^u for u = 0, 1, 2, … with π = σ(ℓ).

    T(u) = u, η = log π, A(η) = −log(1 − e^η), h = 1.

    Shapes: `logits` ℓ (*batch,). As in `Bernoulli`, everything is written with e^−|ℓ| and log1p, so that probabilities
    and their derivatives keep their relative accuracy at saturated logits. Source: THEORY section 7, row EF mixtures.
    """

    logits: Array

    family: ClassVar[str] = "geometric"
    support: ClassVar[str] = "count"
    constant_base_measure: ClassVar[bool] = True
    parts: ClassVar[Parts] = Parts(saturates=True)

    def natural_parameters(self) -> NaturalParameters:
        xp = namespace(self.logits).xp
        positive, tail = self._tail()
        return (xp.where(positive, 0.0, self.logits) - xp.log1p(tail),)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        xp = namespace(*eta).xp
        return type(self)(eta[0] - xp.log(-xp.expm1(eta[0])))

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value,)

    def _tail(self) -> tuple[Array, Array]:
        """(whether ℓ > 0, e^−|ℓ|): derivatives of all orders hold at ℓ = 0 too."""
        ns = namespace(self.logits)
        xp, positive = ns.xp, ns.side(self.logits)
        return positive, xp.exp(xp.where(positive, -self.logits, self.logits))

    def log_partition(self) -> Array:
        xp = namespace(self.logits).xp
        positive, tail = self._tail()
        return xp.where(positive, self.logits, 0.0) + xp.log1p(tail)

    def mean_statistics(self) -> NaturalParameters:
        return (namespace(self.logits).xp.exp(self.logits),)

    def log_density(self, value: Array) -> Array:
        xp = namespace(self.logits, value).xp
        positive, tail = self._tail()
        return xp.where(positive, -1.0, value) * self.logits - (1.0 + value) * xp.log1p(tail)

    def log_density_scale(self, value: Array) -> Array:
        return namespace(self.logits, value).xp.abs(self.log_density(value))

    def entropy(self) -> Array:
        xp = namespace(self.logits).xp
        positive, tail = self._tail()
        odds = xp.exp(self.logits)
        return xp.where(positive, self.logits, -odds * self.logits) + (1.0 + odds) * xp.log1p(tail)
