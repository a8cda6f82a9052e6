"""A factor whose values are matrices: a log likelihood of positive definite matrices, with no latents."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from elbocheck import Problem, decompose
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.terms import leverages
from elbocheck.families import Wishart
from elbocheck.strategies.members import RECIPES

COUNT = 30
TRUE = Wishart(np.array(6.5), np.array([[1.3, 0.4], [0.4, 0.9]]))
X = RECIPES[Wishart].values(np.random.default_rng(0), TRUE, (COUNT,))[:, None]
START = {"log_degrees": np.array(1.5), "root": np.array([0.1, -0.2, 0.3])}


def wishart(p: Any, xp: Any = jnp) -> Wishart:
    """One member, (1, 1): ν = 1 + e^t, V = L Lᵀ."""
    zero = 0.0 * p["root"][0]
    first, second = xp.exp(p["root"][:2])
    root = xp.stack([xp.stack([first, zero]), xp.stack([p["root"][2], second])])
    return Wishart((1.0 + xp.exp(p["log_degrees"]))[None, None], (root @ root.T)[None, None])


def declaration(p: Any, xp: Any = jnp) -> Declaration:
    factor = Factor("x", wishart(p, xp), xp.asarray(X), ("log_degrees", "root"))
    return Declaration((factor,), xp.ones((COUNT, 1)), xp.zeros(COUNT), xp.full(COUNT, 1 / COUNT))


def test_the_gap_is_the_predicted_one() -> None:
    """Where (ν, V) is not stationary, so that it is not 0."""
    found = decompose(Problem(START, elbo=lambda p: jnp.mean(wishart(p).log_density(X)), factors=declaration))
    (terms,) = found.factors
    assert abs(terms.gap) > 1e-3
    assert abs(terms.gap - terms.predicted) <= found.rounding < 1e-11
    assert found.elbo == pytest.approx(np.mean(wishart(START, np).log_density(X)), rel=1e-14)


def test_leverages_are_sums_over_data() -> None:
    """Also of log |U|, which has none of the two axes of U."""
    found = declaration(START, np)
    member = wishart(START, np)
    for lever, statistic, mean in zip(
        leverages(found.factors[0], found),
        member.sufficient_statistics(X),
        member.mean_statistics(),
        strict=True,
    ):
        expected = np.mean(np.abs(statistic - mean), axis=0, keepdims=True)
        np.testing.assert_allclose(lever, expected, rtol=1e-12)
        assert lever.shape == mean.shape
