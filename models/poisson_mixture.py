"""Poisson mixture: base measure 1/x! not constant, so the theorem holds with pseudo-entropies."""

from __future__ import annotations

import numpy as np

from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Poisson
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_counts, positive_count
from elbocheck.models.variational.exact import EXACT
from elbocheck.models.variational.table import ARBITRARY, RESPONSIBILITIES


def _component(params: Arrays, fixed: Arrays) -> Poisson:
    return Poisson(params["log_rates"][None, ...])


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    return {"log_rates": np.log(data_weights @ x + 0.5) + rng.normal(scale=0.5, size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Counts from components with rates between about 0.5 and 30."""
    rates = np.exp(1.5 + rng.normal(size=(max(count, 1), observed)))
    return rng.poisson(rates[rng.integers(max(count, 1), size=data)]).astype(float)


POISSON_MIXTURE = mixture(
    name="poisson-mixture",
    title="Poisson mixture",
    blocks=(Block("log_rates", ("K", "D")),),
    component=_component,
    beta=lambda params: {"log_rates": params["log_rates"]},
    initial=_initial,
    check_data=check_counts,
    family="Poisson",
    constant_base_measure=False,
    simulate=_simulate,
    distinct_data=lambda observed: 1,
    repair=positive_count,
)
CELLS = (
    Cell(POISSON_MIXTURE, EXACT, (24, 3, 3)),
    Cell(POISSON_MIXTURE, RESPONSIBILITIES, (12, 3, 3)),
    Cell(POISSON_MIXTURE, ARBITRARY, (12, 3, 3)),
)
