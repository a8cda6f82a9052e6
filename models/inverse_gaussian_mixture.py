"""Inverse Gaussian mixture, base measure not constant."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import InverseGaussian
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_positive, ones_like
from elbocheck.models.variational.exact import EXACT


def _component(params: Arrays, fixed: Arrays) -> InverseGaussian:
    return InverseGaussian(
        namespace(params["log_means"]).xp.exp(params["log_means"][None, ...]),
        namespace(params["log_shapes"]).xp.exp(params["log_shapes"][None, ...]),
    )


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    shape, mean = (count, x.shape[1]), np.log(data_weights @ x)
    return {"log_means": mean + 0.5 * rng.normal(size=shape), "log_shapes": mean + 0.5 * rng.normal(size=shape)}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """First passage times."""
    mean, shape = np.exp(0.8 * rng.normal(size=(2, max(count, 1), observed)))
    which = rng.integers(max(count, 1), size=data)
    return rng.wald(mean[which], 2.0 * shape[which])


INVERSE_GAUSSIAN_MIXTURE = mixture(
    name="inverse-gaussian-mixture",
    title="inverse Gaussian mixture",
    blocks=(
        Block("log_means", ("K", "D"), log_degree=1),
        Block("log_shapes", ("K", "D"), log_degree=1),
    ),
    component=_component,
    beta=lambda params: {"log_shapes": ones_like(params, "log_shapes")},
    initial=_initial,
    check_data=check_positive,
    family="inverse Gaussian",
    constant_base_measure=False,
    simulate=_simulate,
    units="scale",
    fill=1.0,
)
CELLS = (Cell(INVERSE_GAUSSIAN_MIXTURE, EXACT, (16, 3, 3)),)
