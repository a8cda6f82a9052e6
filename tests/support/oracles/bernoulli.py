"""The Bernoulli family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.special
import scipy.stats

from elbocheck.families import Bernoulli
from support.oracles.base import Case, Exact, Scaled, numbers
from support.oracles.components import discrete

LOGITS = np.array([0.7, 0.0, -0.0, 1e-9, -3.3, 12.0, -12.0, 35.7, -36.2, 40.0, -40.0, 300.0, -300.0, 700.0, -700.0])


def exact(member: Any) -> Exact:
    (eta,) = numbers(member.logits)
    log_p, log_q = -mp.log1p(mp.exp(-eta)), -mp.log1p(mp.exp(eta))

    def log_density(value: np.ndarray) -> Scaled:
        return (log_p, -log_p) if value else (log_q, -log_q)

    entropy = -mp.exp(log_p) * log_p - mp.exp(log_q) * log_q
    return Exact([eta], lambda e: mp.log1p(mp.exp(e[0])), entropy, log_density)


CASE = Case(
    Bernoulli(LOGITS),
    np.stack([np.zeros_like(LOGITS), np.ones_like(LOGITS)]),
    exact,
    lambda m: scipy.stats.bernoulli(scipy.special.expit(m.logits)),
    digits=700,  # A − η · ∇A cancels all but e^−700 of its terms
    differentiated=(0, 3, 4, 5, 6, 9, 10),
)

MIXTURES = {
    "bernoulli-mixture": discrete(
        lambda p: scipy.stats.bernoulli(scipy.special.expit(p["logits_x"])), failures=lambda x: 1 - x
    )
}
