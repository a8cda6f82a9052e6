"""What the checks of rows of the data share: the code under test on some rows, and a verdict with measured noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import read
from elbocheck.outcome import Outcome, Result


def inputs(problem: Problem) -> tuple[np.ndarray, Callable[[np.ndarray], float]]:
    """(data weights (N,), ELBO of some rows)."""
    params, weights = problem.code_params(problem.vector), read(problem).data_weights
    return weights, lambda rows: float(problem.scalar("subset", params, rows))


def settled(problem: Problem, judged: Callable[[Problem, Decomposition], Result]) -> Result:
    """With measured noise where the bounds of the terms are exceeded."""
    found = judged(problem, decompose(problem))
    return judged(problem, decompose(problem, thorough=True)) if found.outcome is Outcome.VIOLATED else found
