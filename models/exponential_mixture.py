"""Exponential mixture, constant base measure."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Exponential
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_positive, ones_like
from elbocheck.models.variational.exact import EXACT


def _component(params: Arrays, fixed: Arrays) -> Exponential:
    return Exponential(namespace(params["log_rates"]).xp.exp(params["log_rates"][None, ...]))


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    return {"log_rates": -np.log(data_weights @ x) + rng.normal(size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Waiting times of different mean."""
    scale = np.exp(1.5 * rng.normal(size=(max(count, 1), observed)))
    return rng.exponential(scale[rng.integers(max(count, 1), size=data)])


EXPONENTIAL_MIXTURE = mixture(
    name="exponential-mixture",
    title="exponential mixture",
    blocks=(Block("log_rates", ("K", "D"), log_degree=-1),),
    component=_component,
    beta=lambda params: {"log_rates": ones_like(params, "log_rates")},
    initial=_initial,
    check_data=check_positive,
    family="exponential",
    constant_base_measure=True,
    simulate=_simulate,
    units="scale",
    fill=1.0,
    distinct_data=lambda observed: 1,
)
CELLS = (Cell(EXPONENTIAL_MIXTURE, EXACT, (16, 3, 3)),)
