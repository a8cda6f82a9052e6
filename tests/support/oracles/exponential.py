"""The exponential family of waiting times at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import Exponential
from support.oracles.base import ENTROPIES, Case, Exact, Scaled, numbers
from support.oracles.components import continuous

RATES = np.array([1.7, 1e-12, 1e-6, 0.3, 1.0, np.e, 1e3, 1e6, 1e12])


def exact(member: Any) -> Exact:
    (rate,) = numbers(member.rate)
    log_rate = mp.log(rate)

    def log_density(value: np.ndarray) -> Scaled:
        product = rate * mp.mpf(float(value))
        return log_rate - product, abs(log_rate) + product

    scales = dict.fromkeys(ENTROPIES, (1 + abs(log_rate),))
    return Exact([-rate], lambda e: -mp.log(-e[0]), 1 - log_rate, log_density, scales=scales)


CASE = Case(
    Exponential(RATES),
    np.array([0.0, 1e-9, 0.4, 3.0, 700.0])[:, None] / RATES,
    exact,
    lambda m: scipy.stats.expon(scale=1 / m.rate),
    differentiated=(0, 1, 3, 8),
)

MIXTURES = {"exponential-mixture": continuous(lambda p: scipy.stats.expon(scale=np.exp(-p["log_rates"])))}
