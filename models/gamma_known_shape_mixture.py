"""Gamma mixture, known shape, base measure not constant."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import GammaKnownShape
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_positive, ones_like
from elbocheck.models.variational.exact import EXACT

SHAPE = 2.5


def _component(params: Arrays, fixed: Arrays) -> GammaKnownShape:
    return GammaKnownShape(namespace(params["log_rates"]).xp.exp(params["log_rates"][None, ...]), SHAPE)


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    return {"log_rates": np.log(SHAPE / (data_weights @ x)) + 0.7 * rng.normal(size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Gamma variables of different mean."""
    scale = np.exp(1.3 * rng.normal(size=(max(count, 1), observed)))
    return rng.gamma(SHAPE, scale[rng.integers(max(count, 1), size=data)])


GAMMA_KNOWN_SHAPE_MIXTURE = mixture(
    name="gamma-known-shape-mixture",
    title="gamma mixture, known shape",
    blocks=(Block("log_rates", ("K", "D"), log_degree=-1),),
    component=_component,
    beta=lambda params: {"log_rates": ones_like(params, "log_rates")},
    initial=_initial,
    check_data=check_positive,
    family="gamma, known shape",
    constant_base_measure=False,
    simulate=_simulate,
    units="scale",
    fill=1.0,
    distinct_data=lambda observed: 1,
)
CELLS = (Cell(GAMMA_KNOWN_SHAPE_MIXTURE, EXACT, (16, 3, 3)),)
