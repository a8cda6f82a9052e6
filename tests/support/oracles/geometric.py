"""The geometric family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.special
import scipy.stats

from elbocheck.families import Geometric
from support.oracles.base import Case, Exact, Scaled, numbers
from support.oracles.components import discrete

LOGITS = np.array([0.7, 0.0, -0.0, 1e-9, -3.3, 12.0, -12.0, 36.0, -36.2, 40.0, -40.0, 300.0, -300.0, 700.0, -700.0])


def exact(member: Any) -> Exact:
    (logit,) = numbers(member.logits)
    log_p, log_q = -mp.log1p(mp.exp(-logit)), -mp.log1p(mp.exp(logit))

    def log_density(value: np.ndarray) -> Scaled:
        result = log_q + mp.mpf(float(value)) * log_p
        return result, -result

    entropy = -log_q - mp.exp(log_p - log_q) * log_p
    # near π = 1, log π = −e^−ℓ changes by the factor 1 + ℓ eps when ℓ is rounded
    condition = 1 + max(0.0, float(logit))
    return Exact([log_p], lambda e: -mp.log1p(-mp.exp(e[0])), entropy, log_density, condition=condition)


CASE = Case(
    Geometric(LOGITS),
    np.array([0.0, 1.0, 2.0, 50.0, 1e6])[:, None] + 0.0 * LOGITS,
    exact,
    lambda m: scipy.stats.geom(scipy.special.expit(-m.logits), loc=-1),
    digits=1000,  # A − η · ∇A cancels all but e^−700 of its terms
    differentiated=(0, 3, 4, 5, 6, 9, 10),
)

MIXTURES = {
    "geometric-mixture": discrete(
        lambda p: scipy.stats.geom(scipy.special.expit(-p["logits_x"]), loc=-1), failures=np.ones_like
    )
}
