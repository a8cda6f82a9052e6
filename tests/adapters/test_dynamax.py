"""dynamax's own models on real data: likelihoods, EM, the 1e-9 that it adds, the gaps that priors leave, and faults."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from elbocheck import Problem, Target, check_target, decompose
from elbocheck.adapters import dynamax as adapter
from elbocheck.backends.namespace import double_precision
from elbocheck.checks import every_point, evidence, fit, gradient, permutation, scale, value
from elbocheck.errors import InputError
from elbocheck.outcome import Outcome
from support.adapters_data import gaps, moved, shipped

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what it imports
    systems = pytest.importorskip("dynamax.linear_gaussian_ssm", reason="dynamax is not installed")
    chains = pytest.importorskip("dynamax.hidden_markov_model", reason="dynamax is not installed")
    import jax
    import jax.numpy as jnp

pytestmark = pytest.mark.filterwarnings("ignore:shape requires ndarray:DeprecationWarning")
System, Chain = systems.LinearGaussianSSM, chains.GaussianHMM
FAITHFUL, COAL = shipped("old_faithful")[:120], np.log1p(shipped("coal_disasters"))
FAITHFUL = ((FAITHFUL - FAITHFUL.mean(0)) / FAITHFUL.std(0)).reshape(12, 10, 2)
COAL = ((COAL - COAL.mean(0)) / COAL.std(0)).reshape(27, 7, 1)
PLAIN = {"has_dynamics_bias": False, "has_emissions_bias": False}


class Corrected(System):
    """The covariance of the first state over several sequences: the mean of x xᵀ minus the product of the means."""

    def m_step(self, params: Any, props: Any, batch_stats: Any, m_step_state: Any) -> Any:
        trained, state = super().m_step(params, props, batch_stats, m_step_state)
        total, squares, count = (one.sum(0) for one in batch_stats[0])
        right = squares / count - jnp.outer(total, total) / count**2
        return trained._replace(initial=trained.initial._replace(cov=right)), state


def system(made: Any, y: np.ndarray, **options: Any) -> Problem:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX of a library that TensorFlow Probability calls
        params, properties = made.initialize(jax.random.PRNGKey(0))
    return adapter.problem(made, params, properties, y, **options)


def chain(made: Any = None, y: np.ndarray = FAITHFUL) -> Problem:
    made = Chain(2, 2) if made is None else made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        params, properties = made.initialize(
            jax.random.PRNGKey(0),
            initial_probs=jnp.array([0.4, 0.6]),
            transition_matrix=jnp.array([[0.3, 0.7], [0.6, 0.4]]),
            emission_means=jnp.array([[-1.0, -1.0], [0.7, 0.6]]),
            emission_covariances=jnp.stack([0.3 * jnp.eye(2)] * 2),
        )
    return adapter.problem(made, params, properties, y)


PROBLEMS: dict[str, Any] = {
    "biases": lambda: system(System(1, 2), FAITHFUL),
    "two states": lambda: system(System(2, 1, has_dynamics_bias=False), COAL),
    "one sequence": lambda: system(System(1, 1, **PLAIN), COAL[0]),
    "hidden Markov": chain,
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_check_holds_and_the_theorem_covers_all(name: str) -> None:
    problem = moved(PROBLEMS[name](), 1, 0.2)
    for check in (value, every_point, gradient, evidence, scale, permutation):
        result = check(problem)
        assert result is not None
        assert result.outcome is Outcome.HOLDS, result.message
    assert {str(one) for one in decompose(problem).claims} == {
        f"{factor} covered: F = S + δ at stationary points" for factor in ("start", "transition", "y")
    }


def test_what_psd_solve_adds_is_named_and_would_be_found() -> None:
    problem = moved(PROBLEMS["biases"](), 1, 0.2)
    result = value(problem)
    assert result is not None
    assert "psd_solve adds 1e-09 to diagonals" in result.note
    unknown = Problem(problem.params, problem.elbo, problem.factors, library="jax")
    found = value(unknown)
    assert found is not None
    if found.outcome is Outcome.HOLDS:
        pytest.skip("this dynamax adds nothing")
    assert 1e-9 < found.gap < 1e-5


def trained(problem: Problem) -> Problem:
    return problem.at(problem.vector_of(problem.call("fit", problem.code_params(problem.vector))))


def test_training_with_the_corrected_m_step_stops_at_the_entropy_sum() -> None:
    """The gaps that 1e-9 leaves are of its size, and predicted to rounding."""
    problem = system(Corrected(1, 1, **PLAIN), COAL)
    result = fit(problem)
    assert result is not None
    assert result.outcome is Outcome.HOLDS, result.message
    at = trained(problem)
    found = gaps(decompose(at))
    with double_precision():
        predicted = at.departures[0].at(at.code_params(at.vector))
    assert max(abs(size) for size in found.values()) < 1e-7
    assert found == pytest.approx(dict(predicted), abs=1e-12)


def test_training_as_it_is_leaves_the_numbers() -> None:
    result = fit(system(System(1, 1, **PLAIN), COAL, iterations=2000))
    assert result is not None
    if result.outcome is Outcome.HOLDS:
        pytest.skip("this dynamax has the initial covariance right")
    assert result.outcome is Outcome.VIOLATED
    assert "training leaves the numbers" in result.message


class Unbiased(Corrected):
    """Noise of the emissions over n − 1."""

    def m_step(self, params: Any, props: Any, batch_stats: Any, m_step_state: Any) -> Any:
        trained, state = super().m_step(params, props, batch_stats, m_step_state)
        count = batch_stats[2][-1].sum(0)
        wide = trained.emissions.cov * count / (count - 1.0)
        return trained._replace(emissions=trained.emissions._replace(cov=wide)), state


def test_a_wrong_m_step_is_found() -> None:
    result = fit(system(Unbiased(1, 1, **PLAIN), COAL))
    assert result is not None
    assert result.outcome is Outcome.VIOLATED
    assert "factor y where training stops" in result.message


PRIORS: dict[str, dict[str, Any]] = {
    "default": {},
    "strong": {
        "initial_probs_concentration": 1.5,
        "transition_matrix_concentration": 2.0,
        "transition_matrix_stickiness": 1.0,
        "emission_prior_mean": 0.5,
        "emission_prior_concentration": 2.0,
        "emission_prior_scale": 0.3,
        "emission_prior_extra_df": 3.0,
    },
}


@pytest.mark.parametrize("name", PRIORS)
def test_priors_explain_the_gap(name: str) -> None:
    at = trained(chain(Chain(2, 2, **PRIORS[name])))
    found, predicted = gaps(decompose(at)), dict.fromkeys(("start", "transition", "y"), 0.0)
    with double_precision():
        for departure in at.departures:
            for factor, size in departure.at(at.code_params(at.vector)).items():
                predicted[factor] += size
    assert max(abs(size) for size in predicted.values()) > 1e-2
    assert found == pytest.approx(predicted, abs=1e-8)


class NoConstant(System):
    """A filter without ½ log 2π of the first observation."""

    def marginal_log_prob(self, params: Any, emissions: Any, inputs: Any = None) -> Any:
        return super().marginal_log_prob(params, emissions, inputs) + 0.5 * math.log(2.0 * math.pi)


class Unscaled(Chain):
    """Emissions without ½ log 2π, at all times."""

    def marginal_log_prob(self, params: Any, emissions: Any, inputs: Any = None) -> Any:
        return super().marginal_log_prob(params, emissions, inputs) + 0.5 * emissions.size * math.log(2.0 * math.pi)


FAULTS: dict[str, tuple[Any, str]] = {
    "linear system": (lambda: system(NoConstant(1, 1, **PLAIN), COAL), "factor start: ½ log 2π per dimension, lost"),
    "hidden Markov": (lambda: chain(Unscaled(2, 2)), "factor y: ½ log 2π per dimension, lost"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(name: str) -> None:
    make, said = FAULTS[name]
    report = check_target(Target("planted", [moved(make(), 1, 0.2)]), on_fail="report")
    diagnosis = next(one.result.diagnosis for one in report.failures if one.check == "value" and one.result)
    assert diagnosis is not None
    assert said in diagnosis.sentence


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: system(systems.LinearGaussianConjugateSSM(1, 1), COAL), "no adapter for LinearGaussianConjugateSSM"),
        (lambda: system(System(1, 1, input_dim=2), COAL), "inputs are not supported; got a model with input_dim = 2"),
        (lambda: system(System(1, 2), COAL), r"must be \(N, T, D\) or \(T, D\) with T ≥ 2 and D = 2; got \(27, 7, 1\)"),
        (lambda: system(System(1, 1), np.full((3, 1), np.nan)), "dynamax has no missing values"),
        (lambda: system(System(4, 1), np.zeros((200, 1))), "T × state_dim may be 600 at most; got 200 × 4"),
    ],
)
def test_what_has_no_place_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        make()
    assert "\n" not in str(raised.value)


def test_diagonals_as_covariances_are_refused() -> None:
    made = System(1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        params, properties = made.initialize(jax.random.PRNGKey(0), emission_covariance=jnp.ones(2))
    with pytest.raises(InputError, match=r"diagonals as covariances are not supported: \['emissions.cov'\]"):
        adapter.problem(made, params, properties, FAITHFUL)


def test_the_corrected_m_step_without_the_addition_meets_the_theorem_to_rounding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Full EM to its end: F, one dense Gaussian per sequence, minus S is below 1e-13 nats per datum."""
    from dynamax.linear_gaussian_ssm import inference, models

    for module in (inference, models):
        monkeypatch.setattr(module, "psd_solve", partial(module.psd_solve, diagonal_boost=0.0))
    problem = replace(system(Corrected(1, 1, **PLAIN), COAL), departures=())
    at = trained(problem)
    terms = decompose(at)
    with double_precision():
        assert at.log_evidence is not None
        assert terms.elbo == pytest.approx(float(at.log_evidence(at.code_params(at.vector))), abs=1e-13)
    assert abs(terms.elbo - terms.entropy_sum) < terms.elbo_rounding < 2e-12
    assert terms.gradient_norm < 1e-12
