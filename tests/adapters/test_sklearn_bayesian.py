"""scikit-learn's Bayesian mixture on real data: the constants of its `lower_bound_`, its steps, and faults in them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from elbocheck import Problem, Target, check_target, decompose
from elbocheck.adapters import sklearn as adapter
from elbocheck.checks import every_point, fit, value
from elbocheck.errors import InputError
from elbocheck.outcome import Outcome
from support.adapters_data import moved, shipped

mixtures = pytest.importorskip("sklearn.mixture", reason="scikit-learn is not installed")

FAITHFUL = shipped("old_faithful")[::8]
KINDS = ("full", "tied", "diag", "spherical")
WEIGHTS = ("dirichlet_distribution", "dirichlet_process")
PRIORS: dict[str, Any] = {
    "mean_precision_prior": 0.3,
    "degrees_of_freedom_prior": 3.5,
    "weight_concentration_prior": 0.7,
}
Mixture = mixtures.BayesianGaussianMixture
mixture = partial(Mixture, n_components=2, random_state=0, reg_covar=0.0, max_iter=500, **PRIORS)


def judged(problem: Problem, check: Any) -> Any:
    result = check(problem)
    assert result is not None
    return result


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_is_the_declared_one_but_for_named_constants(kind: str, weights: str) -> None:
    estimator = mixture(covariance_type=kind, weight_concentration_prior_type=weights)
    problem = adapter.problem(estimator, FAITHFUL)
    result = judged(moved(problem, 1, 0.3), value)
    assert result.outcome is Outcome.HOLDS, result.message
    assert "½ log 2π of the data is left out, +1.84 nats per datum, is subtracted" in result.note
    assert "log Z of the prior of the weights is left out" in result.note


@pytest.mark.parametrize("kind", ["diag", "spherical"])
def test_gradient_and_training_hold(kind: str) -> None:
    problem = adapter.problem(mixture(covariance_type=kind), FAITHFUL)
    result = judged(moved(problem, 1, 0.3), every_point)
    assert result.message.startswith("value and gradient hold; by the theorem weights outside"), result.message
    result = judged(problem, fit)
    assert result.outcome is Outcome.HOLDS, result.message


def test_lower_bound_is_the_value() -> None:
    """`lower_bound_` of one step from given parameters, and its constants by hand for one prior."""
    estimator = mixture(covariance_type="diag").fit(FAITHFUL)
    problem = adapter.problem(estimator, FAITHFUL)
    again = estimator.set_params(warm_start=True, max_iter=1, tol=1e9).fit(FAITHFUL)
    assert problem.elbo is not None
    assert problem.elbo(problem.params) == pytest.approx(again.lower_bound_ / len(FAITHFUL), rel=1e-14)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_one_component_is_the_evidence(weights: str) -> None:
    """With one component and full covariances q is exact: the product of Student's predictive densities of SciPy."""
    estimator = mixture(n_components=1, weight_concentration_prior_type=weights)
    terms = decompose(adapter.problem(estimator, FAITHFUL))
    size = FAITHFUL.shape[1]
    mean, strength, degrees, inverse = FAITHFUL.mean(0), 0.3, 3.5, np.cov(FAITHFUL.T)
    evidence = 0.0
    for x in FAITHFUL:
        free = degrees - size + 1.0
        shape = inverse * (strength + 1.0) / (strength * free)
        evidence += float(stats.multivariate_t(mean, shape, df=free).logpdf(x))
        inverse = inverse + strength / (strength + 1.0) * np.outer(x - mean, x - mean)
        mean, strength, degrees = (strength * mean + x) / (strength + 1.0), strength + 1.0, degrees + 1.0
    if weights == "dirichlet_process":  # every datum takes the first stick: Π_n n / (n + γ)
        counts = np.arange(1, len(FAITHFUL) + 1)
        evidence += float(np.sum(np.log(counts / (counts + 0.7))))
    assert terms.elbo == pytest.approx(evidence / len(FAITHFUL), abs=1e-12)
    assert terms.declared == pytest.approx(evidence / len(FAITHFUL), abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_reg_covar_is_known_in_the_value_and_training_is_not_judged(kind: str) -> None:
    problem = adapter.problem(mixture(covariance_type=kind, reg_covar=0.1), FAITHFUL)
    assert problem.fit is None
    result = judged(moved(problem, 1, 0.3), value)
    assert result.outcome is Outcome.HOLDS, result.message
    assert "reg_covar = 0.1 is added to scatter matrices" in result.note
    added = problem.departures[-1].added(problem.params)
    assert added < -1e-4


class NoEntropy(Mixture):
    """A bound without the entropy of the responsibilities."""

    def _compute_lower_bound(self, log_resp: Any, log_prob_norm: Any) -> Any:
        return super()._compute_lower_bound(log_resp, log_prob_norm) + np.sum(np.exp(log_resp) * log_resp)


class NoVarianceOfMeans(Mixture):
    """An E-step that takes the means for known."""

    def _estimate_log_prob(self, X: Any, xp: Any = None) -> Any:
        return super()._estimate_log_prob(X) + 0.5 * X.shape[1] / self.mean_precision_


class PriorForgotten(Mixture):
    """An M-step that takes the counts for the Dirichlet parameters."""

    def _estimate_weights(self, nk: Any) -> None:
        super()._estimate_weights(nk)
        self.weight_concentration_ = self.weight_concentration_ - self.weight_concentration_prior_


class NoFinalNormaliser(Mixture):
    """A bound in which log Γ(Σα) of the weights is forgotten."""

    def _compute_lower_bound(self, log_resp: Any, log_prob_norm: Any) -> Any:
        return super()._compute_lower_bound(log_resp, log_prob_norm) + gammaln(np.sum(self.weight_concentration_))


def planted(kind: Any) -> Problem:
    estimator = kind(
        n_components=2,
        covariance_type="diag",
        random_state=0,
        reg_covar=0.0,
        max_iter=500,
        weight_concentration_prior_type="dirichlet_distribution",
        **PRIORS,
    )
    return moved(adapter.problem(estimator, FAITHFUL), 1, 0.3)


@pytest.mark.parametrize("kind", [NoEntropy, NoFinalNormaliser, PriorForgotten, NoVarianceOfMeans])
def test_planted_faults_are_rejected(kind: Any) -> None:
    result = judged(planted(kind), value)
    assert result.outcome is Outcome.VIOLATED
    assert abs(result.gap) > 100 * result.bound


def test_a_forgotten_entropy_is_named() -> None:
    report = check_target(Target("planted", [replace(planted(NoEntropy), fit=None)]), on_fail="report")
    diagnosis = next(one.result.diagnosis for one in report.failures if one.check == "value" and one.result)
    assert diagnosis is not None
    assert (diagnosis.factor, diagnosis.suspect) == ("q", "missing: the entropy of q(z)")


class Stuck(Mixture):
    """Training that never updates the means."""

    def fit(self, X: Any, y: Any = None) -> Any:
        before = np.array(self.means_) if hasattr(self, "means_") else None
        super().fit(X)
        if before is not None:
            self.means_ = before
        return self


def test_training_that_leaves_a_block_alone_is_rejected() -> None:
    estimator = Stuck(n_components=2, covariance_type="spherical", random_state=0, reg_covar=0.0, **PRIORS)
    result = judged(moved(adapter.problem(estimator, FAITHFUL[::2, 1:]), 1, 0.3), fit)
    assert result.outcome is Outcome.VIOLATED
    assert "training stops where the bound is not stationary" in result.message


def test_bad_input() -> None:
    fitted = mixture().fit(FAITHFUL)
    with pytest.raises(InputError, match="was fitted to 2 columns; the data have 1"):
        adapter.problem(fitted, FAITHFUL[:, :1])
    with pytest.raises(InputError, match="data must be finite"):
        adapter.problem(fitted, np.full((3, 2), np.nan))
