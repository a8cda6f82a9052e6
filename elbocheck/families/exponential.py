"""Exponential distribution, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace
from elbocheck.families.base import NaturalParameters, OneStatistic


@dataclass(frozen=True)
class Exponential(OneStatistic):
    """p(u) = b exp(−b u) for u ≥ 0.

    T(u) = u, η = −b, A(η) = −log b, h = 1.

    Shapes: `rate` b (*batch,). Source: THEORY section 7, row EF mixtures.
    """

    rate: Array

    family: ClassVar[str] = "exponential"
    support: ClassVar[str] = "nonnegative"
    powers: ClassVar[tuple[float, float]] = (1.0, 0.0)
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = 1

    def natural_parameters(self) -> NaturalParameters:
        return (-self.rate,)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(-eta[0])

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value,)

    def log_partition(self) -> Array:
        return -namespace(self.rate).xp.log(self.rate)

    def mean_statistics(self) -> NaturalParameters:
        return (1.0 / self.rate,)
