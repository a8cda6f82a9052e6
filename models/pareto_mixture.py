"""Pareto mixture, known minimum, constant base measure."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Pareto
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_above
from elbocheck.models.variational.exact import EXACT

MINIMUM = 1.0


def _component(params: Arrays, fixed: Arrays) -> Pareto:
    return Pareto(namespace(params["log_shapes"]).xp.exp(params["log_shapes"][None, ...]), MINIMUM)


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    return {"log_shapes": -np.log(data_weights @ np.log(x / MINIMUM)) + 0.7 * rng.normal(size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Heavy tails above the known minimum, as far as single precision reaches."""
    shape = np.exp(0.5 + 1.5 * rng.normal(size=(max(count, 1), observed)))
    return np.minimum(MINIMUM * (1.0 + rng.pareto(shape[rng.integers(max(count, 1), size=data)])), 1e30)


PARETO_MIXTURE = mixture(
    name="pareto-mixture",
    title="Pareto mixture, known minimum",
    blocks=(Block("log_shapes", ("K", "D")),),
    component=_component,
    beta=lambda params: {"log_shapes": 1.0 + 1.0 / namespace(params["log_shapes"]).xp.exp(params["log_shapes"])},
    initial=_initial,
    check_data=check_above(MINIMUM),
    family="Pareto",
    constant_base_measure=True,
    simulate=_simulate,
    fill=2.0 * MINIMUM,
    distinct_data=lambda observed: 1,
)
CELLS = (Cell(PARETO_MIXTURE, EXACT, (16, 3, 3)),)
