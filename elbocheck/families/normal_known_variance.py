"""Normal distribution whose variance is known: with only the mean free, the base measure is not constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.normal import Normal


@dataclass(frozen=True)
class NormalKnownVariance:
    """p(u) = exp(−(u − m)² / 2v) / √(2πv), v known.

    T(u) = u, η = m/v, A = m²/2v, log h(u) = −u²/2v − ½ log 2πv: **not** constant. Source: THEORY sections 4 and 7.

    Shapes: `mean` (*batch,), differentiated; `variance` a number or an array that broadcasts against it, a known
    constant that is never differentiated.
    """

    mean: Array
    variance: Array

    family: ClassVar[str] = "normal, known variance"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "real"
    constant_base_measure: ClassVar[bool] = False
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(log_pi=True, gaussian="u", mean_and_variance=True)

    def natural_parameters(self) -> NaturalParameters:
        return (self.mean / self.variance,)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(eta[0] * self.variance, self.variance)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value,)

    def log_partition(self) -> Array:
        return 0.5 * self.mean * self.mean / self.variance

    def mean_statistics(self) -> NaturalParameters:
        return (self.mean + zeros(self.variance),)

    def log_base_measure(self, value: Array) -> Array:
        ns = namespace(self.mean, value)
        log_variance = ns.xp.log(self.variance + zeros(self.mean))
        return -0.5 * (value * value / self.variance + ns.constants.log_2pi + log_variance)

    def expected_log_base_measure(self) -> Array:
        return -self.log_partition() - self.entropy()

    def log_density(self, value: Array) -> Array:
        return Normal(self.mean, self.variance + zeros(self.mean)).log_density(value)

    def log_density_scale(self, value: Array) -> Array:
        return Normal(self.mean, self.variance + zeros(self.mean)).log_density_scale(value)

    def entropy(self) -> Array:
        return Normal(self.mean, self.variance + zeros(self.mean)).entropy()

    def pseudo_entropy(self) -> Array:
        return -self.log_partition()
