"""Binomial distribution, base measure not constant."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache
from typing import ClassVar, NamedTuple, Self

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.bernoulli import Bernoulli


class CountTables(NamedTuple):
    """For u = 0, …, n: u, n − u, log n!/(u! (n − u)!), log u!, log n!/u!, and what log p(u) is made of.

    ℓ_u = log(u/n) (0 for u = 0), rounded, and c_u = −log C(n, u) − u ℓ_u − (n − u) ℓ_(n−u) with the rounding error of
    ℓ, so that log p(u) = u (log π − ℓ_u) + (n − u) (log(1 − π) − ℓ_(n−u)) − c_u has no large terms near the mean.
    """

    counts: np.ndarray
    rest: np.ndarray
    log_choose: np.ndarray
    log_factorials: np.ndarray
    log_arrangements: np.ndarray
    logs: np.ndarray
    rest_logs: np.ndarray
    corrections: np.ndarray


@cache
def count_tables(trials: int, size: int) -> CountTables:
    """Tables for one n, padded to `size` with counts of probability zero."""
    with localcontext(prec=40):
        log_counts = [Decimal(0), *(Decimal(u).ln() for u in range(1, trials + 1))]
        factorials = list(np.cumsum(np.array(log_counts, dtype=object)))
        logs = [0.0, *(float(log - log_counts[-1]) for log in log_counts[1:])]
        choose = [factorials[-1] - factorials[u] - factorials[trials - u] for u in range(trials + 1)]
        shifts = [u * Decimal(logs[u]) for u in range(trials + 1)]
        corrections = [-choose[u] - shifts[u] - shifts[trials - u] for u in range(trials + 1)]
        columns = [
            range(trials + 1),
            range(trials, -1, -1),
            choose,
            factorials,
            [factorials[-1] - f for f in factorials],
        ]
        tables = [np.array(column, dtype=float) for column in (*columns, logs, logs[::-1], corrections)]
    padding = [*[0.0] * (len(tables) - 1), np.inf]
    return CountTables(*(np.append(t, np.full(size - t.size, fill)) for t, fill in zip(tables, padding, strict=True)))


def stacked_tables(trials: int | np.ndarray) -> CountTables:
    """Tables of shape (*trials.shape, max n + 1)."""
    trials = np.asarray(trials)
    size = int(trials.max()) + 1
    rows = [count_tables(n, size) for n in trials.ravel().tolist()]
    return CountTables(*(np.reshape(np.stack(table), (*trials.shape, size)) for table in zip(*rows, strict=True)))


def expectation(tables: CountTables, function: Array, log_p: Array, log_q: Array) -> Array:
    """E f(u) over u = 0, …, n, f an array (…, n + 1), from log π and log(1 − π).

    Divided by the sum of the probabilities: what rounding log π and log(1 − π) does to all of them cancels.
    """
    ns = namespace(log_p)
    ns.approximate("binomial: expectations are sums with rounded tables")
    xp = ns.xp
    counts, rest, logs, rest_logs, corrections, function = (
        xp.astype(xp.asarray(table), log_p.dtype)
        for table in (tables.counts, tables.rest, tables.logs, tables.rest_logs, tables.corrections, function)
    )
    p = xp.exp(counts * (log_p[..., None] - logs) + rest * (log_q[..., None] - rest_logs) - corrections)
    return xp.sum(p * function, axis=-1) / xp.sum(p, axis=-1)


@dataclass(frozen=True)
class Binomial:
    """p(u) = C(n, u) π^u (1 − π)^(n−u) for u = 0, …, n and π = σ(η), n known.

    T(u) = u, A(η) = n log(1 + e^η), log h(u) = log C(n, u): **not** constant for n > 1. E log h is summed over all u.

    Shapes: `logits` η (*batch,), differentiated; `trials` n, an integer or a NumPy array of integers that broadcasts
    against them: a known constant, never traced nor differentiated. As in `Bernoulli`, everything keeps its relative
    accuracy at saturated logits. Source: THEORY sections 4 and 7.
    """

    logits: Array
    trials: int | np.ndarray

    family: ClassVar[str] = "binomial"
    event_ndim: ClassVar[int] = 0
    support: ClassVar[str] = "count"
    constant_base_measure: ClassVar[bool] = False
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(saturates=True)

    def natural_parameters(self) -> NaturalParameters:
        return (self.logits + zeros(self.trials),)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(eta[0], self.trials)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value,)

    def log_partition(self) -> Array:
        return self.trials * Bernoulli(self.logits).log_partition()

    def mean_statistics(self) -> NaturalParameters:
        return (self.trials * Bernoulli(self.logits).mean_statistics()[0],)

    def log_base_measure(self, value: Array) -> Array:
        ns = namespace(value, self.logits)
        log_factorials = ns.gammaln(value + 1.0) + ns.gammaln(self.trials - value + 1.0)
        return ns.of_known(self.trials).gammaln(self.trials + 1.0) - log_factorials + zeros(self.logits)

    def expected_log_base_measure(self) -> Array:
        if namespace(self.logits).rigorous and isinstance(self.trials, int):
            counts, each = np.arange(self.trials + 1.0), Binomial(self.logits[..., None], self.trials)
            xp = namespace(self.logits).xp
            p = xp.exp(each.log_density(counts))
            return xp.sum(p * each.log_base_measure(counts), axis=-1)
        tables, bernoulli = stacked_tables(self.trials), Bernoulli(self.logits + zeros(self.trials))
        return expectation(tables, tables.log_choose, bernoulli.log_density(1.0), bernoulli.log_density(0.0))

    def log_density(self, value: Array) -> Array:
        xp = namespace(value, self.logits).xp
        positive, _, tail = Bernoulli(self.logits)._tail()
        linear = xp.where(positive, value - self.trials, value) * self.logits
        return linear - self.trials * xp.log1p(tail) + self.log_base_measure(value)

    def log_density_scale(self, value: Array) -> Array:
        ns = namespace(value, self.logits)
        log_factorials = ns.gammaln(self.trials + 1.0 + zeros(value)) + ns.gammaln(value + 1.0)
        log_h = self.log_base_measure(value)
        return ns.xp.abs(self.log_density(value) - log_h) + log_factorials + ns.gammaln(self.trials - value + 1.0)

    def entropy(self) -> Array:
        return self.pseudo_entropy() - self.expected_log_base_measure()

    def pseudo_entropy(self) -> Array:
        return self.trials * Bernoulli(self.logits).entropy()
