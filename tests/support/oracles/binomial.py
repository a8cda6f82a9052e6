"""The binomial family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.special
import scipy.stats

from elbocheck.families import Binomial
from support.oracles.base import Case, Exact, Scaled, numbers
from support.oracles.components import discrete, log_choose

LOGITS = np.array([0.7, 0.0, -0.0, 1e-9, -3.3, 12.0, -12.0, 40.0, -40.0, 300.0, -700.0, 0.3, -0.02, 5.0])
TRIALS = np.array([7, 2, 3, 20, 12, 5, 4, 3, 30, 6, 9, 100, 400, 1000])


def exact(member: Any) -> Exact:
    """E log h is the sum over all counts."""
    (logit,), trials = numbers(member.logits), int(member.trials)
    log_p, log_q = -mp.log1p(mp.exp(-logit)), -mp.log1p(mp.exp(logit))

    def log_base_measure(value: np.ndarray) -> Scaled:
        count = round(float(value))
        terms = mp.loggamma(trials + 1), mp.loggamma(count + 1), mp.loggamma(trials - count + 1)
        return terms[0] - terms[1] - terms[2], mp.fsum(terms)

    def log_density(value: np.ndarray) -> Scaled:
        (log_h, size), count = log_base_measure(value), round(float(value))
        linear = count * log_p + (trials - count) * log_q
        return log_h + linear, size - linear

    with mp.workdps(60):
        choose = [mp.binomial(trials, u) for u in range(trials + 1)]
        ratio = mp.exp(log_p - log_q)
        expected = mp.fsum(c * ratio**u * mp.log(c) for u, c in enumerate(choose)) * mp.exp(trials * log_q)
    pseudo_entropy = -trials * (mp.exp(log_p) * log_p + mp.exp(log_q) * log_q)
    scales = {
        "entropy": [pseudo_entropy + expected],
        # where π or 1 − π is small E log h is proportional to it, and rounding log π by eps/2 · |η| changes it so
        "expected_log_base_measure": [expected * (1 + abs(logit))],
    }
    return Exact(
        [logit],
        lambda eta: trials * mp.log1p(mp.exp(eta[0])),
        pseudo_entropy - expected,
        log_density,
        log_base_measure,
        expected,
        scales,
    )


CASE = Case(
    Binomial(LOGITS, TRIALS),
    np.stack([0 * TRIALS, 0 * TRIALS + 1, TRIALS // 2, (3 * TRIALS) // 4, TRIALS]).astype(float),
    exact,
    lambda m: scipy.stats.binom(m.trials, scipy.special.expit(m.logits)),
    digits=700,  # A − η · ∇A cancels all but e^−700 of its terms
    differentiated=(0, 3, 5, 6, 7, 8, 11, 12),
)

IN_MIXTURE = 6
"""Trials, as the catalogue's model has them."""
MIXTURES = {
    "binomial-mixture": discrete(
        lambda p: scipy.stats.binom(IN_MIXTURE, scipy.special.expit(p["logits_x"])),
        log_h=lambda u: log_choose(IN_MIXTURE, u),
        failures=lambda x: IN_MIXTURE - x,
    )
}
