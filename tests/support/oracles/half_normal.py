"""The half-normal family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import HalfNormal
from support.oracles.base import ENTROPIES, Case, Exact, Scaled, numbers

VARIANCES = np.array([1.7, 1e-12, 1e-6, 0.3, 1.0, np.e, 1e3, 1e6, 1e12])


def exact(member: Any) -> Exact:
    (variance,) = numbers(member.variance)
    log_scale = mp.log(mp.pi * variance / 2) / 2
    size = (mp.log(2 * mp.pi) + abs(mp.log(variance))) / 2 + mp.log(2)

    def log_density(value: np.ndarray) -> Scaled:
        square = mp.mpf(float(value)) ** 2 / variance / 2
        return -log_scale - square, size + square

    scales = {"log_partition": [size], **dict.fromkeys(ENTROPIES, (size + 0.5,))}
    return Exact(
        [-1 / variance / 2],
        lambda eta: mp.log(-mp.pi / eta[0] / 4) / 2,
        log_scale + mp.mpf(1) / 2,
        log_density,
        scales=scales,
    )


CASE = Case(
    HalfNormal(VARIANCES),
    np.array([0.0, 1e-9, 0.4, 1.0, 30.0])[:, None] * np.sqrt(VARIANCES),
    exact,
    lambda m: scipy.stats.halfnorm(scale=np.sqrt(m.variance)),
    differentiated=(0, 1, 3, 8),
)
