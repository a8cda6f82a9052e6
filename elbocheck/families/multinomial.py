"""Multinomial distribution, base measure not constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.binomial import count_tables, expectation
from elbocheck.families.categorical import Categorical

LOG_ZERO = -1e4
"""Stands for log 0 where a factor 0 must not make it NaN; exp of it is 0."""


@dataclass(frozen=True)
class Multinomial:
    """p(u) = n! / Π_d u_d! · Π_d p_d^u_d for counts u with Σ_d u_d = n, p = softmax(η), n known.

    T(u) = u, A(η) = n log Σ_d exp(η_d), log h(u) = log n! − Σ_d log u_d!: **not** constant for n > 1. Adding a constant
    to all logits changes nothing (a gauge direction).

    E log h = E log n!/u_t! − Σ_(d≠t) E log u_d! with the most probable category t, where little cancels; each u_d is
    binomial(n, p_d), and the expectations are summed over its n + 1 values. Source: THEORY section 7.

    Shapes: `logits` (*batch, D), differentiated, values (*batch, D); `trials` n, an integer, a known constant. `where`
    (D,) boolean: the categories that exist; the others have probability zero and do not count.
    """

    logits: Array
    trials: int
    where: Array | None = None

    family: ClassVar[str] = "multinomial"
    event_ndim: ClassVar[int] = 1
    support: ClassVar[str] = "counts"
    constant_base_measure: ClassVar[bool] = False
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(saturates=True)

    def _categorical(self) -> Categorical:
        return Categorical(self.logits, self.where)

    def natural_parameters(self) -> NaturalParameters:
        return self._categorical().natural_parameters()

    def without_gauge(self, eta: NaturalParameters) -> NaturalParameters:
        """As for `Categorical`."""
        return self._categorical().without_gauge(eta)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(eta[0], self.trials, self.where)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value,)

    def log_partition(self) -> Array:
        return self.trials * self._categorical().log_partition()

    def mean_statistics(self) -> NaturalParameters:
        return (self.trials * self._categorical().mean_statistics()[0],)

    def _log_factorials(self, value: Array) -> tuple[Array, Array]:
        """(log n!, Σ_d log u_d!)."""
        ns = namespace(value, self.logits)
        counts = value if self.where is None else ns.xp.where(self.where > 0, value, 0.0)
        total = ns.of_known(self.trials).gammaln(self.trials + 1.0)
        return total, ns.xp.sum(ns.gammaln(counts + 1.0 + zeros(self.logits)), axis=-1)

    def log_base_measure(self, value: Array) -> Array:
        total, parts = self._log_factorials(value)
        return total - parts

    def expected_log_base_measure(self) -> Array:
        ns = namespace(self.logits)
        ns.approximate("multinomial: E log h is a sum with rounded tables")
        xp = ns.xp
        log_p, p, _ = self._categorical()._log_probabilities()
        log_p = xp.where(p > 0, log_p, LOG_ZERO)
        is_top = xp.arange(p.shape[-1]) == xp.expand_dims(xp.argmax(log_p, axis=-1), axis=-1)
        others = xp.where(is_top, 0.0, p)
        rest = xp.sum(others, axis=-1, keepdims=True)
        log_rest = xp.where(rest > 0, xp.log(xp.where(rest > 0, rest, 1.0)), LOG_ZERO)
        log_q = xp.where(is_top, log_rest, xp.log1p(-others))
        tables = count_tables(self.trials, self.trials + 1)
        arrangements, factorials = (
            xp.astype(xp.asarray(table), log_p.dtype) for table in (tables.log_arrangements, tables.log_factorials)
        )
        functions = xp.where(is_top[..., None], arrangements, -factorials)
        return xp.sum(expectation(tables, functions, log_p, log_q), axis=-1)

    def log_density(self, value: Array) -> Array:
        return self._categorical().log_density(value) + self.log_base_measure(value)

    def log_density_scale(self, value: Array) -> Array:
        xp = namespace(value, self.logits).xp
        total, parts = self._log_factorials(value)
        return xp.abs(self._categorical().log_density(value)) + total + parts

    def entropy(self) -> Array:
        return self.pseudo_entropy() - self.expected_log_base_measure()

    def pseudo_entropy(self) -> Array:
        return self.trials * self._categorical().entropy()
