"""Multinomial mixture, known n, base measure not constant."""

from __future__ import annotations

import numpy as np

from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Multinomial
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_total, shifts
from elbocheck.models.variational.exact import EXACT

TRIALS = 6


def _repair(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """A first row in which every category occurs, so that no logit is pushed to −∞."""
    observed = x.shape[1]
    first = 1.0 + rng.multinomial(TRIALS - observed, np.full(observed, 1 / observed))
    return np.concatenate([first[None], x[1:]])


def _component(params: Arrays, fixed: Arrays) -> Multinomial:
    return Multinomial(params["logits_x"][None, ...], TRIALS, where=fixed["exists_D"])


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    return {"logits_x": np.log(data_weights @ x + 0.2) + rng.normal(scale=0.7, size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Rows of counts with sum n."""
    p = rng.dirichlet(np.full(observed, 1.0), size=max(count, 1))
    return rng.multinomial(TRIALS, p[rng.integers(max(count, 1), size=data)]).astype(float)


MULTINOMIAL_MIXTURE = mixture(
    name="multinomial-mixture",
    title="multinomial mixture, known n",
    blocks=(Block("logits_x", ("K", "D")),),
    component=_component,
    beta=lambda params: {"logits_x": params["logits_x"]},
    initial=_initial,
    check_data=check_total(TRIALS),
    family="multinomial",
    constant_base_measure=False,
    simulate=_simulate,
    vector_event=True,
    symmetries=shifts("logits_x"),
    least_observed=2,
    distinct_data=lambda observed: 1,
    repair=_repair,
)
CELLS = (Cell(MULTINOMIAL_MIXTURE, EXACT, (16, 3, 3)),)
