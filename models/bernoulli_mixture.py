"""Bernoulli mixture, constant base measure."""

from __future__ import annotations

import numpy as np

from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Bernoulli
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import both_values, check_binary
from elbocheck.models.variational.exact import EXACT


def _component(params: Arrays, fixed: Arrays) -> Bernoulli:
    return Bernoulli(params["logits_x"][None, ...])


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    mean = np.clip(data_weights @ x, 0.05, 0.95)
    return {"logits_x": np.log(mean / (1 - mean)) + rng.normal(size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Binary data with one vector of probabilities for each component."""
    p = rng.uniform(0.1, 0.9, (max(count, 1), observed))[rng.integers(max(count, 1), size=data)]
    return (rng.random((data, observed)) < p).astype(float)


BERNOULLI_MIXTURE = mixture(
    name="bernoulli-mixture",
    title="Bernoulli mixture",
    blocks=(Block("logits_x", ("K", "D")),),
    component=_component,
    beta=lambda params: {"logits_x": params["logits_x"]},
    initial=_initial,
    check_data=check_binary,
    family="Bernoulli",
    constant_base_measure=True,
    simulate=_simulate,
    repair=both_values,
)
CELLS = (Cell(BERNOULLI_MIXTURE, EXACT, (16, 3, 3)),)
