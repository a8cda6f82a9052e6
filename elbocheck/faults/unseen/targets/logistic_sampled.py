"""Bayesian logistic regression in JAX: global weights, reparametrised samples of q, scaled as by a mini-batch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.families import Bernoulli, Normal

RNG = np.random.default_rng(108)
N, D, S = 12, 3, 6
X = RNG.normal(size=(N, D))
Y = (RNG.random(N) < 0.5).astype(float)
EPS = RNG.normal(size=(S, D))
PRIOR_STD = 2.0
LOG_2PI = np.log(2.0 * np.pi)


def on_batch(p: Any, x: Any, y: Any) -> Any:
    """The ELBO, nats per datum, from a batch of data."""
    std = jax.nn.softplus(p["rho"])
    w = p["mu"] + std * EPS
    logits = w @ x.T
    log_lik = (y * jax.nn.log_sigmoid(logits) + (1.0 - y) * jax.nn.log_sigmoid(-logits)).sum(1)
    log_prior = (-0.5 * (w / PRIOR_STD) ** 2 - np.log(PRIOR_STD) - 0.5 * LOG_2PI).sum(1)
    log_q = (-0.5 * ((w - p["mu"]) / std) ** 2 - jnp.log(std) - 0.5 * LOG_2PI).sum(1)
    return (N / len(y) * log_lik + log_prior - log_q).mean() / N


def elbo(p: Any) -> Any:
    """On all data."""
    return on_batch(p, X, Y)


def factors(p: Any) -> Declaration:
    """The samples are the points of q, for the prior, the labels and the entropy."""
    std = jnp.log1p(jnp.exp(p["rho"]))
    w = p["mu"] + std * EPS
    entropy = (0.5 * EPS**2).sum(1).mean() + (jnp.log(std) + 0.5 * LOG_2PI).sum()
    return Declaration(
        (
            Factor("w", Normal(np.zeros(D), np.full(D, PRIOR_STD**2)), w[None]),
            Factor("y", Bernoulli((w @ X.T).T), Y[:, None]),
        ),
        q=Latents("w", weights=np.full((1, S), 1 / S), entropy=entropy, plate=None),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(8)
    start = {"mu": rng.normal(size=D), "rho": 0.5 * rng.normal(size=D)}
    subset = lambda p, rows: on_batch(p, X[rows], Y[rows])  # noqa: E731
    return Problem(start, elbo, factors, subset=subset, library="jax", label="logistic regression, sampled q")
