"""Negative binomial mixture, known r, base measure not constant."""

from __future__ import annotations

import numpy as np

from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import NegativeBinomial
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_counts, log_probability_beta, positive_count
from elbocheck.models.variational.exact import EXACT

FAILURES = 2.5


def _component(params: Arrays, fixed: Arrays) -> NegativeBinomial:
    return NegativeBinomial(params["logits_x"][None, ...], FAILURES)


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    return {"logits_x": np.log((data_weights @ x + 0.2) / FAILURES) + rng.normal(scale=0.7, size=(count, x.shape[1]))}


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Counts of successes before the r-th failure."""
    p = 1 / (1 + np.exp(2.0 * rng.normal(size=(max(count, 1), observed)) + 0.5))
    return rng.negative_binomial(FAILURES, p[rng.integers(max(count, 1), size=data)]).astype(float)


NEGATIVE_BINOMIAL_MIXTURE = mixture(
    name="negative-binomial-mixture",
    title="negative binomial mixture, known r",
    blocks=(Block("logits_x", ("K", "D")),),
    component=_component,
    beta=lambda params: log_probability_beta(params, NegativeBinomial(params["logits_x"], FAILURES)),
    initial=_initial,
    check_data=check_counts,
    family="negative binomial",
    constant_base_measure=False,
    simulate=_simulate,
    distinct_data=lambda observed: 1,
    repair=positive_count,
)
CELLS = (Cell(NEGATIVE_BINOMIAL_MIXTURE, EXACT, (16, 3, 3)),)
