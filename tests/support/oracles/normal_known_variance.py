"""The normal family with known variance, at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import NormalKnownVariance
from support.oracles.base import Case, Exact, Scaled, numbers
from support.oracles.components import continuous

VARIANCES = np.array([1.7, 1e-6, 3e-3, 0.0585498, 1.0, 4e2, 1e6, 1e6, 1e-6])
MEANS = np.array([0.4, 1e-3, -7.0, 0.0, 1.0, 1e3, -1e3, 1e6, 1e2])


def exact(member: Any) -> Exact:
    mean, variance = *numbers(member.mean), *numbers(member.variance)
    log_normaliser = mp.log(2 * mp.pi * variance) / 2
    log_terms = (mp.log(2 * mp.pi) + abs(mp.log(variance))) / 2

    def log_density(value: np.ndarray) -> Scaled:
        square = (mp.mpf(float(value)) - mean) ** 2 / variance / 2
        return -square - log_normaliser, square + log_terms

    def log_base_measure(value: np.ndarray) -> Scaled:
        square = mp.mpf(float(value)) ** 2 / variance / 2
        return -square - log_normaliser, square + log_terms

    half_mean_square = (mean**2 + variance) / variance / 2
    scales = {"entropy": [log_terms + 0.5], "expected_log_base_measure": [half_mean_square + log_terms]}
    return Exact(
        [mean / variance],
        lambda eta: eta[0] ** 2 * variance / 2,
        log_normaliser + 0.5,
        log_density,
        log_base_measure,
        -half_mean_square - log_normaliser,
        scales,
    )


CASE = Case(
    NormalKnownVariance(MEANS, VARIANCES),
    MEANS + np.sqrt(VARIANCES) * np.array([0.0, 1e-3, -0.7, 3.0, 40.0])[:, None],
    exact,
    lambda m: scipy.stats.norm(m.mean, np.sqrt(m.variance)),
    differentiated=(0, 1, 4, 5, 7),
)

IN_MIXTURE = 0.8
"""The variance, as the catalogue's model has it."""
MIXTURES = {
    "normal-known-var-mixture": continuous(
        lambda p: scipy.stats.norm(p["means"], np.sqrt(IN_MIXTURE)),
        log_h=lambda u: -(u**2) / (2 * IN_MIXTURE),
        expected_log_h=lambda p: -(p["means"] ** 2 + IN_MIXTURE) / (2 * IN_MIXTURE),
    )
}
