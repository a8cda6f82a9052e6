"""The normal family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import Normal
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers
from support.oracles.components import continuous

VARIANCES = np.array([1.7, 1e-6, 3e-3, 0.0585498, 1.0, 4e2, 1e6, 1e6, 1e-6])
MEANS = np.array([0.4, 1e-3, -7.0, 0.0, 1.0, 1e3, -1e3, 1e6, 1e2])


def exact(member: Any) -> Exact:
    mean, variance = *numbers(member.mean), *numbers(member.variance)
    log_terms = (mp.log(2 * mp.pi) + abs(mp.log(variance))) / 2

    def log_density(value: np.ndarray) -> Scaled:
        square = (mp.mpf(float(value)) - mean) ** 2 / variance / 2
        return -square - mp.log(2 * mp.pi * variance) / 2, square + log_terms

    def log_partition(eta: list[Number]) -> Number:
        return -(eta[0] ** 2) / eta[1] / 4 - mp.log(-eta[1] / mp.pi) / 2

    entropy, eta = mp.log(2 * mp.pi * mp.e * variance) / 2, [mean / variance, -1 / variance / 2]
    scales = {**dict.fromkeys(ENTROPIES, (log_terms + 0.5,)), "log_partition": [mean**2 / variance / 2 + log_terms]}
    return Exact(eta, log_partition, entropy, log_density, scales=scales)


CASE = Case(
    Normal(MEANS, VARIANCES),
    MEANS + np.sqrt(VARIANCES) * np.array([0.0, 1e-3, -0.7, 3.0, 40.0])[:, None],
    exact,
    lambda m: scipy.stats.norm(m.mean, np.sqrt(m.variance)),
    differentiated=(0, 1, 5, 6, 8),
)

MIXTURES = {
    "gmm-diagonal": continuous(lambda p: scipy.stats.norm(p["means"], np.exp(0.5 * p["log_variances"]))),
    "gmm-spherical": continuous(lambda p: scipy.stats.norm(p["means"], np.exp(0.5 * p["log_variances"])[:, None])),
}
