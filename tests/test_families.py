"""Every family against oracles that share no code with it: textbook formulas at 50 digits (mpmath), and scipy.stats.

A family enters by one entry of `CASES`: parameters (NumPy), values, its exact counterpart, its scipy.stats name.
Bounds are `ROUNDINGS · eps · scale`, where the scale is computed with the exact value: its magnitude if nothing
cancels, otherwise the sum of absolute terms, times the condition number of the formula where that is not 1.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from elbocheck.backends.namespace import namespace
from elbocheck.families import FAMILIES, Bernoulli, Categorical, MultivariateNormal, Normal, Poisson
from elbocheck.families.base import inner

EPS = float(np.finfo(np.float64).eps)
ROUNDINGS = 16
"""Roundings (of half an eps, most of them) that one result may carry; 16 eps = 3.6e-15."""
TINY = 1e-300
"""Below it results may underflow: XLA flushes subnormal numbers to zero."""
METHODS = (
    "log_partition",
    "entropy",
    "pseudo_entropy",
    "expected_log_base_measure",
    "natural_parameters",
    "mean_statistics",
)
METHODS_OF_VALUE = ("log_density", "log_base_measure")

Number = Any  # mpmath has no type stubs
Convert = Callable[[Any], Any]
Measured = tuple[list[Number], list[Number]]  # (exact values, scales)


@dataclass(frozen=True)
class Exact:
    """One distribution at 50 digits. `log_partition` is A as a function of any flattened η near `eta`.

    `scales`: of the methods that do not keep relative accuracy element by element, what they keep it relative to.
    `log_density`, `log_base_measure`: value -> (exact, scale).
    """

    eta: list[Number]
    log_partition: Callable[[list[Number]], Number]
    entropy: Number
    log_density: Callable[[np.ndarray], tuple[Number, Number]]
    log_base_measure: Callable[[np.ndarray], tuple[Number, Number]] = lambda value: (mp.mpf(0), mp.mpf(0))
    expected_log_base_measure: Number = mp.mpf(0)
    scales: Mapping[str, list[Number]] = dataclasses.field(default_factory=dict)
    condition: float = 1.0
    """Of the map from η back to the parameters."""

    @functools.cached_property
    def mean_statistics(self) -> list[Number]:
        """∇A(η), by numerical differentiation at 50 digits."""
        eta = self.eta
        return [
            mp.diff(lambda t, i=i: self.log_partition([*eta[:i], t, *eta[i + 1 :]]), eta[i]) for i in range(len(eta))
        ]

    def measured(self, method: str) -> Measured:
        if method == "log_partition":
            exact = [self.log_partition(self.eta)]
        elif method == "natural_parameters":
            exact = self.eta
        elif method == "mean_statistics":
            exact = self.mean_statistics
        elif method == "pseudo_entropy":
            exact = [self.log_partition(self.eta) - mp.fdot(self.eta, self.mean_statistics)]
        else:
            exact = [getattr(self, method)]
        return exact, self.scales.get(method, [abs(number) for number in exact])


def numbers(array: Any) -> list[Number]:
    return [mp.mpf(float(element)) for element in np.ravel(array)]


def exact_bernoulli(member: Any) -> Exact:
    (eta,) = numbers(member.logits)
    p, q = 1 / (1 + mp.exp(-eta)), 1 / (1 + mp.exp(eta))

    def log_density(value: np.ndarray) -> tuple[Number, Number]:
        result = mp.log(p if value else q)
        return result, abs(result)

    return Exact([eta], lambda e: mp.log(1 + mp.exp(e[0])), -p * mp.log(p) - q * mp.log(q), log_density)


def exact_categorical(member: Any) -> Exact:
    eta = numbers(member.logits)
    total = mp.fsum(mp.exp(e) for e in eta)
    p = [mp.exp(e) / total for e in eta]
    spread = 1 + max(eta) - min(eta)  # rounding a difference of logits by eps/2 · |difference| scales p by that much

    def log_density(value: np.ndarray) -> tuple[Number, Number]:
        result = mp.log(p[int(np.argmax(value))])
        return result, abs(result) * spread

    entropy = -mp.fsum(x * mp.log(x) for x in p)
    scales = {
        "entropy": [entropy * spread],
        "pseudo_entropy": [entropy * spread],
        "mean_statistics": [x * spread for x in p],
        "log_partition": [abs(max(eta)) + mp.log(total) - max(eta)],
    }
    return Exact(eta, lambda e: mp.log(mp.fsum(mp.exp(x) for x in e)), entropy, log_density, scales=scales)


def exact_normal(member: Any) -> Exact:
    mean, variance = *numbers(member.mean), *numbers(member.variance)
    log_terms = (mp.log(2 * mp.pi) + abs(mp.log(variance))) / 2

    def log_density(value: np.ndarray) -> tuple[Number, Number]:
        square = (mp.mpf(float(value)) - mean) ** 2 / variance / 2
        return -square - mp.log(2 * mp.pi * variance) / 2, square + log_terms

    def log_partition(eta: list[Number]) -> Number:
        return -(eta[0] ** 2) / eta[1] / 4 - mp.log(-eta[1] / mp.pi) / 2

    scales = {
        "entropy": [log_terms + 0.5],
        "pseudo_entropy": [log_terms + 0.5],
        "log_partition": [mean**2 / variance / 2 + log_terms],
    }
    entropy = mp.log(2 * mp.pi * mp.e * variance) / 2
    return Exact([mean / variance, -1 / variance / 2], log_partition, entropy, log_density, scales=scales)


def exact_multivariate_normal(member: Any) -> Exact:
    size = member.mean.shape[-1]
    mean, root = mp.matrix(numbers(member.mean)), mp.matrix(np.asarray(member.precision_cholesky).tolist())
    precision = root * root.T
    log_determinant = mp.log(mp.det(precision))
    absolute = np.abs(member.precision_cholesky)
    inverse = np.abs(np.array((root**-1).tolist(), dtype=float))
    log_terms = float(np.abs(np.log(np.diag(absolute))).sum()) + size * float(mp.log(2 * mp.pi)) / 2

    def log_density(value: np.ndarray) -> tuple[Number, Number]:
        deviation = mp.matrix(numbers(value)) - mean
        result = -(deviation.T * precision * deviation)[0] / 2 - size * mp.log(2 * mp.pi) / 2 + log_determinant / 2
        return result, log_terms + 0.5 * float(((np.abs(value - member.mean) @ absolute) ** 2).sum())

    def log_partition(eta: list[Number]) -> Number:
        first, second = mp.matrix(eta[:size]), mp.matrix(size, size)
        second[:, :] = mp.matrix([eta[size * i : size * (i + 1)] for i in range(1, size + 1)])
        quadratic = -(first.T * mp.lu_solve(second, first))[0] / 4
        return quadratic - mp.log(mp.det(-2 * second)) / 2 + size * mp.log(2 * mp.pi) / 2

    outer = np.abs(np.outer(member.mean, member.mean))
    scales = {
        "entropy": [log_terms + size / 2],
        "pseudo_entropy": [log_terms + size / 2],
        "log_partition": [log_terms + 0.5 * float(((np.abs(member.mean) @ absolute) ** 2).sum())],
        # the products that make up Λ and Λm
        "natural_parameters": [*(absolute @ absolute.T @ np.abs(member.mean)), *(absolute @ absolute.T).ravel() / 2],
        # error of a triangular inverse K = C⁻¹: |K| |C| |K| (Higham, Accuracy and Stability, section 14.2)
        "mean_statistics": [*np.abs(member.mean), *(outer + inverse.T @ inverse @ absolute @ inverse).ravel()],
    }
    eta = [*(precision * mean), *(-precision / 2)]
    entropy = (size * mp.log(2 * mp.pi * mp.e) - log_determinant) / 2
    condition = float(np.linalg.cond(member.precision_cholesky)) ** 2
    return Exact(eta, log_partition, entropy, log_density, scales=scales, condition=condition)


def poisson_points(rate: float) -> tuple[np.ndarray, int]:
    """(counts, stride): the sum over every stride-th count is exact to exp(−2π²(σ/stride)²) < 1e-500.

    Counts reach 16 standard deviations plus 64 beyond the rate, where less than 1e-30 of the probability is left.
    """
    deviation = np.sqrt(rate)
    stride = max(1, int(deviation / 8))
    reach = int(16 * deviation / stride) + 64
    counts = int(rate) + stride * np.arange(-reach, reach + 1)
    return counts[counts >= 0].astype(float), stride


def exact_poisson(member: Any) -> Exact:
    (eta,) = numbers(member.log_rate)
    rate = mp.exp(eta)
    counts, stride = poisson_points(float(rate))
    log_factorials = [mp.loggamma(mp.mpf(count) + 1) for count in counts]
    expected = stride * mp.fsum(
        mp.exp(mp.mpf(count) * eta - rate - log_factorial) * log_factorial
        for count, log_factorial in zip(counts, log_factorials, strict=True)
    )

    def log_base_measure(value: np.ndarray) -> tuple[Number, Number]:
        result = -mp.loggamma(mp.mpf(float(value)) + 1)
        return result, abs(result)

    def log_density(value: np.ndarray) -> tuple[Number, Number]:
        log_h, first = log_base_measure(value)[0], mp.mpf(float(value)) * eta
        return first - rate + log_h, abs(first) + rate + abs(log_h)

    entropy, spread = rate * (1 - eta) + expected, 1 + abs(eta)  # E log u! ~ λ²: condition 2|η|
    scales = {"expected_log_base_measure": [expected * spread]}
    return Exact(
        [eta], lambda e: mp.exp(e[0]), entropy, log_density, log_base_measure, -expected, scales=scales
    )


@dataclass(frozen=True)
class Case:
    """A batch of members of one family, the first of them moderate; `values` (V, batch, *event)."""

    distribution: Any
    values: np.ndarray
    exact: Callable[[Any], Exact]
    scipy: Callable[[Any], Any]


LOGITS = np.array([0.7, 0.0, -0.0, 1e-9, -3.3, 12.0, -12.0, 35.7, -36.2, 40.0, -40.0, 300.0, -300.0, 700.0, -700.0])
CATEGORIES = np.array(
    [
        [0.3, -0.9, 1.1, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [2.0, 2.0, -40.0, 2.0],
        [40.0, -40.0, 40.0, 1.0],
        [-40.0, -39.5, 40.0, 39.0],
        [1e-9, 0.0, -1e-9, 2e-9],
        [700.0, -700.0, 0.0, 699.0],
        [-700.0, -690.0, -700.0, -650.0],
    ]
)
VARIANCES = np.array([1.7, 1e-6, 3e-3, 0.0585498, 1.0, 4e2, 1e6, 1e6, 1e-6])
MEANS = np.array([0.4, 1e-3, -7.0, 0.0, 1.0, 1e3, -1e3, 1e6, 1e2])


def _precision_choleskys() -> np.ndarray:
    """Moderate; identity; condition 1e6 in general position (two scales); graded variances 1e-6 … 1e6."""
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    ill = np.linalg.cholesky((rotation * np.array([1e-3, 1.0, 1e3])) @ rotation.T)
    moderate = np.array([[1.2, 0.0, 0.0], [-0.4, 0.7, 0.0], [0.3, 1.1, 2.0]])
    return np.stack([moderate, np.eye(3), ill, 1e-3 * ill, 1e3 * moderate, 1e-3 * moderate, np.diag([1e3, 1, 1e-3])])


CHOLESKYS = _precision_choleskys()
VECTORS = np.random.default_rng(4).normal(size=(len(CHOLESKYS), 3)) * np.array([1, 0, 1, 30, 1, 1e3, 1])[:, None]
DEVIATIONS = np.random.default_rng(5).normal(size=(5, len(CHOLESKYS), 3)) * np.array([0, 0.1, 1, 5, 1e3])[:, None, None]
RATES = np.array([3.3, 1e-12, 1e-6, 0.02, 1.0, np.e, 9.0, 25.0, 44.4, 47.9999, 48.0001, 80.0, 1e3, 1e5, 1e8])

CASES = {
    Bernoulli: Case(
        Bernoulli(LOGITS),
        np.stack([np.zeros_like(LOGITS), np.ones_like(LOGITS)]),
        exact_bernoulli,
        lambda m: scipy.stats.bernoulli(scipy.special.expit(m.logits)),
    ),
    Categorical: Case(
        Categorical(CATEGORIES),
        np.broadcast_to(np.eye(4)[:, None], (4, len(CATEGORIES), 4)),
        exact_categorical,
        lambda m: scipy.stats.multinomial(1, scipy.special.softmax(m.logits)),
    ),
    Normal: Case(
        Normal(MEANS, VARIANCES),
        MEANS + np.sqrt(VARIANCES) * np.array([0.0, 1e-3, -0.7, 3.0, 40.0])[:, None],
        exact_normal,
        lambda m: scipy.stats.norm(m.mean, np.sqrt(m.variance)),
    ),
    MultivariateNormal: Case(
        MultivariateNormal(VECTORS, CHOLESKYS),
        VECTORS + DEVIATIONS,
        exact_multivariate_normal,
        lambda m: scipy.stats.multivariate_normal(
            m.mean, np.linalg.inv(m.precision_cholesky @ m.precision_cholesky.T)
        ),
    ),
    Poisson: Case(
        Poisson(np.log(RATES)),
        np.stack([0 * RATES, 0 * RATES + 1, 0 * RATES + 2, np.round(RATES), np.round(3 * RATES + 40)]),
        exact_poisson,
        lambda m: scipy.stats.poisson(np.exp(m.log_rate)),
    ),
}
