"""Inverse gamma distribution with shape and rate both free, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.gamma import unit_rate_entropy


@dataclass(frozen=True)
class InverseGamma:
    """p(u) = b^a u^(−a−1) exp(−b/u) / Γ(a) for u > 0: 1/u has a gamma distribution of shape a and rate b.

    T(u) = (log u, 1/u), η = (−a − 1, −b), A = log Γ(a) − a log b, h = 1. E log u = log b − ψ(a), E 1/u = a/b. The
    entropy is that of the gamma distribution with rate 1, plus log b − 2 ψ(a). Source: the density of `Gamma` at 1/u,
    divided by u².

    Shapes: `shape` a, `rate` b (*batch,), broadcasting against each other; b has the unit of u.
    """

    shape: Array
    rate: Array

    family: ClassVar[str] = "inverse gamma"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "positive"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(statistics=("log u", "1 / u"))

    def natural_parameters(self) -> NaturalParameters:
        return (-self.shape - 1.0 + zeros(self.rate), -self.rate + zeros(self.shape))

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(-eta[0] - 1.0, -eta[1])

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (namespace(value).xp.log(value), 1.0 / value)

    def log_partition(self) -> Array:
        ns = namespace(self.shape, self.rate)
        return ns.gammaln(self.shape) - self.shape * ns.xp.log(self.rate)

    def mean_statistics(self) -> NaturalParameters:
        ns = namespace(self.shape, self.rate)
        return (ns.xp.log(self.rate) - ns.digamma(self.shape), self.shape / self.rate)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value, self.shape, self.rate)

    def expected_log_base_measure(self) -> Array:
        return zeros(self.shape, self.rate)

    def log_density(self, value: Array) -> Array:
        ns = namespace(self.shape, self.rate, value)
        scaled = self.rate / value
        return self.shape * ns.xp.log(scaled) - ns.xp.log(value) - scaled - ns.gammaln(self.shape)

    def log_density_scale(self, value: Array) -> Array:
        ns = namespace(self.shape, self.rate, value)
        scaled = self.rate / value
        power = self.shape * (1.0 + ns.xp.abs(ns.xp.log(scaled)))
        return 1.0 + power + ns.xp.abs(ns.xp.log(value)) + 2.0 * scaled + ns.xp.abs(ns.gammaln(self.shape))

    def entropy(self) -> Array:
        ns = namespace(self.shape, self.rate)
        return unit_rate_entropy(self.shape) - 2.0 * ns.digamma(self.shape) + ns.xp.log(self.rate)

    def pseudo_entropy(self) -> Array:
        return self.entropy()

    def entropy_terms(self) -> dict[str, Array]:
        """The entropy as it is written out, a + log b + log Γ(a) − (1 + a) ψ(a)."""
        ns, zero = namespace(self.shape, self.rate), zeros(self.shape, self.rate)
        return {
            "the shape a": self.shape + zero,
            "log b": zero + ns.xp.log(self.rate),
            "log Γ(a)": ns.gammaln(self.shape) + zero,
            "(1 + a) ψ(a)": -(1.0 + self.shape) * ns.digamma(self.shape) + zero,
        }
