"""Pareto distribution with known minimum, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters


@dataclass(frozen=True)
class Pareto:
    """p(u) = a m^a / u^(a+1) for u ≥ m.

    T(u) = log u, η = −(a + 1), A(η) = −log a − a log m, h = 1.

    Shapes: `shape` a (*batch,); `minimum` m > 0, a known constant, broadcasting against it. Source: THEORY section 7,
    row EF mixtures.
    """

    shape: Array
    minimum: Array

    family: ClassVar[str] = "Pareto"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "positive"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None

    def natural_parameters(self) -> NaturalParameters:
        return (-1.0 - self.shape,)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(-1.0 - eta[0], self.minimum)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (namespace(value).xp.log(value),)

    def log_partition(self) -> Array:
        xp = namespace(self.shape, self.minimum).xp
        return -xp.log(self.shape) - self.shape * self._log_minimum()

    def mean_statistics(self) -> NaturalParameters:
        return (self._log_minimum() + 1.0 / self.shape,)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value, self.shape, self.minimum)

    def expected_log_base_measure(self) -> Array:
        return zeros(self.shape, self.minimum)

    def _log_minimum(self) -> Array:
        """log m of a known constant."""
        return namespace(self.shape).of_known(self.minimum).xp.log(self.minimum)

    def _log_ratio(self, value: Array) -> Array:
        """log(u/m), accurate for u near m."""
        return namespace(value, self.minimum).xp.log1p((value - self.minimum) / self.minimum)

    def log_density(self, value: Array) -> Array:
        xp = namespace(self.shape, self.minimum, value).xp
        return xp.log(self.shape) - self._log_minimum() - (self.shape + 1.0) * self._log_ratio(value)

    def log_density_scale(self, value: Array) -> Array:
        xp = namespace(self.shape, self.minimum, value).xp
        logs = xp.abs(xp.log(self.shape)) + abs(self._log_minimum())
        return logs + (self.shape + 1.0) * (1.0 + self._log_ratio(value))

    def entropy(self) -> Array:
        xp = namespace(self.shape, self.minimum).xp
        return self._log_minimum() - xp.log(self.shape) + 1.0 / self.shape + 1.0

    def pseudo_entropy(self) -> Array:
        return self.entropy()
