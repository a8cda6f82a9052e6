"""Markov-switching autoregression: x_t | z_t, x_{t−1} ~ N(a_z x_{t−1} + b_z, σ_z²), z a hidden Markov chain.

A datum is a sequence of up to D times; the value before its first one is 0, as for a process that starts at rest. Given
the data, values before are inputs, so that the posterior over paths is that of any hidden Markov model.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Normal
from elbocheck.models.base import Params
from elbocheck.models.hmm import hmm, pick, pooled_scale
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_matrix, ones_like
from elbocheck.models.variational.chain import ARBITRARY_CHAIN, FORWARD_BACKWARD


def _emission(params: Arrays, fixed: Arrays, z: Array) -> Normal:
    """One line and one noise for each state, batch shape (N, M, T)."""
    x = fixed["x"]
    xp = namespace(x, z).xp
    past = xp.concat([xp.zeros_like(x[:, :1]), x[:, :-1]], axis=1)[:, None, :]
    mean = pick(z, params["slopes"]) * past + pick(z, params["intercepts"])
    return Normal(mean, xp.exp(pick(z, params["log_variances"])))


def _start(rng: np.random.Generator, x: np.ndarray, count: int) -> Params:
    """Regimes of different memory around the data."""
    scale = pooled_scale(x, np.full(len(x), 1 / len(x)))[0]
    return {
        "slopes": 0.6 * rng.normal(size=count),
        "intercepts": scale * rng.normal(size=count),
        "log_variances": 2 * np.log(scale) - 0.5 + 0.3 * rng.normal(size=count),
    }


def _emit(rng: np.random.Generator, states: np.ndarray, count: int) -> np.ndarray:
    """Slopes of alternating sign, and levels that differ."""
    x = np.zeros((len(states), 1))
    for state in states.T[:, :, None]:
        slope, level = 0.7 * (-1.0) ** state, 2.0 * state
        x = np.concatenate([x, slope * x[:, -1:] + level + rng.normal(size=state.shape)], axis=1)
    return x[:, 1:]


HIDDEN_AUTOREGRESSION = hmm(
    "switching-ar",
    "Markov-switching autoregression",
    "normal",
    (
        Block("slopes", ("K",)),
        Block("intercepts", ("K",), degree=1),
        Block("log_variances", ("K",), log_degree=2),
    ),
    _emission,
    lambda params: {"log_variances": -ones_like(params, "log_variances")},
    _start,
    _emit,
    check_matrix,
    units="scale",
    distinct=3,
)
# at one time nothing depends on the slopes
SWITCHING_AUTOREGRESSION = replace(
    HIDDEN_AUTOREGRESSION,
    data=replace(HIDDEN_AUTOREGRESSION.data, least_observed=2),
    theory=replace(HIDDEN_AUTOREGRESSION.theory, row=""),
)
CELLS = (
    Cell(SWITCHING_AUTOREGRESSION, FORWARD_BACKWARD, (16, 4, 2), least=(12, 3, 1), costly=True),
    Cell(SWITCHING_AUTOREGRESSION, ARBITRARY_CHAIN, (12, 4, 2), least=(8, 3, 1)),
)
