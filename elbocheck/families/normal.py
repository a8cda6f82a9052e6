"""Normal distribution with mean and variance both free, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts


@dataclass(frozen=True)
class Normal:
    """p(u) = exp(−(u − m)² / 2v) / √(2πv).

    T(u) = (u, u²), η = (m/v, −1/2v), A = m²/2v + ½ log 2πv, h = 1.

    Shapes: `mean`, `variance` (*batch,), broadcasting against each other. With the variance *known* instead of free
    the base measure is not constant (THEORY section 4): that would be another family.
    """

    mean: Array
    variance: Array

    family: ClassVar[str] = "normal"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "real"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = 2
    parts: ClassVar[Parts] = Parts(log_pi=True, gaussian="u", mean_and_variance=True, statistics=("u", "u²"))

    def natural_parameters(self) -> NaturalParameters:
        mean_times_precision = self.mean / self.variance
        return (mean_times_precision, -0.5 / self.variance + zeros(mean_times_precision))

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        mean_times_precision, negative_half_precision = eta
        variance = -0.5 / negative_half_precision
        return type(self)(mean_times_precision * variance, variance)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value, value * value)

    def log_partition(self) -> Array:
        ns = namespace(self.mean, self.variance)
        return 0.5 * (self.mean * self.mean / self.variance + ns.constants.log_2pi + ns.xp.log(self.variance))

    def mean_statistics(self) -> NaturalParameters:
        mean = self.mean + zeros(self.variance)
        return (mean, mean * mean + self.variance)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value, self.mean, self.variance)

    def expected_log_base_measure(self) -> Array:
        return zeros(self.mean, self.variance)

    def log_density(self, value: Array) -> Array:
        ns = namespace(self.mean, self.variance, value)
        deviation = value - self.mean
        per_variance, constant = -0.5 / self.variance, -0.5 * (ns.constants.log_2pi + ns.xp.log(self.variance))
        return deviation * deviation * per_variance + constant  # few operations on what may be large

    def log_density_scale(self, value: Array) -> Array:
        xp = namespace(self.mean, self.variance, value).xp
        pull = xp.abs(value - self.mean) / self.variance
        return xp.abs(self.log_density(value)) + pull * (xp.abs(value) + xp.abs(self.mean))

    def entropy(self) -> Array:
        ns = namespace(self.mean, self.variance)
        return 0.5 * (ns.constants.log_2pi + 1.0 + ns.xp.log(self.variance)) + zeros(self.mean)

    def pseudo_entropy(self) -> Array:
        return self.entropy()
