"""Log-normal distribution, base measure not constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.normal import Normal


@dataclass(frozen=True)
class LogNormal:
    """p(u) = exp(−(log u − m)² / 2v) / (u √(2πv)) for u > 0: log u is normal with mean m and variance v.

    T(u) = (log u, log² u), η = (m/v, −1/2v), A = m²/2v + ½ log 2πv, h(u) = 1/u: **not** constant, E log h = −m.
    Source: THEORY section 7.

    Shapes: `mean`, `variance` (*batch,), broadcasting against each other.
    """

    mean: Array
    variance: Array

    family: ClassVar[str] = "log-normal"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "positive"
    constant_base_measure: ClassVar[bool] = False
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(
        log_pi=True, gaussian="log u", mean_and_variance=True, statistics=("log u", "(log u)²")
    )

    def _normal(self) -> Normal:
        return Normal(self.mean, self.variance)

    def natural_parameters(self) -> NaturalParameters:
        return self._normal().natural_parameters()

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        normal = self._normal().with_natural_parameters(eta)
        return type(self)(normal.mean, normal.variance)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return self._normal().sufficient_statistics(namespace(value, self.mean, self.variance).xp.log(value))

    def log_partition(self) -> Array:
        return self._normal().log_partition()

    def mean_statistics(self) -> NaturalParameters:
        return self._normal().mean_statistics()

    def log_base_measure(self, value: Array) -> Array:
        return zeros(self.mean, self.variance) - namespace(value, self.mean, self.variance).xp.log(value)

    def expected_log_base_measure(self) -> Array:
        return zeros(self.variance) - self.mean

    def log_density(self, value: Array) -> Array:
        log_value = namespace(value, self.mean, self.variance).xp.log(value)
        return self._normal().log_density(log_value) - log_value

    def log_density_scale(self, value: Array) -> Array:
        xp = namespace(value, self.mean, self.variance).xp
        log_value = xp.log(value)
        slope = 1.0 + xp.abs(log_value - self.mean) / self.variance
        return self._normal().log_density_scale(log_value) + xp.abs(log_value) + slope

    def entropy(self) -> Array:
        return self._normal().entropy() + self.mean

    def pseudo_entropy(self) -> Array:
        return self._normal().entropy()

    def entropy_terms(self) -> dict[str, Array]:
        """The entropy as it is written out, ½ log 2πe + ½ log σ² + μ."""
        ns, zero = namespace(self.mean, self.variance), zeros(self.mean, self.variance)
        return {
            "μ (the Jacobian)": self.mean + zero,
            "½ log σ²": 0.5 * ns.xp.log(self.variance) + zero,
            "½ log 2πe": 0.5 * (1.0 + ns.constants.log_2pi) + zero,
        }
