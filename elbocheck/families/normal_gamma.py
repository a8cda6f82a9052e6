"""Normal–gamma distribution of a mean and a precision, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.gamma import Gamma


def _member(rng: np.random.Generator, batch: tuple[int, ...], length: int) -> Any:
    mean, (count, shape, rate) = rng.normal(size=batch), np.exp(0.5 * rng.normal(size=(3, *batch)))
    return NormalGamma(mean, count, 2.0 * shape, rate)


def _values(rng: np.random.Generator, member: Any, shape: tuple[int, ...]) -> np.ndarray:
    precision = np.maximum(rng.gamma(member.shape, 1.0 / member.rate, size=shape), 1e-6)
    return np.stack([rng.normal(member.mean, (member.count * precision) ** -0.5), precision], axis=-1)


@dataclass(frozen=True)
class NormalGamma:
    """p(μ, τ) = N(μ | m, 1/κτ) Gamma(τ | a, b): the conjugate prior of a normal distribution's mean and precision.

    T = (log τ, τ, τμ, τμ²), η = (a − ½, −b − ½κm², κm, −½κ), h = 1,
    A = log Γ(a) − a log b + ½ log 2π − ½ log κ; E T = (ψ(a) − log b, a/b, ma/b, 1/κ + m²a/b). The entropy is that of
    the gamma distribution plus ½ log 2πe/κ − ½ E log τ. E log N(x | μ, 1/τ) is linear in T, with the coefficients
    (½, −½x², x, −½) and the constant −½ log 2π: see `expected_log_density`. Source: K. P. Murphy, Conjugate Bayesian
    analysis of the Gaussian distribution (2007), section 3.

    Shapes: `mean` m, `count` κ, `shape` a, `rate` b (*batch,), broadcasting against each other; values (*batch, 2) are
    pairs (μ, τ). m has the unit of the data, b its square, κ counts data.
    """

    mean: Array
    count: Array
    shape: Array
    rate: Array

    family: ClassVar[str] = "normal-gamma"
    event_ndim: ClassVar[int] = 1
    support: ClassVar[str] = "mean and precision"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(log_pi=True, statistics=("log τ", "τ", "τ μ", "τ μ²"))
    recipe: ClassVar[Any] = (_member, _values)

    @property
    def _precision(self) -> Gamma:
        """That of τ, (*batch,)."""
        zero = zeros(self.mean, self.count, self.shape, self.rate)
        return Gamma(self.shape + zero, self.rate + zero)

    def natural_parameters(self) -> NaturalParameters:
        zero, pull = zeros(self.mean, self.count, self.shape, self.rate), self.count * self.mean
        return (
            self.shape - 0.5 + zero,
            -self.rate - 0.5 * pull * self.mean + zero,
            pull + zero,
            -0.5 * self.count + zero,
        )

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        count = -2.0 * eta[3]
        mean = eta[2] / count
        return type(self)(mean, count, eta[0] + 0.5, -eta[1] - 0.5 * eta[2] * mean)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        mean, precision = value[..., 0], value[..., 1]
        return (namespace(value).xp.log(precision), precision, precision * mean, precision * mean * mean)

    def log_partition(self) -> Array:
        ns = namespace(self.count, self.mean)
        return self._precision.log_partition() + 0.5 * (ns.constants.log_2pi - ns.xp.log(self.count))

    def mean_statistics(self) -> NaturalParameters:
        log_precision, precision = self._precision.mean_statistics()
        return (log_precision, precision, self.mean * precision, 1.0 / self.count + self.mean * self.mean * precision)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value[..., 0], self.mean, self.count, self.shape, self.rate)

    def expected_log_base_measure(self) -> Array:
        return zeros(self.mean, self.count, self.shape, self.rate)

    def log_density(self, value: Array) -> Array:
        ns = namespace(self.mean, self.count, value)
        precision, off = value[..., 1], value[..., 0] - self.mean
        scaled = self.count * precision
        of_mean = 0.5 * (ns.xp.log(scaled) - ns.constants.log_2pi - scaled * off * off)
        return of_mean + self._precision.log_density(precision)

    def log_density_scale(self, value: Array) -> Array:
        ns = namespace(self.mean, self.count, value)
        xp, scaled = ns.xp, self.count * value[..., 1]
        away, size = xp.abs(value[..., 0] - self.mean), xp.abs(value[..., 0]) + xp.abs(self.mean)
        of_mean = 2.0 + 0.5 * xp.abs(xp.log(scaled)) + scaled * away * (away + size)
        return of_mean + self._precision.log_density_scale(value[..., 1])

    def entropy(self) -> Array:
        ns = namespace(self.mean, self.count)
        log_precision, _ = self._precision.mean_statistics()
        of_mean = 0.5 * (1.0 + ns.constants.log_2pi - ns.xp.log(self.count) - log_precision)
        return self._precision.entropy() + of_mean

    def pseudo_entropy(self) -> Array:
        return self.entropy()

    def entropy_terms(self) -> dict[str, Array]:
        """The entropy as it is written out: that of the gamma distribution, + ½ log 2πe − ½ log κ − ½ E log τ."""
        ns = namespace(self.mean, self.count)
        zero = zeros(self.mean, self.count, self.shape, self.rate)
        log_precision, _ = self._precision.mean_statistics()
        return {
            **self._precision.entropy_terms(),
            "½ log 2πe": zero + 0.5 * (1.0 + ns.constants.log_2pi),
            "½ log κ": zero - 0.5 * ns.xp.log(self.count),
            "½ E log τ": zero - 0.5 * log_precision,
        }
