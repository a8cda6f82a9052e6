"""Laplace distribution centred at zero, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace
from elbocheck.families.base import NaturalParameters, OneStatistic, Parts


@dataclass(frozen=True)
class Laplace(OneStatistic):
    """p(u) = exp(−|u| / b) / 2b.

    T(u) = |u|, η = −1/b, A(η) = log 2b, h = 1. The density depends on u through |u| alone, and its logarithm linearly,
    so that the value E|u| gives the expected log density. With a free location it is no exponential family.

    Shapes: `scale` b (*batch,). Source: THEORY section 7, rows EF mixtures and sparse coding.
    """

    scale: Array

    family: ClassVar[str] = "Laplace"
    support: ClassVar[str] = "real"
    powers: ClassVar[tuple[float, float]] = (1.0, 0.0)
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = 1
    parts: ClassVar[Parts] = Parts(log_two=True, statistics=("|u|",))

    def natural_parameters(self) -> NaturalParameters:
        return (-1.0 / self.scale,)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(-1.0 / eta[0])

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (namespace(value).xp.abs(value),)

    def log_partition(self) -> Array:
        return namespace(self.scale).xp.log(2.0 * self.scale)

    def mean_statistics(self) -> NaturalParameters:
        return (self.scale,)
