"""Geometric mixture, constant base measure."""

from __future__ import annotations

import numpy as np

from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Geometric
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_counts, log_probability_beta, positive_count
from elbocheck.models.variational.exact import EXACT


def _component(params: Arrays, fixed: Arrays) -> Geometric:
    return Geometric(params["logits_x"][None, ...])


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    return {"logits_x": np.log(data_weights @ x + 0.2) + rng.normal(scale=0.7, size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Counts 0, 1, 2, … of failures."""
    p = 1 / (1 + np.exp(2.0 * rng.normal(size=(max(count, 1), observed)) + 0.5))
    return rng.geometric(p[rng.integers(max(count, 1), size=data)]) - 1.0


GEOMETRIC_MIXTURE = mixture(
    name="geometric-mixture",
    title="geometric mixture",
    blocks=(Block("logits_x", ("K", "D")),),
    component=_component,
    beta=lambda params: log_probability_beta(params, Geometric(params["logits_x"])),
    initial=_initial,
    check_data=check_counts,
    family="geometric",
    constant_base_measure=True,
    simulate=_simulate,
    distinct_data=lambda observed: 1,
    repair=positive_count,
)
CELLS = (Cell(GEOMETRIC_MIXTURE, EXACT, (16, 3, 3)),)
