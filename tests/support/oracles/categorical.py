"""The categorical family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.special
import scipy.stats

from elbocheck.families import Categorical
from support.oracles.base import ENTROPIES, Case, Exact, Scaled, numbers
from support.oracles.components import Component, Params

CATEGORIES = np.array(
    [
        [0.3, -0.9, 1.1, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [2.0, 2.0, -40.0, 2.0],
        [40.0, -40.0, 40.0, 1.0],
        [-40.0, -39.5, 40.0, -1.0],
        [700.0, -700.0, 1e-9, 699.0],
    ]
)


def exact(member: Any) -> Exact:
    eta = numbers(member.logits)
    log_p = [-mp.log(mp.fsum(mp.exp(other - e) for other in eta)) for e in eta]
    spread = 1 + max(eta) - min(eta)  # rounding a difference of logits by eps/2 · |difference| scales p by that much

    def log_density(value: np.ndarray) -> Scaled:
        result = log_p[int(np.argmax(value))]
        return result, abs(result) * spread

    entropy = -mp.fsum(mp.exp(x) * x for x in log_p)
    scales = {
        **dict.fromkeys(ENTROPIES, (entropy * spread,)),
        "mean_statistics": [mp.exp(x) * spread for x in log_p],
        "log_partition": [abs(max(eta)) - max(log_p)],
    }
    return Exact(eta, lambda e: mp.log(mp.fsum(mp.exp(x) for x in e)), entropy, log_density, scales=scales)


CASE = Case(
    Categorical(CATEGORIES),
    np.broadcast_to(np.eye(4)[:, None], (4, 6, 4)),
    exact,
    lambda m: scipy.stats.multinomial(1, scipy.special.softmax(m.logits)),
    digits=700,
    differentiated=(0, 2, 3, 4),
)


def component_log_likelihood(x: np.ndarray, params: Params) -> np.ndarray:
    """scipy.stats wants probabilities, which lose digits at saturated logits."""
    log_p = scipy.special.log_softmax(params["logits_x"], axis=-1)
    return np.stack([log_p[:, np.arange(row.size), row.astype(int)].sum(-1) for row in x])


def component_entropy(params: Params, observed: int) -> np.ndarray:
    return scipy.special.entr(scipy.special.softmax(params["logits_x"], axis=-1)).sum((-1, -2))


MIXTURES = {"categorical-mixture": Component(component_log_likelihood, component_entropy)}
