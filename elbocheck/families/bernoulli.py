"""Bernoulli distribution, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts


@dataclass(frozen=True)
class Bernoulli:
    """p(u) = σ(η)^u (1 − σ(η))^(1−u) for u in {0, 1}.

    T(u) = u, A(η) = log(1 + e^η), h = 1.

    Shapes: `logits` (*batch,). Everything is written with e^−|η| and log1p, so that probabilities, log probabilities
    and their derivatives keep their relative accuracy at saturated logits. Source: any text on exponential families;
    THEORY section 7, row SBN.
    """

    logits: Array

    family: ClassVar[str] = "Bernoulli"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "binary"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(states="binary", saturates=True)

    def natural_parameters(self) -> NaturalParameters:
        return (self.logits,)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(eta[0])

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value,)

    def _tail(self) -> tuple[Array, Array, Array]:
        """(whether η > 0, −|η|, e^−|η|): what every result is made of; derivatives of all orders hold at η = 0 too."""
        ns = namespace(self.logits)
        xp, positive = ns.xp, ns.side(self.logits)
        exponent = xp.where(positive, -self.logits, self.logits)
        return positive, exponent, xp.exp(exponent)

    def log_partition(self) -> Array:
        xp = namespace(self.logits).xp
        positive, _, tail = self._tail()
        return xp.where(positive, self.logits, 0.0) + xp.log1p(tail)

    def mean_statistics(self) -> NaturalParameters:
        xp = namespace(self.logits).xp
        positive, _, tail = self._tail()
        return (xp.where(positive, 1.0, tail) / (1.0 + tail),)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value, self.logits)

    def expected_log_base_measure(self) -> Array:
        return zeros(self.logits)

    def log_density(self, value: Array) -> Array:
        xp = namespace(self.logits, value).xp
        positive, _, tail = self._tail()
        return (value - xp.astype(positive, tail.dtype)) * self.logits - xp.log1p(tail)

    def log_density_scale(self, value: Array) -> Array:
        return namespace(self.logits, value).xp.abs(self.log_density(value))

    def entropy(self) -> Array:
        xp = namespace(self.logits).xp
        _, exponent, tail = self._tail()
        return xp.log1p(tail) - exponent * tail / (1.0 + tail)

    def pseudo_entropy(self) -> Array:
        return self.entropy()
