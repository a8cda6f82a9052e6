"""Weibull distribution whose shape is known, base measure not constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters


@dataclass(frozen=True)
class Weibull:
    """p(u) = k/λ · (u/λ)^(k−1) exp(−(u/λ)^k) for u > 0, k known.

    T(u) = u^k, η = −λ^(−k), A = k log λ − log k, h(u) = u^(k−1): **not** constant (unless k = 1, the exponential
    distribution). E log u = log λ − γ/k, γ Euler's constant. Source: THEORY section 7.

    Shapes: `scale` λ (*batch,), differentiated; `shape` k, a number or an array that broadcasts against it, a known
    constant that is never differentiated.
    """

    scale: Array
    shape: Array

    family: ClassVar[str] = "Weibull"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "positive"
    constant_base_measure: ClassVar[bool] = False
    scale_degree: ClassVar[int | None] = None

    def natural_parameters(self) -> NaturalParameters:
        return (-(self.scale ** (-self.shape)),)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)((-eta[0]) ** (-1.0 / self.shape), self.shape)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value**self.shape,)

    def log_partition(self) -> Array:
        ns = namespace(self.scale)
        return self.shape * ns.xp.log(self.scale) - ns.of_known(self.shape).xp.log(self.shape)

    def mean_statistics(self) -> NaturalParameters:
        return (self.scale**self.shape,)

    def log_base_measure(self, value: Array) -> Array:
        return (self.shape - 1.0) * namespace(value, self.scale).xp.log(value) + zeros(self.scale)

    def expected_log_base_measure(self) -> Array:
        ns = namespace(self.scale)
        return (self.shape - 1.0) * (ns.xp.log(self.scale) - ns.constants.euler_gamma / self.shape)

    def log_density(self, value: Array) -> Array:
        return self.log_base_measure(value) - (value / self.scale) ** self.shape - self.log_partition()

    def log_density_scale(self, value: Array) -> Array:
        ns = namespace(value, self.scale)
        xp, constants = ns.xp, ns.of_known(self.shape).xp
        from_base = abs(self.shape - 1.0) * (xp.abs(xp.log(value)) + 1.0)
        from_partition = self.shape * xp.abs(xp.log(self.scale)) + abs(constants.log(self.shape))
        return from_base + (1.0 + 2.0 * self.shape) * (value / self.scale) ** self.shape + from_partition

    def entropy(self) -> Array:
        ns = namespace(self.scale)
        log_shape = ns.of_known(self.shape).xp.log(self.shape)
        gamma = ns.constants.euler_gamma
        return ns.xp.log(self.scale) + (gamma - gamma / self.shape + 1.0 - log_shape)

    def pseudo_entropy(self) -> Array:
        return self.log_partition() + 1.0
