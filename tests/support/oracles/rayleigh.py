"""The Rayleigh family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import Rayleigh
from support.oracles.base import Case, Exact, Scaled, numbers
from support.oracles.components import continuous

VARIANCES = np.array([1.7, 1e-12, 1e-6, 0.3, 1.0, np.e, 1e3, 1e6, 1e12])


def exact(member: Any) -> Exact:
    (variance,) = numbers(member.variance)
    log_variance = mp.log(variance)

    def log_base_measure(value: np.ndarray) -> Scaled:
        result = mp.log(mp.mpf(float(value)))
        return result, abs(result)

    def log_density(value: np.ndarray) -> Scaled:
        (log_value, size), square = log_base_measure(value), mp.mpf(float(value)) ** 2 / variance / 2
        return log_value - log_variance - square, size + abs(log_variance) + square

    constant = (mp.log(2) - mp.euler) / 2
    scales = {
        "entropy": [abs(log_variance) / 2 + 1],
        "pseudo_entropy": [abs(log_variance) + 1],
        "expected_log_base_measure": [abs(log_variance) / 2 + constant],
    }
    return Exact(
        [-1 / variance / 2],
        lambda eta: -mp.log(-2 * eta[0]),
        log_variance / 2 + 1 - constant,
        log_density,
        log_base_measure,
        log_variance / 2 + constant,
        scales,
    )


CASE = Case(
    Rayleigh(VARIANCES),
    np.array([1e-9, 0.4, 1.0, 3.0, 30.0])[:, None] * np.sqrt(VARIANCES),
    exact,
    lambda m: scipy.stats.rayleigh(scale=np.sqrt(m.variance)),
    differentiated=(0, 1, 3, 8),
)

MIXTURES = {
    "rayleigh-mixture": continuous(lambda p: scipy.stats.rayleigh(scale=np.exp(0.5 * p["log_variances"])), log_h=np.log)
}
