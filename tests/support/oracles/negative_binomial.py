"""The negative binomial family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.special
import scipy.stats

from elbocheck.families import NegativeBinomial
from support.oracles.base import Case, Exact, Number, Scaled, numbers
from support.oracles.components import discrete, log_choose

LOGITS = np.array([0.7, 0.0, -0.0, 1e-9, -3.3, -12.0, -40.0, -300.0, -700.0, 2.0, 5.0])
FAILURES = 2.5


def expected_log_base_measure(logit: Number, failures: Number) -> Number:
    """E log h: the sum over all counts, up to where a geometric bound of the rest is below 1e-30 of it."""
    p = 1 / (1 + mp.exp(-logit))
    probability, log_h, total, u = mp.exp(-failures * mp.log1p(mp.exp(logit))), mp.mpf(0), mp.mpf(0), 0
    while True:
        factor = (u + failures) / (u + 1)
        probability, log_h, u = probability * p * factor, log_h + mp.log(factor), u + 1
        total += probability * log_h
        ratio = p * max(1, (u + failures) / (u + 1)) * (1 + mp.mpf(1) / u)  # log h grows more slowly than u
        if ratio < 1 and abs(probability * log_h) < abs(total) * (1 - ratio) / 10**30:
            return total


def exact(member: Any) -> Exact:
    (logit,), failures = numbers(member.logits), mp.mpf(float(member.failures))
    log_p, log_q = -mp.log1p(mp.exp(-logit)), -mp.log1p(mp.exp(logit))

    def log_base_measure(value: np.ndarray) -> Scaled:
        """gammaln is allowed an absolute error eps near its zeros, hence `1 +`; at u = 0 everything cancels exactly."""
        count = mp.mpf(float(value))
        terms = mp.loggamma(count + failures), mp.loggamma(failures), mp.loggamma(count + 1)
        return terms[0] - terms[1] - terms[2], mp.fsum(map(abs, terms)) + 1 if count else mp.mpf(0)

    def log_density(value: np.ndarray) -> Scaled:
        log_h, size = log_base_measure(value)
        linear = mp.mpf(float(value)) * log_p + failures * log_q
        return log_h + linear, size - linear

    with mp.workdps(40):
        expected = expected_log_base_measure(logit, failures)
    pseudo_entropy = -failures * (log_q + mp.exp(logit) * log_p)
    scales = {
        "entropy": [pseudo_entropy + abs(expected)],
        # proportional to e^logit where that is small
        "expected_log_base_measure": [abs(expected) * (1 + abs(logit))],
        # e^logit changes by the factor 1 + |logit| eps when the logit is rounded, log π for large logits too
        "mean_statistics": [failures * mp.exp(logit)],
    }
    return Exact(
        [log_p],
        lambda eta: -failures * mp.log1p(-mp.exp(eta[0])),
        pseudo_entropy - expected,
        log_density,
        log_base_measure,
        expected,
        scales,
        condition=1 + abs(float(logit)),
    )


CASE = Case(
    NegativeBinomial(LOGITS, FAILURES),
    np.array([0.0, 1.0, 2.0, 50.0, 1e6])[:, None] + 0.0 * LOGITS,
    exact,
    lambda m: scipy.stats.nbinom(m.failures, scipy.special.expit(-m.logits)),
    digits=1000,  # A − η · ∇A cancels all but e^−700 of its terms
    differentiated=(0, 3, 4, 5, 6),
)

IN_MIXTURE = 2.5
"""Failures, as the catalogue's model has them."""
MIXTURES = {
    "negative-binomial-mixture": discrete(
        lambda p: scipy.stats.nbinom(IN_MIXTURE, scipy.special.expit(-p["logits_x"])),
        log_h=lambda u: log_choose(u + IN_MIXTURE - 1, u),
        failures=lambda x: np.full_like(x, IN_MIXTURE),
    )
}
