"""Latent Gaussian model in JAX with a full covariance of q(z): Cholesky factors of its own for every datum."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, MultivariateNormal, Normal

RNG = np.random.default_rng(104)
N, D, K, S = 6, 4, 2, 5
X = RNG.normal(size=(N, D))
EPS = RNG.normal(size=(N, S, K))
LOG_2PI = np.log(2.0 * np.pi)


def cholesky(p: Any) -> Any:
    """L of q's covariance L Lᵀ, (N, K, K)."""
    raw = p["raw"]
    return jnp.tril(raw, -1) + jnp.exp(raw) * jnp.eye(K)


def elbo(p: Any) -> Any:
    """Reconstruction over samples minus KL(N(m, L Lᵀ) ‖ N(0, I))."""
    m, chol = p["m"], cholesky(p)
    z = m[:, None] + jnp.einsum("nij,nsj->nsi", chol, EPS)
    mean = z @ p["w"] + p["b"]
    log_var = p["log_var"]
    log_px = -0.5 * ((X[:, None] - mean) ** 2 * jnp.exp(-log_var) + log_var + LOG_2PI).sum(-1)
    trace = (chol**2).sum((1, 2))
    half_log_det = jnp.log(jnp.diagonal(chol, axis1=1, axis2=2)).sum(-1)
    kl = 0.5 * (trace + (m**2).sum(-1) - K) - half_log_det
    return (log_px.mean(1) - kl).mean()


def factors(p: Any) -> Declaration:
    """Prior as a multivariate normal, decoder, and q by the Cholesky factor of its precision."""
    m, lower = p["m"], cholesky(p)
    precision = jnp.linalg.inv(lower @ jnp.swapaxes(lower, 1, 2))
    root = jnp.linalg.cholesky(0.5 * (precision + jnp.swapaxes(precision, 1, 2)))
    draws = m[:, None] + (lower[:, None] @ EPS[..., None])[..., 0]
    prior = MultivariateNormal(np.zeros((1, 1, K)), np.eye(K)[None, None])
    return Declaration(
        (
            Factor("z", Average(prior, MultivariateNormal(m[:, None], root[:, None]))),
            Factor("x", Normal(draws @ p["w"] + p["b"], jnp.exp(p["log_var"])), X[:, None]),
        ),
        q=Latents("z", weights=np.full((N, S), 1 / S), entropy=MultivariateNormal(m, root)),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(4)
    start = {
        "m": rng.normal(size=(N, K)),
        "raw": 0.5 * rng.normal(size=(N, K, K)) - 0.4,
        "w": rng.normal(size=(K, D)),
        "b": 0.2 * rng.normal(size=D),
        "log_var": 0.3 * rng.normal(size=D),
    }
    return Problem(start, elbo, factors, library="jax", label="full-covariance q")
