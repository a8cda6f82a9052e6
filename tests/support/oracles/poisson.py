"""The Poisson family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.special
import scipy.stats

from elbocheck.families import Poisson
from support.oracles.base import Case, Exact, Scaled, numbers
from support.oracles.components import discrete

RATES = np.array([3.3, 1e-12, 1e-6, 0.02, 1.0, np.e, 9.0, 25.0, 44.4, 47.9999, 48.0001, 80.0, 1e3, 1e5, 1e8])


def exact(member: Any) -> Exact:
    """E log u! is summed over every stride-th count, from 16 σ below the rate (or 0) to 16 σ above.

    Sampling a sum with stride σ/8 leaves a relative error exp(−2π² 8²) = 1e-548; 1e-33 of the probability is left out.
    """
    (eta,) = numbers(member.log_rate)
    rate, stride = mp.exp(eta), max(1, int(mp.exp(eta / 2) / 8))
    start = max(0, int(rate) - 320 * stride)
    log_factorials = {count: mp.loggamma(count + 1) for count in range(start, start + 641 * stride, stride)}
    expected = stride * mp.fsum(mp.exp(k * eta - rate - log) * log for k, log in log_factorials.items())

    def log_base_measure(value: np.ndarray) -> Scaled:
        result = mp.loggamma(mp.mpf(float(value)) + 1)
        return -result, abs(result)

    def log_density(value: np.ndarray) -> Scaled:
        first, log_factorial = mp.mpf(float(value)) * eta, log_base_measure(value)[1]
        return first - rate - log_factorial, abs(first) + rate + log_factorial

    entropy = rate * (1 - eta) + expected
    # E log u! ~ λ² has condition 2|η| for small λ; up to the switch at 48, rounding λ shifts log p(u) by λ eps/2
    scales = {"expected_log_base_measure": [expected * (1 + abs(eta))], "entropy": [entropy * (1 + abs(eta))]}
    return Exact([eta], lambda e: mp.exp(e[0]), entropy, log_density, log_base_measure, -expected, scales)


CASE = Case(
    Poisson(np.log(RATES)),
    np.stack([0 * RATES, 0 * RATES + 1, 0 * RATES + 2, np.round(RATES), np.round(3 * RATES + 40)]),
    exact,
    lambda m: scipy.stats.poisson(np.exp(m.log_rate)),
    differentiated=(0, 1, 3, 9, 10, 14),
)

MIXTURES = {
    "poisson-mixture": discrete(
        lambda p: scipy.stats.poisson(np.exp(p["log_rates"])), log_h=lambda u: -scipy.special.gammaln(u + 1)
    )
}
