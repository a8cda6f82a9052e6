"""Binomial mixture, known n, base measure not constant."""

from __future__ import annotations

import numpy as np

from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Binomial
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_counts_to
from elbocheck.models.variational.exact import EXACT

TRIALS = 6


def _repair(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Counts that are neither all 0 nor all n in any column, so that no logit is pushed to infinity."""
    return np.concatenate([np.clip(x[:1], 1, TRIALS - 1), x[1:]])


def _component(params: Arrays, fixed: Arrays) -> Binomial:
    return Binomial(params["logits_x"][None, ...], TRIALS)


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    mean = np.clip(data_weights @ x / TRIALS, 0.05, 0.95)
    return {"logits_x": np.log(mean / (1 - mean)) + rng.normal(scale=0.7, size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Successes out of n."""
    p = rng.uniform(0.03, 0.97, (max(count, 1), observed))[rng.integers(max(count, 1), size=data)]
    return rng.binomial(TRIALS, p).astype(float)


BINOMIAL_MIXTURE = mixture(
    name="binomial-mixture",
    title="binomial mixture, known n",
    blocks=(Block("logits_x", ("K", "D")),),
    component=_component,
    beta=lambda params: {"logits_x": params["logits_x"]},
    initial=_initial,
    check_data=check_counts_to(TRIALS),
    family="binomial",
    constant_base_measure=False,
    simulate=_simulate,
    distinct_data=lambda observed: 1,
    repair=_repair,
)
CELLS = (Cell(BINOMIAL_MIXTURE, EXACT, (16, 3, 3)),)
