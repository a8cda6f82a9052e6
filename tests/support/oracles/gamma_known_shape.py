"""The gamma family with known shape, at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import GammaKnownShape
from support.oracles.base import Case, Exact, Scaled, numbers
from support.oracles.components import continuous

SHAPES = np.array([2.3, 1e-6, 1e-3, 0.5, 2.0, 1.4616321, 9.999, 10.001, 70.0, 1e3, 1e6, 1e6])
RATES = np.array([1.7, 1.0, 1e-6, 1.0, 0.3, 1e6, 1e-3, 5.0, 1e3, 1.0, 1e-6, 1e6])


def exact(member: Any) -> Exact:
    """gammaln and digamma are allowed an absolute error eps near their zeros, hence `1 +`."""
    shape, rate = *numbers(member.shape), *numbers(member.rate)
    log_gamma, log_rate, digamma = mp.loggamma(shape), mp.log(rate), mp.digamma(shape)
    from_partition = 1 + abs(log_gamma) + shape * abs(log_rate)

    def log_base_measure(value: np.ndarray) -> Scaled:
        result = (shape - 1) * mp.log(mp.mpf(float(value)))
        return result, abs(result)

    def log_density(value: np.ndarray) -> Scaled:
        (log_h, size), product = log_base_measure(value), rate * mp.mpf(float(value))
        return log_h - product + shape * log_rate - log_gamma, size + product + from_partition

    expected = (shape - 1) * (digamma - log_rate)
    from_base = abs(shape - 1) * (1 + abs(digamma) + abs(log_rate))
    scales = {
        "log_partition": [from_partition],
        "pseudo_entropy": [from_partition + shape],
        "entropy": [from_partition + shape + from_base],
        "expected_log_base_measure": [from_base],
    }
    entropy = shape + log_gamma + (1 - shape) * digamma - log_rate
    return Exact(
        [-rate],
        lambda eta: log_gamma - shape * mp.log(-eta[0]),
        entropy,
        log_density,
        log_base_measure,
        expected,
        scales,
    )


CASE = Case(
    GammaKnownShape(RATES, SHAPES),
    np.array([1e-8, 0.5, 1.0, 3.0, 20.0])[:, None] * SHAPES / RATES,
    exact,
    lambda m: scipy.stats.gamma(m.shape, scale=1 / m.rate),
    differentiated=(0, 1, 2, 5, 9, 11),
)

IN_MIXTURE = 2.5
"""The shape, as the catalogue's model has it."""
MIXTURES = {
    "gamma-known-shape-mixture": continuous(
        lambda p: scipy.stats.gamma(IN_MIXTURE, scale=np.exp(-p["log_rates"])),
        log_h=lambda u: (IN_MIXTURE - 1) * np.log(u),
    )
}
