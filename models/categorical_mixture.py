"""Categorical mixture, constant base measure."""

from __future__ import annotations

import numpy as np

from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Categorical
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_symbols, every_symbol, one_hot, shifts
from elbocheck.models.variational.exact import EXACT

SYMBOLS = 3


def _component(params: Arrays, fixed: Arrays) -> Categorical:
    return Categorical(params["logits_x"][None, ...])


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    counts = np.stack([data_weights @ (x == symbol) for symbol in range(SYMBOLS)], axis=1)
    return {"logits_x": np.log(counts + 0.1) + 0.7 * rng.normal(size=(count, *counts.shape))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Symbols with one table of probabilities for each component."""
    logits = rng.normal(size=(max(count, 1), observed, SYMBOLS))[rng.integers(max(count, 1), size=data)]
    return np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1).astype(float)


CATEGORICAL_MIXTURE = mixture(
    name="categorical-mixture",
    title="categorical mixture",
    blocks=(Block("logits_x", ("K", "D", "C")),),
    component=_component,
    beta=lambda params: {"logits_x": params["logits_x"]},
    initial=_initial,
    check_data=check_symbols(SYMBOLS),
    family="categorical",
    constant_base_measure=True,
    simulate=_simulate,
    value=one_hot(SYMBOLS),
    axes={"C": SYMBOLS},
    symmetries=shifts("logits_x"),
    repair=every_symbol(SYMBOLS),
    distinct_data=lambda observed: SYMBOLS,
)
CELLS = (Cell(CATEGORICAL_MIXTURE, EXACT, (16, 3, 3)),)
