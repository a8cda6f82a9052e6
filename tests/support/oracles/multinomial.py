"""The multinomial family at arbitrary precision."""

from __future__ import annotations

import itertools
from typing import Any

import mpmath as mp
import numpy as np
import scipy.special
import scipy.stats

from elbocheck.families import Multinomial
from support.oracles.base import Case, Exact, Number, Scaled, numbers
from support.oracles.components import Component, Params, counts, each

LOGITS = np.array(
    [
        [0.3, -0.9, 1.1, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [2.0, 2.0, -40.0, 2.0],
        [40.0, -40.0, 40.0, 1.0],
        [-40.0, -39.5, 40.0, -1.0],
        [700.0, -700.0, 1e-9, 699.0],
    ]
)
TRIALS = 7
COUNTS = [u for u in itertools.product(range(TRIALS + 1), repeat=4) if sum(u) == TRIALS]


def exact(member: Any) -> Exact:
    """E log h is the sum over all vectors of counts."""
    eta = numbers(member.logits)
    log_p = [-mp.log(mp.fsum(mp.exp(other - e) for other in eta)) for e in eta]
    spread = 1 + max(eta) - min(eta)  # rounding a difference of logits by eps/2 · |difference| scales p by that much

    def log_base_measure(value: np.ndarray) -> Scaled:
        parts = mp.fsum(mp.loggamma(float(count) + 1) for count in value)
        return mp.loggamma(TRIALS + 1) - parts, mp.loggamma(TRIALS + 1) + parts

    def log_density(value: np.ndarray) -> Scaled:
        (log_h, size), linear = log_base_measure(value), mp.fdot(map(float, value), log_p)
        return log_h + linear, size - linear * spread

    top = log_p.index(max(log_p))
    with mp.workdps(60):
        p = [mp.exp(x) for x in log_p]
        factorial, expected, size = mp.factorial(TRIALS), mp.mpf(0), mp.mpf(0)
        for counts in COUNTS:
            parts = mp.fprod(map(mp.factorial, counts))
            probability = factorial / parts * mp.fprod(x**u for x, u in zip(p, counts, strict=True))
            expected += probability * mp.log(factorial / parts)
            # log n!/u_t! is zero but for a rest as improbable as log h itself is, from the other counts
            size += probability * mp.log(factorial * parts / mp.factorial(counts[top]) ** 2)
    pseudo_entropy = -TRIALS * mp.fsum(mp.exp(x) * x for x in log_p)

    def log_partition(eta: list[Number]) -> Number:
        return TRIALS * mp.log(mp.fsum(mp.exp(x) for x in eta))

    scales = {
        "pseudo_entropy": [pseudo_entropy * spread],
        "entropy": [(pseudo_entropy + size) * spread],
        "expected_log_base_measure": [size * spread],
        "mean_statistics": [TRIALS * mp.exp(x) * spread for x in log_p],
        "log_partition": [TRIALS * (abs(max(eta)) - max(log_p))],
    }
    entropy = pseudo_entropy - expected
    return Exact(eta, log_partition, entropy, log_density, log_base_measure, expected, scales)


VALUES = np.array([[7, 0, 0, 0], [0, 7, 0, 0], [3, 2, 1, 1], [0, 0, 0, 7], [2, 2, 2, 1]], dtype=float)
CASE = Case(
    Multinomial(LOGITS, TRIALS),
    np.broadcast_to(VALUES[:, None], (5, 6, 4)),
    exact,
    lambda m: scipy.stats.multinomial(TRIALS, scipy.special.softmax(m.logits)),
    digits=700,
    differentiated=(0, 2, 4),
)

IN_MIXTURE = 6
"""Trials, as the catalogue's model has them."""


def components(params: Params) -> list[Any]:
    return [scipy.stats.multinomial(IN_MIXTURE, scipy.special.softmax(row)) for row in params["logits_x"]]


def component_log_likelihood(x: np.ndarray, params: Params) -> np.ndarray:
    """The distribution with equal odds, tilted: scipy.stats wants probabilities, which lose digits."""
    log_p, size = scipy.special.log_softmax(params["logits_x"], axis=-1), x.shape[1]
    equal = scipy.stats.multinomial(IN_MIXTURE, np.full(size, 1 / size)).logpmf(x) + IN_MIXTURE * np.log(size)
    return (x[:, None] * log_p).sum(-1) + np.reshape(equal, (-1, 1))


def component_base_measure(x: np.ndarray, params: Params) -> np.ndarray:
    """log h = −Σ log x_d!, each x_d binomial."""
    values, p = counts(scipy.stats.binom(IN_MIXTURE, scipy.special.softmax(params["logits_x"], axis=-1)))
    expected = (p * scipy.special.gammaln(values + 1)).sum(0)
    return (expected - scipy.special.gammaln(x[:, None] + 1)).sum(-1)


MIXTURES = {
    "multinomial-mixture": Component(
        component_log_likelihood,
        lambda p, observed: np.array([float(one.entropy()) for one in components(p)]),
        component_base_measure,
        lambda x, p: each(components(p), "logpmf", x),
    )
}
