"""Saddles and directions that scale natural parameters, sought with and without matrices: the answers are the same."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from elbocheck import Declaration, Factor, Problem, decompose
from elbocheck.bound.least_squares import DENSE, solve
from elbocheck.checks.stop import PRODUCTS, Stop, beside_a_saddle
from elbocheck.families import MultivariateNormal, Normal
from elbocheck.solver.matrix_free import MOST

COUNT = 400


def principal(size: int, library: str, *, collapsed: bool) -> Problem:
    """x ~ N(0, w wᵀ + v I) on columns of which the first stands out: at its maximum, or the saddle where w = 0."""
    xp: Any = jnp if library == "jax" else np
    x = np.random.default_rng(size).normal(size=(COUNT, size))
    x[:, 0] *= 4.0
    second = x.T @ x / COUNT
    values, vectors = np.linalg.eigh(second)
    noise = values.mean() if collapsed else values[:-1].mean()
    w = vectors[:, -1] * (0.0 if collapsed else np.sqrt(values[-1] - noise))

    def covariance(p: Any) -> Any:
        return p["w"][:, None] * p["w"][None, :] + xp.exp(p["log_v"]) * xp.eye(size)

    def elbo(p: Any) -> Any:
        """With |C| and C⁻¹ in closed form."""
        v, length = xp.exp(p["log_v"]), xp.sum(p["w"] ** 2)
        squares = (np.trace(second) - p["w"] @ second @ p["w"] / (v + length)) / v
        return -0.5 * (size * np.log(2 * np.pi) + (size - 1) * p["log_v"] + xp.log(v + length) + squares)

    def declare(p: Any) -> Declaration:
        distribution = MultivariateNormal.from_covariance(xp.zeros(size), covariance(p))
        return Declaration((Factor("x", distribution, x[:, None]),), np.ones((COUNT, 1)), np.zeros(COUNT))

    return Problem({"w": w, "log_v": np.asarray(np.log(noise))}, elbo, declare, library=library, label="principal")


def above(problem: Problem) -> Problem | None:
    return beside_a_saddle(Stop(problem, decompose(problem), 0.0, 0.0))


SIZES = [(6, "jax"), (MOST + 6, "jax"), (6, "numpy"), (PRODUCTS + 4, "numpy")]
"""By a Hessian; by products of differences of gradients; by differences of values, all columns or some products."""


@pytest.mark.parametrize(("size", "library"), SIZES)
def test_a_saddle_is_left_upwards(size: int, library: str) -> None:
    saddle = principal(size, library, collapsed=True)
    terms = decompose(saddle)
    assert terms.gradient_norm < 1e-9
    found = above(saddle)
    assert found is not None
    assert decompose(found).elbo > terms.elbo
    step = found.vector - saddle.vector
    assert abs(step[0]) > 0.9 * np.linalg.norm(step)  # along the column that stands out


@pytest.mark.parametrize(("size", "library"), SIZES)
def test_nothing_is_above_a_maximum(size: int, library: str) -> None:
    problem = principal(size, library, collapsed=False)
    assert decompose(problem).gradient_norm < 1e-9
    assert above(problem) is None


def columns(size: int) -> Problem:
    """x_d ~ N(m_d, v_d), each column with numbers of its own."""
    x = np.random.default_rng(size).normal(size=(COUNT, size))

    def declare(p: Any) -> Declaration:
        factor = Factor("x", Normal(p["m"], jnp.exp(p["log_v"])), x[:, None])
        return Declaration((factor,), np.ones((COUNT, 1)), np.zeros(COUNT))

    begin = {"m": np.linspace(-1.0, 1.0, size), "log_v": np.linspace(-0.5, 0.5, size)}
    return Problem(begin, None, declare, library="jax", label="columns")


@pytest.mark.parametrize("size", [6, DENSE], ids=["dense", "products"])
def test_the_direction_that_scales_natural_parameters(size: int) -> None:
    """m/v and −1/2v grow by the factor 1 + ε where log v falls by ε."""
    problem = columns(size)
    found = solve(problem, "x", ("m", "log_v"))
    assert found is not None
    assert found.residual < 1e-9
    beta = problem.layout.unpack(found.beta)
    np.testing.assert_allclose(beta["m"], 0.0, atol=1e-8)
    np.testing.assert_allclose(beta["log_v"], -1.0, atol=1e-8)


@pytest.mark.parametrize("size", [6, DENSE + 6], ids=["dense", "products"])
def test_no_direction_is_found_without_the_variances(size: int) -> None:
    """Planted: v is not among the parameters that may move."""
    found = solve(columns(size), "x", ("m",))
    assert found is not None
    assert found.residual > 0.1
