"""Variational autoencoder in JAX: Gaussian decoder with one learned scale, KL divergence in closed form."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, Normal

RNG = np.random.default_rng(101)
N, D, K, SAMPLES = 10, 4, 2, 6
X = RNG.normal(size=(N, K)) @ RNG.normal(size=(K, D)) + 0.4 * RNG.normal(size=(N, D))
EPS = RNG.normal(size=(N, SAMPLES, K))
LOG_2PI = np.log(2.0 * np.pi)


def encode(p: Any, x: Any) -> Any:
    """(mean, log variance) of q(z), (N, K) each."""
    h = jnp.tanh(x @ p["enc"]["w"] + p["enc"]["b"])
    return h @ p["enc"]["mu"], h @ p["enc"]["logvar"]


def decode(p: Any, z: Any) -> Any:
    """Means of x."""
    return jax.nn.tanh(z @ p["dec"]["w"]) @ p["dec"]["v"] + p["dec"]["b"]


def elbo(p: Any) -> Any:
    """Reconstruction over samples minus KL, mean over the data."""
    mu, logvar = encode(p, X)
    std = jnp.exp(0.5 * logvar)
    z = mu[:, None] + std[:, None] * EPS
    err = X[:, None] - decode(p, z)
    log_sigma = p["dec"]["log_sigma"]
    rec = -0.5 * jnp.sum(err**2, axis=-1) * jnp.exp(-2.0 * log_sigma)
    rec = rec - D * log_sigma - 0.5 * D * LOG_2PI
    kl = -0.5 * jnp.sum(1.0 + logvar - mu**2 - jnp.exp(logvar), axis=-1)
    return jnp.mean(jnp.mean(rec, axis=1) - kl)


def factors(p: Any) -> Declaration:
    """A standard normal prior, the decoder, and q as a family."""
    mean, log_variance = encode(p, X)
    variance = jnp.exp(log_variance)
    draws = mean[:, None, :] + jnp.sqrt(variance)[:, None, :] * EPS
    prior = Normal(np.zeros((1, 1, K)), np.ones((1, 1, K)))
    return Declaration(
        (
            Factor("z", Average(prior, Normal(mean[:, None], variance[:, None]))),
            Factor("x", Normal(decode(p, draws), jnp.exp(2 * p["dec"]["log_sigma"])), X[:, None, :]),
        ),
        q=Latents("z", weights=np.full((N, SAMPLES), 1 / SAMPLES), entropy=Normal(mean, variance)),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(1)
    hidden = 3
    encoder = {
        "w": 0.5 * rng.normal(size=(D, hidden)),
        "b": 0.1 * rng.normal(size=hidden),
        "mu": rng.normal(size=(hidden, K)),
        "logvar": 0.6 * rng.normal(size=(hidden, K)),
    }
    decoder = {
        "w": rng.normal(size=(K, hidden)),
        "v": rng.normal(size=(hidden, D)),
        "b": 0.1 * rng.normal(size=D),
        "log_sigma": np.array(-0.2),
    }
    return Problem({"enc": encoder, "dec": decoder}, elbo, factors, library="jax", label="VAE, analytic KL")
