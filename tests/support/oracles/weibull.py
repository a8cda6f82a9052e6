"""The Weibull family with known shape, at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import Weibull
from support.oracles.base import Case, Exact, Scaled, numbers
from support.oracles.components import continuous

SHAPES = np.array([1.7, 0.5, 2.0, 3.0, 0.05, 12.0, 40.0, 1.5])
SCALES = np.array([0.7, 1e-6, 1.3, 1e6, 40.0, 1e3, 1.1, 1.0])


def exact(member: Any) -> Exact:
    shape, scale = *numbers(member.shape), *numbers(member.scale)
    log_scale, log_shape = mp.log(scale), mp.log(shape)
    from_partition = shape * abs(log_scale) + abs(log_shape)

    def log_base_measure(value: np.ndarray) -> Scaled:
        result = (shape - 1) * mp.log(mp.mpf(float(value)))
        return result, abs(result)

    def log_density(value: np.ndarray) -> Scaled:
        (log_h, size), power = log_base_measure(value), (mp.mpf(float(value)) / scale) ** shape
        # rounding u/λ changes its power by k eps/2
        return log_h - power - shape * log_scale + log_shape, size + (1 + shape) * power + from_partition

    expected = (shape - 1) * (log_scale - mp.euler / shape)
    scales = {
        "log_partition": [from_partition],
        "pseudo_entropy": [from_partition + 1],
        "entropy": [abs(log_scale) + abs(log_shape) + mp.euler * abs(1 - 1 / shape) + 1],
        "expected_log_base_measure": [abs(shape - 1) * (abs(log_scale) + mp.euler / shape)],
    }
    return Exact(
        [-(scale**-shape)],
        lambda eta: -mp.log(-eta[0]) - log_shape,
        mp.euler * (1 - 1 / shape) + log_scale - log_shape + 1,
        log_density,
        log_base_measure,
        expected,
        scales,
        condition=float(1 + shape + abs(shape * log_scale)),  # of λ, and of the rounded exponent −1/k
    )


CASE = Case(
    Weibull(SCALES, SHAPES),
    SCALES * np.array([1e-9, 0.4, 1.0, 1.2, 3.0])[:, None] ** np.minimum(1.0, 3.0 / SHAPES),
    exact,
    lambda m: scipy.stats.weibull_min(m.shape, scale=m.scale),
    differentiated=(0, 1, 2, 3, 7),
)

IN_MIXTURE = 1.5
"""The shape, as the catalogue's model has it."""
MIXTURES = {
    "weibull-mixture": continuous(
        lambda p: scipy.stats.weibull_min(IN_MIXTURE, scale=np.exp(p["log_scales"])),
        log_h=lambda u: (IN_MIXTURE - 1) * np.log(u),
    )
}
