"""Weibull mixture, known shape, base measure not constant."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Weibull
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_positive, ones_like
from elbocheck.models.variational.exact import EXACT

SHAPE = 1.5


def _component(params: Arrays, fixed: Arrays) -> Weibull:
    return Weibull(namespace(params["log_scales"]).xp.exp(params["log_scales"][None, ...]), SHAPE)


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    return {"log_scales": np.log(data_weights @ x**SHAPE) / SHAPE + 0.7 * rng.normal(size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Lifetimes of different scale."""
    scale = np.exp(1.3 * rng.normal(size=(max(count, 1), observed)))[rng.integers(max(count, 1), size=data)]
    return scale * rng.weibull(SHAPE, size=scale.shape)


WEIBULL_MIXTURE = mixture(
    name="weibull-mixture",
    title="Weibull mixture, known shape",
    blocks=(Block("log_scales", ("K", "D"), log_degree=1),),
    component=_component,
    beta=lambda params: {"log_scales": -ones_like(params, "log_scales") / SHAPE},
    initial=_initial,
    check_data=check_positive,
    family="Weibull",
    constant_base_measure=False,
    simulate=_simulate,
    units="scale",
    fill=1.0,
    distinct_data=lambda observed: 1,
)
CELLS = (Cell(WEIBULL_MIXTURE, EXACT, (16, 3, 3)),)
