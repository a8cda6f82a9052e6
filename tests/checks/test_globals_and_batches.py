"""`subset` of a bound with latents that are there once for all data: their terms count 1 / N of all data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from elbocheck import Problem
from elbocheck.checks.scale import scale
from elbocheck.faults.unseen.targets import bayes_linear
from elbocheck.outcome import Outcome


def problem(of_all: bool) -> Problem:
    """Bayesian linear regression; `of_all`: whether the global terms are divided by all data, or by the rows given."""
    whole = bayes_linear.problem()
    elbo = whole.elbo
    assert elbo is not None
    x, y = bayes_linear.X, bayes_linear.Y

    def local(p: Any, rows: np.ndarray) -> Any:
        squares = (y[rows] - x[rows] @ p["m"]) ** 2 + x[rows] ** 2 @ np.exp(2.0 * p["log_s"])
        return 0.5 * np.mean(p["log_beta"] - bayes_linear.LOG_2PI - np.exp(p["log_beta"]) * squares)

    def subset(p: Any, rows: np.ndarray) -> Any:
        once = elbo(p) - local(p, np.arange(len(y)))
        return local(p, rows) + once * (1.0 if of_all else len(y) / len(rows))

    return replace(whole, subset=subset, fit=None)


@pytest.mark.parametrize("of_all", [True, False])
def test_batches_with_global_terms(of_all: bool) -> None:
    result = scale(problem(of_all))
    assert result is not None
    assert result.outcome is (Outcome.HOLDS if of_all else Outcome.VIOLATED)
    assert ("the terms of w, there once for all data, count 1 / N" in result.message) is not of_all
