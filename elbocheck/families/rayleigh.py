"""Rayleigh distribution, base measure not constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, OneStatistic


@dataclass(frozen=True)
class Rayleigh(OneStatistic):
    """p(u) = u/v · exp(−u² / 2v) for u > 0: the length of a two-dimensional normal vector of variance v.

    T(u) = u², η = −1/2v, A = log v, h(u) = u: **not** constant. E log u = ½ (log 2v − γ), γ Euler's constant.
    Source: THEORY section 7.

    Shapes: `variance` v (*batch,).
    """

    variance: Array

    family: ClassVar[str] = "Rayleigh"
    support: ClassVar[str] = "positive"
    powers: ClassVar[tuple[float, float]] = (2.0, 1.0)

    def natural_parameters(self) -> NaturalParameters:
        return (-0.5 / self.variance,)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(-0.5 / eta[0])

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value * value,)

    def log_partition(self) -> Array:
        return namespace(self.variance).xp.log(self.variance)

    def mean_statistics(self) -> NaturalParameters:
        return (2.0 * self.variance,)

    def log_base_measure(self, value: Array) -> Array:
        return namespace(value, self.variance).xp.log(value) + zeros(self.variance)

    def expected_log_base_measure(self) -> Array:
        constants = namespace(self.variance).constants
        return 0.5 * (self.log_partition() + (constants.log_2 - constants.euler_gamma))

    def entropy(self) -> Array:
        constants = namespace(self.variance).constants
        return 0.5 * self.log_partition() + (1.0 + 0.5 * constants.euler_gamma - 0.5 * constants.log_2)

    def pseudo_entropy(self) -> Array:
        return self.log_partition() + 1.0
