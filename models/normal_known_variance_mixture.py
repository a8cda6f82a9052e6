"""Gaussian mixture, known variance, base measure not constant."""

from __future__ import annotations

import numpy as np

from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import NormalKnownVariance
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_matrix
from elbocheck.models.variational.exact import EXACT

VARIANCE = 0.8


def _component(params: Arrays, fixed: Arrays) -> NormalKnownVariance:
    return NormalKnownVariance(params["means"][None, ...], VARIANCE)


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    chosen = x[rng.integers(len(x), size=count)]
    return {"means": 0.7 * chosen + 0.3 * (data_weights @ x) + 0.3 * rng.normal(size=chosen.shape)}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Clusters of the known variance."""
    centre = 2.2 * rng.normal(size=(max(count, 1), observed))[rng.integers(max(count, 1), size=data)]
    return centre + np.sqrt(VARIANCE) * rng.normal(size=centre.shape)


NORMAL_KNOWN_VARIANCE_MIXTURE = mixture(
    name="normal-known-var-mixture",
    title="Gaussian mixture, known variance",
    blocks=(Block("means", ("K", "D")),),
    component=_component,
    beta=lambda params: {"means": params["means"]},
    initial=_initial,
    check_data=check_matrix,
    family="normal, known variance",
    constant_base_measure=False,
    simulate=_simulate,
    distinct_data=lambda observed: 1,
)
CELLS = (Cell(NORMAL_KNOWN_VARIANCE_MIXTURE, EXACT, (16, 3, 3)),)
