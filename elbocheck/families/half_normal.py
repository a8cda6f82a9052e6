"""Half-normal distribution, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace
from elbocheck.families.base import NaturalParameters, OneStatistic, Parts


@dataclass(frozen=True)
class HalfNormal(OneStatistic):
    """p(u) = 2 exp(−u² / 2v) / √(2πv) for u ≥ 0: the absolute value of a normal number of mean 0 and variance v.

    T(u) = u², η = −1/2v, A = ½ log 2πv − log 2, h = 1, E u² = v, H = A + ½. Source: the density of `Normal` at mean 0,
    doubled.

    Shapes: `variance` v (*batch,); v is that of the normal number, not of u, and has the unit of u².
    """

    variance: Array

    family: ClassVar[str] = "half-normal"
    support: ClassVar[str] = "nonnegative"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = 2
    powers: ClassVar[tuple[float, float]] = (2.0, 0.0)
    parts: ClassVar[Parts] = Parts(log_pi=True, gaussian="u")

    def natural_parameters(self) -> NaturalParameters:
        return (-0.5 / self.variance,)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(-0.5 / eta[0])

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value * value,)

    def log_partition(self) -> Array:
        ns = namespace(self.variance)
        return 0.5 * (ns.constants.log_2pi + ns.xp.log(self.variance)) - ns.constants.log_2

    def mean_statistics(self) -> NaturalParameters:
        return (self.variance,)

    def entropy(self) -> Array:
        return self.log_partition() + 0.5

    def pseudo_entropy(self) -> Array:
        return self.entropy()
