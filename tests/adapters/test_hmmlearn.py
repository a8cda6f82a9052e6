"""hmmlearn's own classes on real data: scores, Baum–Welch, and the gaps that its priors leave."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from elbocheck import Problem, decompose
from elbocheck.adapters import hmmlearn as adapter
from elbocheck.checks import every_point, evidence, permutation, scale, value
from elbocheck.errors import InputError
from elbocheck.outcome import Outcome
from support.adapters_data import gaps, moved, shipped

hmm = pytest.importorskip("hmmlearn.hmm", reason="hmmlearn is not installed")

FAITHFUL = shipped("old_faithful")
LENGTHS = [90, 60, 122]
LONG = (FAITHFUL[:, :1] > 3.0).astype(int) + (FAITHFUL[:, :1] > 4.3).astype(int)
KINDS = ("diag", "spherical", "full", "tied")
gaussian = partial(hmm.GaussianHMM, n_components=2, random_state=0, n_iter=20)
categorical = partial(hmm.CategoricalHMM, n_components=2, random_state=0, n_iter=20)
plain: dict[str, Any] = {"covars_prior": 0.0}
ESTIMATORS = {
    **{kind: (partial(gaussian, covariance_type=kind, **plain), FAITHFUL) for kind in KINDS},
    "categorical": (categorical, LONG),
}


def trained(problem: Problem) -> Problem:
    assert problem.fit is not None
    return problem.at(problem.vector_of(problem.fit(problem.params)))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_check_holds(name: str) -> None:
    make, x = ESTIMATORS[name]
    problem = adapter.problem(make(), x, LENGTHS)
    assert problem.departures == ()
    for check in (value, every_point, evidence, scale, permutation):
        result = check(moved(problem, seed=1, size=0.2))
        assert result is not None
        assert result.outcome is Outcome.HOLDS, result.message


@pytest.mark.parametrize("name", ESTIMATORS)
def test_baum_welch_reaches_the_entropy_sum(name: str) -> None:
    make, x = ESTIMATORS[name]
    terms = decompose(trained(adapter.problem(make(), x, LENGTHS)))
    assert all(abs(gap) <= 1e-8 for gap in gaps(terms).values()), gaps(terms)


PRIORS: dict[str, tuple[Any, Any]] = {
    **{kind: (partial(gaussian, covariance_type=kind), FAITHFUL) for kind in KINDS},
    "weights": (partial(gaussian, covars_prior=0.3, covars_weight=4.0, means_weight=2.0, means_prior=1.0), FAITHFUL),
    "full, weights": (partial(gaussian, covariance_type="full", covars_prior=0.3, covars_weight=7.0), FAITHFUL),
    "probabilities": (partial(categorical, startprob_prior=1.5, transmat_prior=2.0, emissionprob_prior=1.2), LONG),
}


@pytest.mark.parametrize("name", PRIORS)
def test_priors_explain_the_gap(name: str) -> None:
    make, x = PRIORS[name]
    at = trained(adapter.problem(make(), x, LENGTHS))
    found, predicted = gaps(decompose(at)), dict.fromkeys(("start", "transition", "x"), 0.0)
    for departure in at.departures:
        for factor, size in departure.at(at.params).items():
            predicted[factor] += size
    assert max(abs(size) for size in predicted.values()) > 1e-4
    for factor, gap in found.items():
        assert gap == pytest.approx(predicted[factor], abs=1e-8), factor


def test_one_sequence_and_bad_input() -> None:
    problem = adapter.problem(gaussian(), FAITHFUL)
    assert decompose(problem).elbo == pytest.approx(decompose(problem).declared, rel=1e-12)
    with pytest.raises(InputError, match=r"sum to the 272 observations; got \[100\]"):
        adapter.problem(gaussian(), FAITHFUL, [100])
    with pytest.raises(InputError, match="no adapter for PoissonHMM"):
        adapter.problem(hmm.PoissonHMM(), LONG)
