"""The log-normal family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import LogNormal
from support.oracles.base import Case, Exact, Number, Scaled, numbers
from support.oracles.components import continuous

VARIANCES = np.array([1.7, 1e-6, 3e-3, 0.0585498, 1.0, 4e2, 1e2, 1e-6])
MEANS = np.array([0.4, 1e-3, -7.0, 0.0, 1.0, 30.0, -1e2, 1e2])


def exact(member: Any) -> Exact:
    mean, variance = *numbers(member.mean), *numbers(member.variance)
    log_terms = (mp.log(2 * mp.pi) + abs(mp.log(variance))) / 2

    def log_base_measure(value: np.ndarray) -> Scaled:
        log_value = mp.log(mp.mpf(float(value)))
        return -log_value, abs(log_value)

    def log_density(value: np.ndarray) -> Scaled:
        log_h, size = log_base_measure(value)
        deviation = -log_h - mean
        result = -(deviation**2) / variance / 2 - mp.log(2 * mp.pi * variance) / 2 + log_h
        # rounding log u, by eps/2 of itself, shifts the exponent
        pull = abs(deviation) / variance * (abs(deviation) + size)
        return result, pull + size + log_terms

    def log_partition(eta: list[Number]) -> Number:
        return -(eta[0] ** 2) / eta[1] / 4 - mp.log(-eta[1] / mp.pi) / 2

    pseudo_entropy = mp.log(2 * mp.pi * mp.e * variance) / 2
    scales = {
        "log_partition": [mean**2 / variance / 2 + log_terms],
        "pseudo_entropy": [log_terms + 0.5],
        "entropy": [log_terms + 0.5 + abs(mean)],
    }
    eta = [mean / variance, -1 / variance / 2]
    return Exact(eta, log_partition, pseudo_entropy + mean, log_density, log_base_measure, -mean, scales)


CASE = Case(
    LogNormal(MEANS, VARIANCES),
    np.exp(MEANS + np.sqrt(VARIANCES) * np.array([0.0, 1e-3, -0.7, 3.0, 20.0])[:, None]),
    exact,
    lambda m: scipy.stats.lognorm(np.sqrt(m.variance), scale=np.exp(m.mean)),
    differentiated=(0, 3, 4, 5),
)

MIXTURES = {
    "log-normal-mixture": continuous(
        lambda p: scipy.stats.lognorm(np.exp(0.5 * p["log_variances"]), scale=np.exp(p["means"])),
        log_h=lambda u: -np.log(u),
    )
}
