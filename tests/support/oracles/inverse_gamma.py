"""The inverse gamma family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import InverseGamma
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers

SHAPES = np.array([2.3, 1e-6, 1e-3, 1.0, 2.0, 1.4616321, 9.999, 10.001, 70.0, 1e3, 1e6, 1e6])
RATES = np.array([1.7, 1.0, 1e-6, 1.0, 0.3, 1e6, 1e-3, 5.0, 1e3, 1.0, 1e-6, 1e6])


def exact(member: Any) -> Exact:
    """gammaln and digamma are allowed an absolute error eps near their zeros, hence `1 +`."""
    shape, rate = *numbers(member.shape), *numbers(member.rate)
    log_gamma, log_rate, digamma = mp.loggamma(shape), mp.log(rate), mp.digamma(shape)

    def log_density(value: np.ndarray) -> Scaled:
        number = mp.mpf(float(value))
        terms = [shape * log_rate, -log_gamma, -(shape + 1) * mp.log(number), -rate / number]
        log_ratio = mp.log(rate / number)  # the quotient b / u is rounded, and then logarithms are small, hence 1
        size = 1 + abs(log_gamma) + shape * (1 + abs(log_ratio)) + abs(mp.log(number)) + rate / number
        return mp.fsum(terms), size

    def log_partition(eta: list[Number]) -> Number:
        return mp.loggamma(-eta[0] - 1) + (eta[0] + 1) * mp.log(-eta[1])

    entropy = shape + log_rate + log_gamma - (1 + shape) * digamma
    scales = {
        # what is left when the terms as large as the shape have cancelled: ½ log 2πe/a − ψ(a) + log b
        **dict.fromkeys(ENTROPIES, (1 + abs(entropy - log_rate) + abs(digamma) + abs(log_rate),)),
        "log_partition": [1 + abs(log_gamma) + shape * abs(log_rate)],
        "mean_statistics": [1 + abs(digamma) + abs(log_rate), shape / rate],
    }
    condition = float(1 + 1 / shape)  # of the shape −η − 1
    return Exact([-shape - 1, -rate], log_partition, entropy, log_density, scales=scales, condition=condition)


CASE = Case(
    InverseGamma(SHAPES, RATES),
    np.array([0.05, 0.5, 1.0, 3.0, 1e8])[:, None] * RATES / SHAPES,
    exact,
    lambda m: scipy.stats.invgamma(m.shape, scale=m.rate),
    differentiated=(0, 1, 2, 4, 10, 11),
)
