"""Dirichlet mixture, constant base measure."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Dirichlet
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_simplex
from elbocheck.models.variational.exact import EXACT


def _component(params: Arrays, fixed: Arrays) -> Dirichlet:
    return Dirichlet(
        namespace(params["log_concentrations"]).xp.exp(params["log_concentrations"][None, ...]), where=fixed["exists_D"]
    )


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    return {"log_concentrations": 0.7 + 0.5 * rng.normal(size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Rows of proportions."""
    a = np.exp(0.7 + 0.5 * rng.normal(size=(max(count, 1), observed)))[rng.integers(max(count, 1), size=data)]
    x = np.maximum(rng.gamma(a), 1e-6)
    return x / x.sum(axis=1, keepdims=True)


DIRICHLET_MIXTURE = mixture(
    name="dirichlet-mixture",
    title="Dirichlet mixture",
    blocks=(Block("log_concentrations", ("K", "D")),),
    component=_component,
    beta=lambda params: {
        "log_concentrations": 1.0 - 1.0 / namespace(params["log_concentrations"]).xp.exp(params["log_concentrations"])
    },
    initial=_initial,
    check_data=check_simplex,
    family="Dirichlet",
    constant_base_measure=True,
    simulate=_simulate,
    distinct_data=lambda observed: 4,
    vector_event=True,
    least_observed=2,
    fill=0.5,
)
CELLS = (Cell(DIRICHLET_MIXTURE, EXACT, (16, 3, 3)),)
