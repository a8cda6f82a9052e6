"""Mixture of Poisson distributions in JAX, with exposures, and free responsibilities."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import Categorical, Poisson

RNG = np.random.default_rng(116)
N, D, K = 9, 2, 3
EXPOSURE = RNG.uniform(0.5, 2.0, size=N)
X = RNG.poisson(EXPOSURE[:, None] * np.array([2.0, 4.0]), size=(N, D)).astype(float)


def elbo(p: Any) -> Any:
    """E log p(x, z) − E log q(z), mean over the data."""
    log_q = jax.nn.log_softmax(p["q"], axis=-1)
    q = jnp.exp(log_q)
    log_pi = jax.nn.log_softmax(p["pi"])
    rate = jnp.exp(p["log_rate"])
    lam = EXPOSURE[:, None, None] * rate
    log_px = X[:, None] * jnp.log(lam) - lam - jax.scipy.special.gammaln(X + 1.0)[:, None]
    log_joint = log_pi + log_px.sum(-1)
    return jnp.sum(q * (log_joint - log_q)) / N


def factors(p: Any) -> Declaration:
    """Weights and rates at the enumerated states."""
    log_rate = p["log_rate"][None] + np.log(EXPOSURE)[:, None, None]
    return Declaration(
        (
            Factor("z", Categorical(p["pi"][None, None]), np.eye(K)[None]),
            Factor("x", Poisson(log_rate), X[:, None]),
        ),
        weights=jax.nn.softmax(p["q"], axis=-1),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(16)
    start = {"q": rng.normal(size=(N, K)), "pi": 0.6 * rng.normal(size=K), "log_rate": 0.6 * rng.normal(size=(K, D))}
    return Problem(start, elbo, factors, library="jax", label="Poisson mixture")
