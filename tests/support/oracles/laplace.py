"""The Laplace family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import Laplace
from support.oracles.base import ENTROPIES, Case, Exact, Scaled, numbers
from support.oracles.components import continuous

SCALES = np.array([1.7, 1e-12, 1e-6, 0.3, 1.0, np.e, 1e3, 1e6, 1e12])


def exact(member: Any) -> Exact:
    (scale,) = numbers(member.scale)
    log_terms = mp.log(2) + abs(mp.log(scale))

    def log_density(value: np.ndarray) -> Scaled:
        ratio = abs(mp.mpf(float(value))) / scale
        return -mp.log(2 * scale) - ratio, log_terms + ratio

    scales = dict.fromkeys(ENTROPIES, (1 + log_terms,))
    return Exact([-1 / scale], lambda e: mp.log(-2 / e[0]), 1 + mp.log(2 * scale), log_density, scales=scales)


CASE = Case(
    Laplace(SCALES),
    np.array([0.0, 1e-9, -0.4, 3.0, -700.0])[:, None] * SCALES,
    exact,
    lambda m: scipy.stats.laplace(scale=m.scale),
    differentiated=(0, 1, 3, 8),
)

# the generalised normal of shape 1 is Laplace's, and has logarithms of its own where SciPy takes that of 0
MIXTURES = {"laplace-mixture": continuous(lambda p: scipy.stats.gennorm(1.0, scale=np.exp(p["log_scales"])))}
