"""Beta distribution, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.gamma import unit_rate_entropy


@dataclass(frozen=True)
class Beta:
    """p(u) = u^(a−1) (1 − u)^(b−1) / B(a, b) for 0 < u < 1.

    T(u) = (log u, log(1 − u)), η = (a − 1, b − 1), A = log Γ(a) + log Γ(b) − log Γ(a + b), h = 1.

    Shapes: `alpha` a, `beta` b (*batch,), broadcasting against each other. The entropy is G(a) + G(b) − G(a + b)
    − ψ(a + b) with the entropy G of a gamma distribution, which cancels less than the textbook form. Source: THEORY
    section 4 and section 7, row EF mixtures.
    """

    alpha: Array
    beta: Array

    family: ClassVar[str] = "beta"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "unit"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(statistics=("log u", "log (1 − u)"))

    def natural_parameters(self) -> NaturalParameters:
        return (self.alpha - 1.0 + zeros(self.beta), self.beta - 1.0 + zeros(self.alpha))

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(eta[0] + 1.0, eta[1] + 1.0)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        xp = namespace(value).xp
        return (xp.log(value), xp.log1p(-value))

    def log_partition(self) -> Array:
        gammaln = namespace(self.alpha, self.beta).gammaln
        return gammaln(self.alpha) + gammaln(self.beta) - gammaln(self.alpha + self.beta)

    def mean_statistics(self) -> NaturalParameters:
        digamma = namespace(self.alpha, self.beta).digamma
        total = digamma(self.alpha + self.beta)
        return (digamma(self.alpha) - total, digamma(self.beta) - total)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value, self.alpha, self.beta)

    def expected_log_base_measure(self) -> Array:
        return zeros(self.alpha, self.beta)

    def log_density(self, value: Array) -> Array:
        log_value, log_rest = self.sufficient_statistics(value)
        return (self.alpha - 1.0) * log_value + (self.beta - 1.0) * log_rest - self.log_partition()

    def log_density_scale(self, value: Array) -> Array:
        ns = namespace(self.alpha, self.beta, value)
        log_value, log_rest = self.sufficient_statistics(value)
        first = ns.xp.abs(self.alpha - 1.0) * (1.0 - log_value)
        second = ns.xp.abs(self.beta - 1.0) * (value / (1.0 - value) - log_rest)
        shapes = (self.alpha, self.beta, self.alpha + self.beta)
        return 1.0 + first + second + sum(ns.xp.abs(ns.gammaln(shape)) for shape in shapes)

    def entropy(self) -> Array:
        ns, total = namespace(self.alpha, self.beta), self.alpha + self.beta
        parts = unit_rate_entropy(self.alpha) + unit_rate_entropy(self.beta)
        return parts - unit_rate_entropy(total) - ns.digamma(total)

    def pseudo_entropy(self) -> Array:
        return self.entropy()

    def entropy_terms(self) -> dict[str, Array]:
        """The entropy as it is written out, log B(a, b) − (a − 1) ψ(a) − (b − 1) ψ(b) + (a + b − 2) ψ(a + b)."""
        ns, zero, total = namespace(self.alpha, self.beta), zeros(self.alpha, self.beta), self.alpha + self.beta
        return {
            "log Γ(a)": ns.gammaln(self.alpha) + zero,
            "log Γ(b)": ns.gammaln(self.beta) + zero,
            "log Γ(a + b)": -ns.gammaln(total),
            "(a − 1) ψ(a)": -(self.alpha - 1.0) * ns.digamma(self.alpha) + zero,
            "(b − 1) ψ(b)": -(self.beta - 1.0) * ns.digamma(self.beta) + zero,
            "(a + b − 2) ψ(a + b)": (total - 2.0) * ns.digamma(total),
        }
