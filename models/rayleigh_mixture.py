"""Rayleigh mixture, base measure not constant."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Rayleigh
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_positive, ones_like
from elbocheck.models.variational.exact import EXACT


def _component(params: Arrays, fixed: Arrays) -> Rayleigh:
    return Rayleigh(namespace(params["log_variances"]).xp.exp(params["log_variances"][None, ...]))


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    return {"log_variances": np.log(data_weights @ x**2 / 2) + rng.normal(size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Amplitudes of different size."""
    scale = np.exp(1.2 * rng.normal(size=(max(count, 1), observed)))
    return rng.rayleigh(scale[rng.integers(max(count, 1), size=data)])


RAYLEIGH_MIXTURE = mixture(
    name="rayleigh-mixture",
    title="Rayleigh mixture",
    blocks=(Block("log_variances", ("K", "D"), log_degree=2),),
    component=_component,
    beta=lambda params: {"log_variances": -ones_like(params, "log_variances")},
    initial=_initial,
    check_data=check_positive,
    family="Rayleigh",
    constant_base_measure=False,
    simulate=_simulate,
    units="scale",
    fill=1.0,
    distinct_data=lambda observed: 1,
)
CELLS = (Cell(RAYLEIGH_MIXTURE, EXACT, (16, 3, 3)),)
