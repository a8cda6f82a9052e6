"""Gamma mixture, constant base measure."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Gamma
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_positive, ones_like
from elbocheck.models.variational.exact import EXACT


def _component(params: Arrays, fixed: Arrays) -> Gamma:
    return Gamma(
        namespace(params["log_shapes"]).xp.exp(params["log_shapes"][None, ...]),
        namespace(params["log_rates"]).xp.exp(params["log_rates"][None, ...]),
    )


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    shape = (count, x.shape[1])
    return {
        "log_shapes": 0.7 + 0.5 * rng.normal(size=shape),
        "log_rates": 0.7 - np.log(data_weights @ x) + 0.5 * rng.normal(size=shape),
    }


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Clusters of gamma variables."""
    shape, scale = np.exp(1.0 + 0.5 * rng.normal(size=(2, max(count, 1), observed)))
    which = rng.integers(max(count, 1), size=data)
    return rng.gamma(shape[which], scale[which])


GAMMA_MIXTURE = mixture(
    name="gamma-mixture",
    title="gamma mixture",
    blocks=(
        Block("log_shapes", ("K", "D")),
        Block("log_rates", ("K", "D"), log_degree=-1),
    ),
    component=_component,
    beta=lambda params: {
        "log_shapes": 1.0 - 1.0 / namespace(params["log_shapes"]).xp.exp(params["log_shapes"]),
        "log_rates": ones_like(params, "log_rates"),
    },
    initial=_initial,
    check_data=check_positive,
    family="gamma",
    constant_base_measure=True,
    simulate=_simulate,
    distinct_data=lambda observed: 4,
    units="scale",
    fill=1.0,
)
CELLS = (Cell(GAMMA_MIXTURE, EXACT, (16, 3, 3)),)
