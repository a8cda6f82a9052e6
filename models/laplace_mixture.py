"""Mixture of Laplace(0, b), constant base measure."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Laplace
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_nonzero, ones_like
from elbocheck.models.variational.exact import EXACT


def _component(params: Arrays, fixed: Arrays) -> Laplace:
    return Laplace(namespace(params["log_scales"]).xp.exp(params["log_scales"][None, ...]))


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    return {"log_scales": np.log(data_weights @ np.abs(x)) + rng.normal(size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Centred data of different spread."""
    scale = np.exp(1.5 * rng.normal(size=(max(count, 1), observed)))
    return rng.laplace(scale=scale[rng.integers(max(count, 1), size=data)])


LAPLACE_MIXTURE = mixture(
    name="laplace-mixture",
    title="mixture of Laplace(0, b)",
    blocks=(Block("log_scales", ("K", "D"), log_degree=1),),
    component=_component,
    beta=lambda params: {"log_scales": -ones_like(params, "log_scales")},
    initial=_initial,
    check_data=check_nonzero,
    family="Laplace",
    constant_base_measure=True,
    simulate=_simulate,
    units="scale",
    fill=1.0,
    distinct_data=lambda observed: 1,
)
CELLS = (Cell(LAPLACE_MIXTURE, EXACT, (16, 3, 3)),)
