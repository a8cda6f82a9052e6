"""GPyTorch's own models on real data: exact and sparse regression, classification, and faults in them."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor, kernels

from elbocheck import Problem, Target, check_target, decompose
from elbocheck.adapters import gpytorch as adapter
from elbocheck.checks import every_point, evidence, gradient, permutation, scale, value
from elbocheck.errors import InputError
from elbocheck.outcome import Outcome
from elbocheck.solver import find_stationary_point
from support.adapters_data import moved, shipped

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit.script is used while GPyTorch is imported
    gpytorch = pytest.importorskip("gpytorch", reason="GPyTorch is not installed")

IRIS, FAITHFUL = shipped("iris")[::12], shipped("old_faithful")[::18]
X, Y = IRIS[:, :3], IRIS[:, 3]
TIME, WAIT = FAITHFUL[:, 0] - 3.0, (FAITHFUL[:, 1] - 70.0) / 14.0
LONG = (WAIT > 0.0).astype(float)
Gaussian, Bernoulli = gpytorch.likelihoods.GaussianLikelihood, gpytorch.likelihoods.BernoulliLikelihood
Cholesky = gpytorch.variational.CholeskyVariationalDistribution
MeanField = gpytorch.variational.MeanFieldVariationalDistribution


class Exact(gpytorch.models.ExactGP):
    def __init__(self, x: Any, y: Any, likelihood: Any, kernel: Any = gpytorch.kernels.RBFKernel) -> None:
        super().__init__(torch.as_tensor(x), torch.as_tensor(y), likelihood)
        self.mean_module = gpytorch.means.ConstantMean()
        self.covar_module = gpytorch.kernels.ScaleKernel(kernel())

    def forward(self, x: Any) -> Any:
        return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))


class Sparse(gpytorch.models.ApproximateGP):
    def __init__(
        self, q: Any = Cholesky, strategy: Any = gpytorch.variational.VariationalStrategy, jitter: Any = None
    ) -> None:
        points = torch.linspace(-1.2, 1.8, 3)
        super().__init__(strategy(self, points, q(3), jitter_val=jitter))
        self.mean_module = gpytorch.means.ConstantMean()
        self.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel())

    def forward(self, x: Any) -> Any:
        return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))


def exact(x: Any = X, y: Any = Y, objective: Any = gpytorch.mlls.ExactMarginalLogLikelihood) -> Problem:
    likelihood = Gaussian()
    return adapter.problem(objective(likelihood, Exact(x, y, likelihood)), x, y)


def sparse(
    likelihood: Any = Gaussian,
    y: Any = WAIT,
    q: Any = Cholesky,
    objective: Any = gpytorch.mlls.VariationalELBO,
    jitter: Any = None,
    **options: Any,
) -> Problem:
    torch.manual_seed(0)
    return adapter.problem(objective(likelihood(), Sparse(q, jitter=jitter), len(y), **options), TIME, y)


def judged(problem: Problem, check: Any) -> Any:
    result = check(problem)
    assert result is not None
    return result


def test_exact_regression_holds_and_the_theorem_covers_it() -> None:
    problem = moved(exact(), 1, 0.3)
    for check in (value, every_point, gradient, evidence):
        result = judged(problem, check)
        assert result.outcome is Outcome.HOLDS, result.message
    assert {str(one) for one in decompose(problem).claims} == {
        "f covered: F = S + δ at stationary points",
        "y covered: F = S + δ at stationary points",
    }


def test_where_exact_regression_is_stationary_the_value_is_a_sum_of_entropies() -> None:
    """Scale and noise are what has to be stationary (THEORY section 12); the length scale is where it is."""
    likelihood = Gaussian()
    x, rows = np.unique(TIME, return_index=True)
    model = Exact(x, WAIT[rows], likelihood, lambda: gpytorch.kernels.MaternKernel(0.5))
    model.covar_module.base_kernel.raw_lengthscale.requires_grad_(False)
    found = find_stationary_point(
        adapter.problem(gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model), x, WAIT[rows])
    )
    assert found.certified, found.reason
    terms = decompose(found.problem)
    assert {term.name for term in terms.factors} == {"f", "y"}
    assert abs(terms.elbo - terms.entropy_sum) <= 1e-9


def test_inputs_that_are_close_have_no_density_of_f() -> None:
    problem = moved(exact(TIME, WAIT), 1, 0.2)
    assert [factor.name for factor in problem.declaration.factors] == ["y"]
    for check in (value, every_point, gradient, evidence):
        result = judged(problem, check)
        assert result.outcome is Outcome.HOLDS, result.message


def test_the_value_is_that_of_scikit_learn() -> None:
    problem = exact()
    kernel = kernels.ConstantKernel(math.log(2.0), "fixed") * kernels.RBF(math.log(2.0), "fixed")
    regressor = GaussianProcessRegressor(kernel, alpha=math.log(2.0) + 1e-4, optimizer=None).fit(X, Y)
    expected = regressor.log_marginal_likelihood_value_ / len(Y)
    terms = decompose(problem)
    assert terms.elbo == pytest.approx(expected, abs=1e-7)  # GPyTorch keeps its initial values in float32
    assert terms.declared == pytest.approx(terms.elbo, abs=1e-13)


@pytest.mark.parametrize("options", [{}, {"q": MeanField}, {"beta": 0.7}], ids=["Cholesky", "mean field", "beta"])
def test_sparse_regression_holds(options: Any) -> None:
    problem = moved(sparse(**options), 1, 0.3)
    for check in (value, gradient, scale, permutation):
        result = judged(problem, check)
        assert result.outcome is Outcome.HOLDS, result.message
    assert "jitter_val = 1e-06 on the variance of f" in judged(problem, value).note
    result = judged(problem, every_point)
    assert "value and gradient hold; by the theorem u outside" in result.message
    assert "y covered: F = S + δ at stationary points" in {str(one) for one in decompose(problem).claims}


def test_an_unknown_jitter_is_found() -> None:
    problem = sparse()
    result = judged(Problem(problem.params, problem.elbo, problem.factors, library="torch"), value)
    assert result.outcome is Outcome.VIOLATED


def test_log_normal_cdf_is_wrong_just_below_minus_one() -> None:
    """Against SciPy, in units of nats; the value check finds it in every Bernoulli bound."""
    z = np.linspace(-1.5, 1.0, 501)
    off = gpytorch.functions.log_normal_cdf(torch.as_tensor(z)).numpy() - stats.norm.logcdf(z)
    if np.abs(off).max() < 1e-12:
        pytest.skip("this GPyTorch computes log Φ to double precision")
    assert 1.5e-3 < np.abs(off).max() < 2e-3
    assert -1.02 < z[np.abs(off).argmax()] < -1.0
    problem = moved(sparse(Bernoulli, LONG), 1, 0.3)
    assert judged(problem, value).outcome is Outcome.VIOLATED


@pytest.mark.parametrize("q", [Cholesky, MeanField])
def test_classification_holds_with_a_right_log_normal_cdf(q: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpytorch.likelihoods import bernoulli_likelihood

    monkeypatch.setattr(bernoulli_likelihood, "log_normal_cdf", torch.special.log_ndtr)
    problem = moved(sparse(Bernoulli, LONG, q), 1, 0.3)
    for check in (value, gradient, scale, permutation):
        result = judged(problem, check)
        assert result.outcome is Outcome.HOLDS, result.message
    assert "y outside: it is declared by its log density" in judged(problem, every_point).message


class Ninety(gpytorch.mlls.VariationalELBO):
    """A bound that weighs the divergence by 0.9 and says nothing about it."""

    def forward(self, variational_dist_f: Any, target: Any, **kwargs: Any) -> Any:
        divergence = self.model.variational_strategy.kl_divergence() / self.num_data
        return super().forward(variational_dist_f, target, **kwargs) + 0.1 * divergence


class NoVariance(Gaussian):
    """An expected likelihood at the mean of f."""

    def expected_log_prob(self, target: Any, input: Any, *params: Any, **kwargs: Any) -> Any:
        return super().expected_log_prob(target, input, *params, **kwargs) + 0.5 * input.variance / self.noise


class NoConstant(gpytorch.mlls.ExactMarginalLogLikelihood):
    """A likelihood without ½ log 2π."""

    def forward(self, function_dist: Any, target: Any, *params: Any, **kwargs: Any) -> Any:
        return super().forward(function_dist, target, *params, **kwargs) + 0.5 * math.log(2.0 * math.pi)


# f and y have as many dimensions, so that nothing tells whose constant it is
FAULTS: dict[str, tuple[Any, str, str]] = {
    "KL": (lambda: sparse(objective=Ninety, jitter=0.0), "u", "β ≠ 1: KL × 0.9"),
    "variance": (lambda: sparse(NoVariance, jitter=0.0), "y", "missing: ½ σ²"),
    "constant": (lambda: exact(objective=NoConstant), "f", "½ log 2π per dimension"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(name: str) -> None:
    make, factor, said = FAULTS[name]
    report = check_target(Target("planted", [moved(make(), 1, 0.3)]), on_fail="report")
    diagnosis = next(one.result.diagnosis for one in report.failures if one.check == "value" and one.result)
    assert diagnosis is not None
    assert diagnosis.factor == factor
    assert said in diagnosis.sentence


def test_priors_of_hyperparameters_are_penalties() -> None:
    likelihood = Gaussian(noise_prior=gpytorch.priors.GammaPrior(1.1, 0.05))
    model = Exact(X, Y, likelihood)
    model.covar_module.register_prior(
        "of_scale", gpytorch.priors.GammaPrior(2.0, 0.15), lambda one: one.outputscale, lambda one, v: None
    )
    problem = moved(adapter.problem(gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model), X, Y), 1, 0.2)
    assert len(problem.declaration.factors) == 4
    for check in (value, gradient):
        result = judged(problem, check)
        assert result.outcome is Outcome.HOLDS, result.message


def objective(likelihood: Any, model: Any) -> Any:
    return gpytorch.mlls.VariationalELBO(likelihood, model, len(WAIT))


Unwhitened, Delta = (
    gpytorch.variational.UnwhitenedVariationalStrategy,
    gpytorch.variational.DeltaVariationalDistribution,
)


@pytest.mark.parametrize(
    ("make", "x", "message"),
    [
        (lambda: objective(gpytorch.likelihoods.StudentTLikelihood(), Sparse()), TIME, "StudentTLikelihood is not"),
        (lambda: objective(Gaussian(), Sparse(Delta)), TIME, "DeltaVariationalDistribution is not supported"),
        (lambda: objective(Gaussian(), Sparse(strategy=Unwhitened)), TIME, "UnwhitenedVariationalStrategy is not"),
        (lambda: gpytorch.mlls.PredictiveLogLikelihood(Gaussian(), Sparse(), 16), TIME, "no adapter for Predictive"),
        (lambda: objective(Gaussian(), Sparse()), TIME[:4], r"must be \(N, D\) or \(N,\) and y \(N,\)"),
        (lambda: objective(Gaussian(), Sparse()), np.full(len(WAIT), np.nan), "must be finite"),
    ],
)
def test_what_has_no_place_is_refused(make: Any, x: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        adapter.problem(make(), x, WAIT)
    assert "\n" not in str(raised.value)


def test_exact_regression_on_many_data_is_refused() -> None:
    x = np.linspace(0.0, 1.0, 801)
    with pytest.raises(InputError, match="exact regression on 801 data is stochastic"):
        exact(x, x)
