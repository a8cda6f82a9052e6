"""Inverse Gaussian distribution, base measure not constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts

STEP = 3 / 16
"""Of the trapezoidal rule in log t: its error is exp(−2π · (π/2) / STEP) < 1e-22, as e^(−t) bounds the strip."""
FIRST, LAST = -42.0, 4.0
"""Range of log t: t e^(−t) < 1e-18 below, < 1e-21 above."""

_NODES = np.exp(FIRST + STEP * np.arange(round((LAST - FIRST) / STEP)))
_WEIGHTS = STEP * _NODES * np.exp(-_NODES)


def scaled_exponential_integral(x: Array) -> Array:
    """e^x E₁(x) = ∫₀^∞ e^(−t) log(1 + t/x) dt for x > 0, to a few eps, relative, for x from 1e-250 to 1e250.

    No term cancels, unlike in a series, and e^x does not overflow.
    """
    ns = namespace(x)
    ns.approximate("inverse Gaussian: E log u is a quadrature")
    xp, x = ns.xp, x + ns.xp.zeros_like(x)
    nodes, weights = (xp.astype(xp.asarray(table), x.dtype) for table in (_NODES, _WEIGHTS))
    return xp.sum(weights * xp.log1p(nodes / x[..., None]), axis=-1)


@dataclass(frozen=True)
class InverseGaussian:
    """p(u) = √(λ / 2πu³) exp(−λ (u − μ)² / 2μ²u) for u > 0.

    T(u) = (u, 1/u), η = (−λ/2μ², −λ/2), A = ½ log 2π − ½ log λ − λ/μ, h(u) = u^(−3/2): **not** constant.
    E log u = log μ − e^x E₁(x), x = 2λ/μ. Source: THEORY section 7; for E log u, integrate by parts.

    Shapes: `mean` μ, `shape` λ (*batch,), broadcasting against each other.
    """

    mean: Array
    shape: Array

    family: ClassVar[str] = "inverse Gaussian"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "positive"
    constant_base_measure: ClassVar[bool] = False
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(log_pi=True)

    def natural_parameters(self) -> NaturalParameters:
        return (-0.5 * self.shape / (self.mean * self.mean), -0.5 * self.shape + zeros(self.mean))

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        first, second = eta
        return type(self)(namespace(first).xp.sqrt(second / first), -2.0 * second)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value, 1.0 / value)

    def log_partition(self) -> Array:
        ns = namespace(self.mean, self.shape)
        return 0.5 * (ns.constants.log_2pi - ns.xp.log(self.shape)) - self.shape / self.mean

    def mean_statistics(self) -> NaturalParameters:
        return (self.mean + zeros(self.shape), 1.0 / self.mean + 1.0 / self.shape)

    def log_base_measure(self, value: Array) -> Array:
        return -1.5 * namespace(value, self.mean, self.shape).xp.log(value) + zeros(self.mean, self.shape)

    def expected_log_base_measure(self) -> Array:
        xp = namespace(self.mean, self.shape).xp
        return 1.5 * (scaled_exponential_integral(2.0 * self.shape / self.mean) - xp.log(self.mean))

    def log_density(self, value: Array) -> Array:
        ns = namespace(value, self.mean, self.shape)
        deviation = value / self.mean - 1.0  # not (u − μ)/μ, whose derivatives cancel where u is far below μ
        logs = ns.xp.log(self.shape) - ns.constants.log_2pi - 3.0 * ns.xp.log(value)
        return 0.5 * (logs - self.shape * deviation * deviation / value)

    def log_density_scale(self, value: Array) -> Array:
        ns = namespace(value, self.mean, self.shape)
        xp, ratio = ns.xp, value / self.mean
        from_square = self.shape * xp.abs(ratio - 1.0) * (ratio + 1.0) / value
        logs = ns.constants.log_2pi + xp.abs(xp.log(self.shape)) + 3.0 * (1.0 + xp.abs(xp.log(value)))
        return from_square + 0.5 * logs

    def entropy(self) -> Array:
        return self.pseudo_entropy() - self.expected_log_base_measure()

    def pseudo_entropy(self) -> Array:
        ns = namespace(self.mean, self.shape)
        return 0.5 * (ns.constants.log_2pi + 1.0 - ns.xp.log(self.shape)) + zeros(self.mean)
