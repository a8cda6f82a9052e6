"""Gamma distribution whose shape is known: with only the rate free, the base measure is not constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, OneStatistic


@dataclass(frozen=True)
class GammaKnownShape(OneStatistic):
    """p(u) = b^a u^(a−1) e^(−b u) / Γ(a) for u > 0, a known.

    T(u) = u, η = −b, A = log Γ(a) − a log b, h(u) = u^(a−1): **not** constant. E log u = ψ(a) − log b.
    Source: THEORY sections 4 and 7.

    Shapes: `rate` b (*batch,), differentiated; `shape` a, a number or an array that broadcasts against it, a known
    constant that is never differentiated (log Γ(a) and ψ(a) are constants for the compiler).
    """

    rate: Array
    shape: Array

    family: ClassVar[str] = "gamma, known shape"
    support: ClassVar[str] = "positive"

    def natural_parameters(self) -> NaturalParameters:
        return (-self.rate + zeros(self.shape),)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(-eta[0], self.shape)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value,)

    def log_partition(self) -> Array:
        ns = namespace(self.rate)
        return ns.of_known(self.shape).gammaln(self.shape) - self.shape * ns.xp.log(self.rate)

    def mean_statistics(self) -> NaturalParameters:
        return (self.shape / self.rate,)

    def log_base_measure(self, value: Array) -> Array:
        return (self.shape - 1.0) * namespace(value, self.rate).xp.log(value) + zeros(self.rate)

    def expected_log_base_measure(self) -> Array:
        ns = namespace(self.rate)
        return (self.shape - 1.0) * (ns.of_known(self.shape).digamma(self.shape) - ns.xp.log(self.rate))

    def log_density_scale(self, value: Array) -> Array:
        ns = namespace(value, self.rate)
        xp, constants = ns.xp, ns.of_known(self.shape)
        from_base = abs(self.shape - 1.0) * (xp.abs(xp.log(value)) + 1.0)
        from_partition = self.shape * xp.abs(xp.log(self.rate)) + abs(constants.gammaln(self.shape))
        return from_base + 2.0 * self.rate * value + from_partition

    def pseudo_entropy(self) -> Array:
        return self.log_partition() + self.shape
