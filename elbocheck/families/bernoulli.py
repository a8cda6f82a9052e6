"""Bernoulli distribution, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace
from elbocheck.families.base import NaturalParameters


@dataclass(frozen=True)
class Bernoulli:
    """p(u) = σ(η)^u (1 − σ(η))^(1−u) for u in {0, 1}.

    T(u) = u, A(η) = log(1 + e^η), h = 1.

    Shapes: `logits` (*batch,). All logarithms are taken in log space (log σ(η) = −softplus(−η)), so saturated logits
    keep their relative accuracy. Source: any text on exponential families; THEORY section 7, row SBN.
    """

    logits: Array

    family: ClassVar[str] = "Bernoulli"
    event_ndim: ClassVar[int] = 0
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None

    def natural_parameters(self) -> NaturalParameters:
        return (self.logits,)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(eta[0])

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value,)

    def log_partition(self) -> Array:
        return namespace(self.logits).softplus(self.logits)

    def mean_statistics(self) -> NaturalParameters:
        return (namespace(self.logits).expit(self.logits),)

    def log_base_measure(self, value: Array) -> Array:
        return 0.0 * (value + self.logits)

    def expected_log_base_measure(self) -> Array:
        return 0.0 * self.logits

    def log_density(self, value: Array) -> Array:
        ns = namespace(self.logits, value)
        return -(value * ns.softplus(-self.logits) + (1.0 - value) * ns.softplus(self.logits))

    def entropy(self) -> Array:
        ns = namespace(self.logits)
        one, zero = ns.expit(self.logits), ns.expit(-self.logits)
        return one * ns.softplus(-self.logits) + zero * ns.softplus(self.logits)

    def pseudo_entropy(self) -> Array:
        return self.entropy()
