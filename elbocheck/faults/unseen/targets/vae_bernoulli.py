"""Variational autoencoder in JAX: binary pixels with a Bernoulli decoder, logits and softplus scales."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, Bernoulli, Normal

RNG = np.random.default_rng(103)
N, D, K, L = 9, 6, 2, 4
X = (RNG.random((N, D)) < 0.4).astype(float)
EPS = RNG.normal(size=(L, N, K))


def encoder(p: Any) -> Any:
    """(mean, standard deviation) of q(z)."""
    h = jnp.tanh(X @ p["w1"] + p["b1"])
    return h @ p["w_mu"], jax.nn.softplus(h @ p["w_rho"] + p["rho"])


def logits_of(p: Any, z: Any) -> Any:
    """Logits of the pixels."""
    return jnp.tanh(z @ p["v1"]) @ p["v2"] + p["c"]


def elbo(p: Any) -> Any:
    """Minus binary cross entropy, minus KL."""
    mu, sigma = encoder(p)
    z = mu + sigma * EPS
    logits = logits_of(p, z)
    bce = jnp.maximum(logits, 0.0) - logits * X + jnp.log1p(jnp.exp(-jnp.abs(logits)))
    log_likelihood = -bce.sum(-1).mean(0)
    kl = (0.5 * (mu**2 + sigma**2 - 1.0) - jnp.log(sigma)).sum(-1)
    return (log_likelihood - kl).mean()


def factors(p: Any) -> Declaration:
    """Prior, pixels, and q as a family."""
    mean, std = encoder(p)
    points = jnp.swapaxes(mean + std * EPS, 0, 1)
    prior = Normal(np.zeros((1, 1, K)), np.ones((1, 1, K)))
    return Declaration(
        (
            Factor("z", Average(prior, Normal(mean[:, None], std[:, None] ** 2))),
            Factor("x", Bernoulli(logits_of(p, points)), X[:, None]),
        ),
        q=Latents("z", weights=np.full((N, L), 1 / L), entropy=Normal(mean, std**2)),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(3)
    shapes = {"w1": (D, 3), "b1": (3,), "w_mu": (3, K), "w_rho": (3, K), "rho": (K,), "v1": (K, 3), "v2": (3, D)}
    start = {name: 0.7 * rng.normal(size=shape) for name, shape in {**shapes, "c": (D,)}.items()}
    return Problem(start, elbo, factors, library="jax", label="VAE, Bernoulli decoder")
