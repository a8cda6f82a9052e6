"""The beta family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import Beta
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers
from support.oracles.components import continuous
from support.oracles.gamma import unit_rate_entropy

ALPHAS = np.array([0.7, 1e-6, 1e-3, 1e-3, 1e3, 1.0, 0.5, 30.0, 1e5, 1e6, 1.0])
BETAS = np.array([2.3, 2.0, 1e-3, 1e3, 1e-3, 1.0, 0.5, 40.0, 3e5, 1e6, 1e6])
VALUES = np.array([1e-12, 0.25, 0.5, 0.9, 1 - 1e-9])


def exact(member: Any) -> Exact:
    """gammaln and digamma are allowed an absolute error eps near their zeros, hence `1 +`."""
    first, second = *numbers(member.alpha), *numbers(member.beta)
    shapes = [first, second, first + second]
    digammas, entropies = [mp.digamma(x) for x in shapes], [unit_rate_entropy(x) for x in shapes]
    log_gammas = 1 + mp.fsum(abs(mp.loggamma(x)) for x in shapes)

    def log_partition(eta: list[Number]) -> Number:
        return mp.loggamma(eta[0] + 1) + mp.loggamma(eta[1] + 1) - mp.loggamma(eta[0] + eta[1] + 2)

    eta = [first - 1, second - 1]

    def log_density(value: np.ndarray) -> Scaled:
        terms = [eta[0] * mp.log(mp.mpf(float(value))), eta[1] * mp.log1p(-mp.mpf(float(value)))]
        return mp.fsum(terms) - log_partition(eta), log_gammas + mp.fsum(map(abs, terms))

    entropy = log_partition(eta) - mp.fdot(eta, digammas[:2]) + (first + second - 2) * digammas[2]
    scales = {
        # what is left when the terms as large as the shapes have cancelled: entropies of gamma distributions
        **dict.fromkeys(ENTROPIES, (1 + mp.fsum(map(abs, entropies)) + abs(digammas[2]),)),
        "log_partition": [log_gammas],
        "mean_statistics": [1 + abs(x) + abs(digammas[2]) for x in digammas[:2]],
    }
    condition = float(1 + 1 / min(first, second))  # of the shapes η + 1
    return Exact(eta, log_partition, entropy, log_density, scales=scales, condition=condition)


CASE = Case(
    Beta(ALPHAS, BETAS),
    VALUES[:, None] + 0.0 * ALPHAS,
    exact,
    lambda m: scipy.stats.beta(m.alpha, m.beta),
    differentiated=(0, 2, 6, 7, 9),  # of unbalanced members, ψ'(b) − ψ'(a + b) cancels
)

MIXTURES = {"beta-mixture": continuous(lambda p: scipy.stats.beta(np.exp(p["log_alphas"]), np.exp(p["log_betas"])))}
