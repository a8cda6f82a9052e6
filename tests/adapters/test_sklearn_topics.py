"""scikit-learn's latent Dirichlet allocation on real data: its bound, its training, and faults in them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.special import digamma

from elbocheck import Problem, Target, check_target, decompose
from elbocheck.adapters import sklearn as adapter
from elbocheck.adapters.sklearn_topics import series
from elbocheck.checks import every_point, fit, permutation, scale, value
from elbocheck.errors import InputError
from elbocheck.outcome import Outcome
from support.adapters_data import moved, shipped

decomposition = pytest.importorskip("sklearn.decomposition", reason="scikit-learn is not installed")
datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")

PIXELS = shipped("digits_binary")[:16]
INK = datasets.load_digits().data[:10, 26:38]
Topics = decomposition.LatentDirichletAllocation
topics = partial(Topics, n_components=2, random_state=0)


def judged(problem: Problem, check: Any) -> Any:
    result = check(problem)
    assert result is not None
    return result


@pytest.mark.parametrize("x", [PIXELS, INK, sparse.csr_matrix(INK)], ids=["pixels", "ink", "sparse"])
def test_every_check_holds(x: Any) -> None:
    problem = moved(adapter.problem(topics(doc_topic_prior=0.8), x), 1, 0.3)
    for check in (value, scale, permutation):
        result = judged(problem, check)
        assert result.outcome is Outcome.HOLDS, result.message
    result = judged(problem, every_point)
    assert result.message.startswith("value and gradient hold; by the theorem shares outside"), result.message


def test_training_reaches_a_stationary_point() -> None:
    result = judged(adapter.problem(topics(), PIXELS[:8]), fit)
    assert result.outcome is Outcome.HOLDS, result.message


def test_online_training_is_not_judged() -> None:
    assert adapter.problem(topics(learning_method="online"), PIXELS).fit is None


def test_the_value_is_that_of_score_and_perplexity() -> None:
    estimator = topics().fit(INK)
    problem = adapter.problem(estimator, INK)
    assert problem.elbo is not None
    found = problem.elbo(problem.params)
    assert found == pytest.approx(estimator.score(INK) / len(INK), rel=1e-13)
    assert np.exp(-found * len(INK) / INK.sum()) == pytest.approx(estimator.perplexity(INK), rel=1e-13)


def test_the_digamma_of_the_library_is_a_series_that_is_cut_off() -> None:
    from sklearn.decomposition import _online_lda_fast

    a = np.array([0.01, 0.3, 1.0, 4.9, 6.0, 7.0, 30.0])
    found = _online_lda_fast._dirichlet_expectation_2d(np.stack([a, np.full(a.shape, 1e6)]))
    assert found[0] == pytest.approx(series(a) - series(a.sum(keepdims=True)), abs=1e-13)
    error = float((series(np.array([6.0])) - digamma(6.0))[0])
    assert error == pytest.approx(-1.0 / 240.0 / 6.0**8, rel=0.25)
    assert 1e-9 < abs(error) < 2.5e-9
    departure = adapter.problem(topics(), PIXELS).departures[0]
    assert departure.name.startswith("the library's digamma")


class NoEntropyOfTopics(Topics):
    """A bound with the prior of the topics for the divergence of q from it."""

    def _approx_bound(self, X: Any, doc_topic_distr: Any, sub_sampling: bool) -> Any:
        from elbocheck.families import Dirichlet

        return super()._approx_bound(X, doc_topic_distr, sub_sampling) - Dirichlet(self.components_).entropy().sum()


class Halved(Topics):
    """An M-step with half of the counts."""

    def _e_step(self, X: Any, cal_sstats: bool, random_init: bool, parallel: Any = None) -> Any:
        shares, counts = super()._e_step(X, cal_sstats, random_init, parallel)
        return shares, counts if counts is None else 0.5 * counts


def test_a_forgotten_entropy_is_named() -> None:
    problem = moved(adapter.problem(NoEntropyOfTopics(n_components=2, random_state=0), PIXELS), 1, 0.3)
    report = check_target(Target("planted", [replace(problem, fit=None)]), on_fail="report")
    diagnosis = next(one.result.diagnosis for one in report.failures if one.check == "value" and one.result)
    assert diagnosis is not None
    assert (diagnosis.factor, diagnosis.suspect) == ("q", "missing: the entropy of q(topics)")


def test_a_wrong_m_step_is_rejected() -> None:
    result = judged(adapter.problem(Halved(n_components=2, random_state=0), PIXELS[:4]), fit)
    assert result.outcome is Outcome.VIOLATED
    assert "largest in log_topics" in result.message


def test_bad_input() -> None:
    with pytest.raises(InputError, match="counts of words"):
        adapter.problem(topics(), PIXELS - 1.0)
    with pytest.raises(InputError, match="the estimator knows 9 words; the data have 12 columns"):
        adapter.problem(topics().fit(PIXELS), INK)
    assert decompose(adapter.problem(topics().fit(PIXELS), PIXELS)).elbo < 0.0
