"""The Pareto family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import Pareto
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers
from support.oracles.components import Params, continuous

SHAPES = np.array([2.3, 1e-3, 1.0, 0.5, 1e3, 1e6, 30.0])
MINIMA = np.array([1.7, 1.0, 1e6, 1e-6, 2.0, 0.3, 1e-3])


def exact(member: Any) -> Exact:
    shape, minimum = *numbers(member.shape), *numbers(member.minimum)
    log_shape, log_minimum = mp.log(shape), mp.log(minimum)
    log_terms = abs(log_shape) + abs(log_minimum)

    def log_density(value: np.ndarray) -> Scaled:
        log_ratio = mp.log(mp.mpf(float(value)) / minimum)
        last = (shape + 1) * log_ratio
        return log_shape - log_minimum - last, log_terms + last

    def log_partition(eta: list[Number]) -> Number:
        return -mp.log(-eta[0] - 1) + (eta[0] + 1) * log_minimum

    scales = {
        **dict.fromkeys(ENTROPIES, (log_terms + 1 / shape + 1,)),
        "log_partition": [abs(log_shape) + shape * abs(log_minimum)],
        "mean_statistics": [abs(log_minimum) + 1 / shape],
    }
    entropy, condition = log_minimum - log_shape + 1 / shape + 1, float(1 + 1 / shape)  # of −1 − η
    return Exact([-1 - shape], log_partition, entropy, log_density, scales=scales, condition=condition)


CASE = Case(
    Pareto(SHAPES, MINIMA),
    MINIMA * (1 + np.array([0.0, 1e-9, 0.5, 3.0, 1e6]))[:, None],
    exact,
    lambda m: scipy.stats.pareto(m.shape, scale=m.minimum),
    differentiated=(0, 1, 4, 5),
)


def component_log_likelihood(x: np.ndarray, params: Params) -> np.ndarray:
    """log x is exponential; scipy.stats takes the logarithm of a density that underflows."""
    log_x = np.log(x[:, None])
    return (scipy.stats.expon(scale=np.exp(-params["log_shapes"])).logpdf(log_x) - log_x).sum(-1)


MIXTURES = {
    "pareto-mixture": continuous(
        lambda p: scipy.stats.pareto(np.exp(p["log_shapes"])), log_density=component_log_likelihood
    )
}
