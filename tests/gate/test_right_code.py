"""Correct code is never rejected: parameters in two places, q that is held, NumPy constants; and its broken twins."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from elbocheck import Declaration, Factor, Problem, Target, check_target, decompose
from elbocheck.checks import every_point, gradient, value
from elbocheck.families import Categorical, Exponential, Normal
from elbocheck.outcome import Outcome
from support.right_code import COVERED, RIGHT, counts, joint, mixture, tied_network


@pytest.mark.parametrize("name", RIGHT)
def test_right_code_is_not_rejected(name: str) -> None:
    problem = RIGHT[name]()
    report = check_target(Target(name, [problem]), on_fail="report")
    assert report.exit_code == 0, [one.message for one in report.results]
    outside = [one for one in report.results if one.outcome is Outcome.OUT_OF_SCOPE]
    covered = {claim.label for claim in decompose(problem).claims if claim.covered}
    if name in COVERED:
        assert covered == COVERED[name]
        assert not outside
    else:
        assert outside
        assert outside[0].claims
        assert "outside: " in outside[0].message


def test_held_q_is_said_and_a_detached_sample_is_a_fault() -> None:
    held = every_point(mixture(held=True, tempered=0.5))
    assert held.outcome is Outcome.HOLDS
    assert "holds q while it differentiates" in held.note
    assert not every_point(mixture(tempered=0.5)).note
    detached = tied_network(detached=True)
    assert every_point(detached).outcome is Outcome.VIOLATED
    found = gradient(detached)
    assert found is not None
    assert found.outcome is Outcome.VIOLATED


def test_held_q_is_what_is_differentiated_not_what_is_reported() -> None:
    """A gradient that is neither d nor d with q held stays a fault: here q is held in one half of the data only."""
    import jax

    correct = mixture(tempered=0.5)

    def half(p: Any) -> Any:
        r = jax.nn.softmax(0.5 * joint(p), axis=1)
        r = jnp.where(jnp.arange(6)[:, None] < 3, jax.lax.stop_gradient(r), r)
        return jnp.mean(jnp.sum(r * (joint(p) - jnp.log(r)), axis=1))

    problem = Problem(correct.params, half, correct.factors, library="jax")
    result = every_point(problem)
    assert result.outcome is Outcome.VIOLATED
    assert not result.note


def test_a_declaration_that_holds_back_its_gradient_is_no_fault_of_the_code() -> None:
    import jax

    correct = mixture()

    def held_back(p: Any) -> Declaration:
        return correct.factors({**p, "m": jax.lax.stop_gradient(p["m"])})  # type: ignore[misc]

    problem = Problem(correct.params, correct.elbo, held_back, library="jax")
    result = every_point(problem)
    assert result.outcome is not Outcome.VIOLATED, result.message
    assert "factors(params) holds back a part of its gradient in m" in result.note


@pytest.mark.parametrize("temperature", [1.1, 1 + 1e-6])
def test_a_wrong_decoder_is_rejected_whoever_shares_its_weights(temperature: float) -> None:
    result = value(tied_network(temperature=temperature))
    assert result is not None
    assert result.outcome is Outcome.VIOLATED


def test_outside_has_a_number_that_is_met_at_a_stationary_point() -> None:
    """Where the theorem does not apply, gap = δ + rest there: MAP, where the prior moves the likelihood's parameter."""
    from elbocheck import find_stationary_point

    point = find_stationary_point(RIGHT["MAP"]())
    assert point.certified, point.reason
    terms = point.decomposition
    claims = {claim.label: claim for claim in terms.claims}
    x = next(term for term in terms.factors if term.name == "x")
    assert not claims["x"].covered
    assert abs(x.gap - x.delta - claims["x"].rest) <= terms.factor_bound(x) + claims["x"].rounding
    assert abs(x.gap - x.delta) > 1e-3


def test_trained_dispersion_is_outside_since_its_base_measure_moves() -> None:
    (claim,) = decompose(counts()).claims
    assert not claim.covered
    assert abs(claim.rest) > 1e-3
    mean, r = np.exp(0.4), np.exp(0.2)
    params = {"mu": np.array([0.4]), "theta": np.array([0.2])}
    family = counts().factors(params).factors[0].distribution  # type: ignore[misc]
    found = np.asarray(family.log_density(np.arange(9.0)[:, None]))[:, 0]
    np.testing.assert_allclose(found, stats.nbinom.logpmf(np.arange(9), r, r / (r + mean)), rtol=1e-5)


TRAPS: dict[str, Any] = {
    "log1p": lambda u: np.log1p(np.exp(u)),
    "abs": lambda u: np.exp(np.abs(u) * np.sign(u)),
    "float": lambda u: np.exp([float(np.real(v)) for v in u]),
    "logaddexp": lambda u: np.logaddexp(0.0, u),
}


@pytest.mark.parametrize("unit", [1e-6, 1.0])
@pytest.mark.parametrize("trap", TRAPS)
def test_complex_steps_are_believed_only_where_they_are_right(trap: str, unit: float) -> None:
    """Scales by functions that NumPy does not continue, or continues with a loss of digits, in two units."""
    rng = np.random.default_rng(3)
    x, shift = unit * rng.exponential(size=(8, 1)), float(np.log(unit))

    def scale(p: Any) -> Any:
        return TRAPS[trap](p["u"])

    def log_joint(p: Any) -> Any:
        return p["l"] - np.log(np.sum(np.exp(p["l"]))) - x / scale(p) - np.log(scale(p))

    def elbo(p: Any) -> Any:
        return np.mean(np.log(np.sum(np.exp(log_joint(p)), axis=1)))

    def declare(p: Any) -> Declaration:
        r = np.exp(log_joint(p))
        z = Factor("z", Categorical(p["l"]), np.eye(2)[None], ("l",))
        return Declaration(
            (z, Factor("x", Exponential(1 / scale(p)), x, ("u",))), r / r.sum(1, keepdims=True), None, np.full(8, 1 / 8)
        )

    start = {"l": rng.normal(size=2), "u": shift + 0.3 * rng.normal(size=2)}
    right = Problem(start, elbo, declare)
    assert every_point(right).outcome is Outcome.HOLDS, every_point(right).message
    wrong = Problem(start, lambda p: (1 + 1e-9) * elbo(p), declare)
    for check in (value, every_point):
        result = check(wrong)
        assert result is not None
        assert result.outcome is Outcome.VIOLATED


def test_a_determinant_that_loses_its_derivative_is_noticed_beside_an_outlier() -> None:
    x = np.array([[0.3, -0.5], [1.1, 0.2], [-0.7, 0.9], [2e4, 1e4]])

    def elbo(p: Any, determinant: Any = lambda c: np.linalg.slogdet(c)[1]) -> Any:
        covariance, d = np.exp(p["v"]) * np.eye(2), x - p["mu"]
        squares = np.einsum("nd,de,ne->n", d, np.linalg.inv(covariance), d)
        return np.mean(-0.5 * (squares + determinant(covariance) + 2 * np.log(2 * np.pi)))

    def declare(p: Any) -> Declaration:
        family = Normal(p["mu"], np.exp(p["v"]) + 0 * p["mu"])
        return Declaration(
            (Factor("x", family, x[:, None], ("mu", "v")),), np.ones((4, 1)), np.zeros(4), np.full(4, 0.25)
        )

    problem = Problem({"mu": np.array([0.1, 0.2]), "v": np.array(0.3)}, elbo, declare)
    assert every_point(problem).outcome is Outcome.HOLDS


@pytest.mark.parametrize(("size", "jitter"), [(10, 1e-6), (14, 1e-7), (20, 1e-8)])
def test_noise_that_the_terms_do_not_show_is_measured(size: int, jitter: float) -> None:
    """Regression by a Gaussian process with an ill-conditioned kernel, whitened by two different factorisations."""
    rng = np.random.default_rng(6)
    t = np.linspace(0, 3, size)
    y = np.sin(2 * t) + 0.2 * rng.normal(size=size)

    def kernel(p: Any) -> Any:
        squares = 0.5 * (t[:, None] - t) ** 2 / jnp.exp(2 * p["log_l"])
        return jnp.exp(p["log_k"]) * jnp.exp(-squares) + jitter * jnp.eye(size)

    def evidence(p: Any, covariance: Any) -> Any:
        root = jnp.linalg.cholesky(covariance)
        white = jnp.linalg.solve(root, p["f"])
        prior = -0.5 * jnp.sum(white**2) - jnp.sum(jnp.log(jnp.diag(root))) - 0.5 * size * jnp.log(2 * jnp.pi)
        likelihood = -0.5 * jnp.sum((y - p["f"]) ** 2 / jnp.exp(p["v"]) + p["v"] + jnp.log(2 * jnp.pi))
        return (prior + likelihood) / size

    def declare(p: Any) -> Declaration:
        from elbocheck.families import MultivariateNormal

        f = Factor(
            "f", MultivariateNormal.from_covariance(jnp.zeros(size), kernel(p)), p["f"][None, None], weight=1 / size
        )
        x = Factor("y", Normal(p["f"], jnp.exp(p["v"])), y[None, None], ("v",), weight=1 / size)
        return Declaration((f, x), jnp.ones((1, 1)), jnp.zeros(1), jnp.ones(1))

    start = {"log_k": np.array(0.1), "log_l": np.array(0.0), "v": np.array(-2.0), "f": np.sin(2 * t)}
    problem = Problem(start, lambda p: evidence(p, kernel(p)), declare)
    terms = decompose(problem)
    assert abs(terms.elbo - terms.declared) > terms.elbo_rounding  # the bound of the terms does not explain it
    for check in (value, every_point, gradient):
        result = check(problem)
        assert result is not None
        assert result.outcome is not Outcome.VIOLATED, result.message
    wrong = Problem(start, lambda p: evidence(p, kernel(p) + 1e-3 * jnp.eye(size)), declare)
    result = value(wrong)
    assert result is not None
    assert result.outcome is Outcome.VIOLATED
