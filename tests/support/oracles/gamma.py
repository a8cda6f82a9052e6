"""The gamma family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import Gamma
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers
from support.oracles.components import continuous

SHAPES = np.array([2.3, 1e-6, 1e-3, 1.0, 2.0, 1.4616321, 9.999, 10.001, 70.0, 1e3, 1e6, 1e6])
RATES = np.array([1.7, 1.0, 1e-6, 1.0, 0.3, 1e6, 1e-3, 5.0, 1e3, 1.0, 1e-6, 1e6])


def unit_rate_entropy(shape: Number) -> Number:
    return shape + mp.loggamma(shape) + (1 - shape) * mp.digamma(shape)


def exact(member: Any) -> Exact:
    """gammaln and digamma are allowed an absolute error eps near their zeros, hence `1 +`."""
    shape, rate = *numbers(member.shape), *numbers(member.rate)
    log_gamma, log_rate, digamma = mp.loggamma(shape), mp.log(rate), mp.digamma(shape)

    def log_density(value: np.ndarray) -> Scaled:
        number = mp.mpf(float(value))
        scaled = rate * number
        terms = shape * (1 + abs(mp.log(scaled))) + abs(mp.log(number)) + scaled  # 1: the product b u is rounded
        return shape * mp.log(scaled) - mp.log(number) - scaled - log_gamma, 1 + abs(log_gamma) + terms

    def log_partition(eta: list[Number]) -> Number:
        return mp.loggamma(eta[0] + 1) - (eta[0] + 1) * mp.log(-eta[1])

    entropy = unit_rate_entropy(shape) - log_rate
    scales = {
        # what is left when the terms as large as the shape have cancelled: ½ log 2πe/a + ψ(a)
        **dict.fromkeys(ENTROPIES, (1 + abs(unit_rate_entropy(shape)) + abs(digamma) + abs(log_rate),)),
        "log_partition": [1 + abs(log_gamma) + shape * abs(log_rate)],
        "mean_statistics": [1 + abs(digamma) + abs(log_rate), shape / rate],
    }
    condition = float(1 + 1 / shape)  # of the shape η + 1
    return Exact([shape - 1, -rate], log_partition, entropy, log_density, scales=scales, condition=condition)


CASE = Case(
    Gamma(SHAPES, RATES),
    np.array([1e-8, 0.5, 1.0, 3.0, 20.0])[:, None] * SHAPES / RATES,
    exact,
    lambda m: scipy.stats.gamma(m.shape, scale=1 / m.rate),
    differentiated=(0, 1, 2, 4, 10, 11),
)

MIXTURES = {
    "gamma-mixture": continuous(lambda p: scipy.stats.gamma(np.exp(p["log_shapes"]), scale=np.exp(-p["log_rates"])))
}
