"""Gamma distribution with shape and rate both free, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts

SWITCH = 10.0
"""Shapes below use the textbook entropy, shapes above Stirling's series."""
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)
"""B_2, B_4, …, B_18; the first neglected term at the switch is below 1e-17."""


def unit_rate_entropy(shape: Array) -> Array:
    """Entropy G(a) = a + log Γ(a) + (1 − a) ψ(a) of the gamma distribution with shape a and rate 1.

    Large shapes: G(a) = ½ log 2πe/a + ψ(a) + Σ_k B_2k / (2k − 1) a^(1−2k), without terms larger than log a. Entropies
    of beta and Dirichlet distributions are made of it.
    """
    ns = namespace(shape)
    if ns.rigorous:
        return shape + ns.gammaln(shape) + (1.0 - shape) * ns.digamma(shape)
    small = shape < SWITCH
    low, high = ns.xp.where(small, shape, 1.0), ns.xp.where(small, SWITCH, shape)
    digamma = ns.digamma(shape)
    inverse_square = 1.0 / (high * high)
    series = zeros(high)
    for k in range(len(BERNOULLI), 0, -1):
        series = series * inverse_square + BERNOULLI[k - 1] / (2 * k - 1)
    stirling = 0.5 * (ns.constants.log_2pi + 1.0 - ns.xp.log(high)) + digamma + series / high
    return ns.xp.where(small, low + ns.gammaln(low) + (1.0 - low) * digamma, stirling)


@dataclass(frozen=True)
class Gamma:
    """p(u) = b^a u^(a−1) exp(−b u) / Γ(a) for u > 0.

    T(u) = (log u, u), η = (a − 1, −b), A = log Γ(a) − a log b, h = 1.

    Shapes: `shape` a, `rate` b (*batch,), broadcasting against each other. With the shape *known* the base measure is
    not constant: that is another family. Source: THEORY section 4 and section 7, row EF mixtures.
    """

    shape: Array
    rate: Array

    family: ClassVar[str] = "gamma"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "positive"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(statistics=("log u", "u"))

    def natural_parameters(self) -> NaturalParameters:
        return (self.shape - 1.0 + zeros(self.rate), -self.rate + zeros(self.shape))

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(eta[0] + 1.0, -eta[1])

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (namespace(value).xp.log(value), value)

    def log_partition(self) -> Array:
        ns = namespace(self.shape, self.rate)
        return ns.gammaln(self.shape) - self.shape * ns.xp.log(self.rate)

    def mean_statistics(self) -> NaturalParameters:
        ns = namespace(self.shape, self.rate)
        return (ns.digamma(self.shape) - ns.xp.log(self.rate), self.shape / self.rate)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value, self.shape, self.rate)

    def expected_log_base_measure(self) -> Array:
        return zeros(self.shape, self.rate)

    def log_density(self, value: Array) -> Array:
        ns = namespace(self.shape, self.rate, value)
        scaled = self.rate * value
        return self.shape * ns.xp.log(scaled) - ns.xp.log(value) - scaled - ns.gammaln(self.shape)

    def log_density_scale(self, value: Array) -> Array:
        ns = namespace(self.shape, self.rate, value)
        scaled = self.rate * value
        power = self.shape * (1.0 + ns.xp.abs(ns.xp.log(scaled)))
        return 1.0 + power + ns.xp.abs(ns.xp.log(value)) + 2.0 * scaled + ns.xp.abs(ns.gammaln(self.shape))

    def entropy(self) -> Array:
        return unit_rate_entropy(self.shape) - namespace(self.shape, self.rate).xp.log(self.rate)

    def pseudo_entropy(self) -> Array:
        return self.entropy()

    def entropy_terms(self) -> dict[str, Array]:
        """The entropy as it is written out, a − log b + log Γ(a) + (1 − a) ψ(a)."""
        ns, zero = namespace(self.shape, self.rate), zeros(self.shape, self.rate)
        return {
            "the shape a": self.shape + zero,
            "log b": zero - ns.xp.log(self.rate),
            "log Γ(a)": ns.gammaln(self.shape) + zero,
            "(1 − a) ψ(a)": (1.0 - self.shape) * ns.digamma(self.shape) + zero,
        }
