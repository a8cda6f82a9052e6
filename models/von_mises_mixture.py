"""von Mises mixture, constant base measure."""

from __future__ import annotations

import numpy as np

from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import VonMises
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_matrix
from elbocheck.models.variational.exact import EXACT


def _component(params: Arrays, fixed: Arrays) -> VonMises:
    return VonMises(params["cosines"][None, ...], params["sines"][None, ...])


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    shape = (count, x.shape[1])
    return {"cosines": rng.normal(size=shape), "sines": rng.normal(size=shape)}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Directions around one angle for each component."""
    centre = rng.uniform(-np.pi, np.pi, (max(count, 1), observed))[rng.integers(max(count, 1), size=data)]
    return rng.vonmises(centre, 1.5)


VON_MISES_MIXTURE = mixture(
    name="von-mises-mixture",
    title="von Mises mixture",
    blocks=(
        Block("cosines", ("K", "D")),
        Block("sines", ("K", "D")),
    ),
    component=_component,
    beta=lambda params: {"cosines": params["cosines"], "sines": params["sines"]},
    initial=_initial,
    check_data=check_matrix,
    family="von Mises",
    constant_base_measure=True,
    simulate=_simulate,
    distinct_data=lambda observed: 6,
)
CELLS = (Cell(VON_MISES_MIXTURE, EXACT, (16, 3, 3)),)
