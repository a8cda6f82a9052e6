"""Beta mixture, constant base measure."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Beta
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_unit_interval
from elbocheck.models.variational.exact import EXACT


def _component(params: Arrays, fixed: Arrays) -> Beta:
    return Beta(
        namespace(params["log_alphas"]).xp.exp(params["log_alphas"][None, ...]),
        namespace(params["log_betas"]).xp.exp(params["log_betas"][None, ...]),
    )


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    shape = (count, x.shape[1])
    return {"log_alphas": 0.7 + 0.5 * rng.normal(size=shape), "log_betas": 0.7 + 0.5 * rng.normal(size=shape)}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Proportions."""
    a, b = np.exp(0.7 + 0.5 * rng.normal(size=(2, max(count, 1), observed)))
    which = rng.integers(max(count, 1), size=data)
    return np.clip(rng.beta(a[which], b[which]), 1e-6, 1 - 1e-6)


BETA_MIXTURE = mixture(
    name="beta-mixture",
    title="beta mixture",
    blocks=(
        Block("log_alphas", ("K", "D")),
        Block("log_betas", ("K", "D")),
    ),
    component=_component,
    beta=lambda params: {
        name: 1.0 - 1.0 / namespace(params[name]).xp.exp(params[name]) for name in ("log_alphas", "log_betas")
    },
    initial=_initial,
    check_data=check_unit_interval,
    family="beta",
    constant_base_measure=True,
    simulate=_simulate,
    distinct_data=lambda observed: 4,
    fill=0.5,
)
CELLS = (Cell(BETA_MIXTURE, EXACT, (16, 3, 3)),)
