"""Exponential survival times in JAX, some censored, with a random effect of each group (frailty) under a Gaussian q."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, Normal

RNG = np.random.default_rng(123)
GROUPS, EACH, D = 6, 3, 2
X = RNG.normal(size=(GROUPS, EACH, D))
TIME = RNG.exponential(1.0, size=(GROUPS, EACH))
EVENT = (RNG.random((GROUPS, EACH)) < 0.7).astype(float)
LOG_2PI = np.log(2.0 * np.pi)


def elbo(p: Any) -> Any:
    """Per group: E log p(t | b) with E e^b = exp(m + s²/2), minus KL of the effect."""
    m, s = p["m"], jnp.exp(p["log_s"])
    tau = jnp.exp(p["log_tau"])
    eta = X @ p["beta"] + p["base"]
    expected_hazard = lax.exp(eta + (m + 0.5 * s**2)[:, None])
    log_lik = EVENT * (eta + m[:, None]) - TIME * expected_hazard
    log_prior = -0.5 * LOG_2PI - p["log_tau"] - 0.5 * (m**2 + s**2) / tau**2
    entropy = 0.5 * (1.0 + LOG_2PI) + p["log_s"]
    return (log_lik.sum(1) + log_prior + entropy).mean()


def factors(p: Any) -> Declaration:
    """The effect as an average, the times by their expected log density."""
    variance = jnp.exp(2 * p["log_s"])
    linear = X @ p["beta"] + p["base"]
    of_times = EVENT * (linear + p["m"][:, None]) - TIME * jnp.exp(linear) * jnp.exp(p["m"] + variance / 2)[:, None]
    prior = Normal(np.zeros((1, 1)), jnp.exp(2 * p["log_tau"]) * np.ones((1, 1)))
    return Declaration(
        (
            Factor("b", Average(prior, Normal(p["m"][:, None], variance[:, None]))),
            Factor("t", LogDensity(of_times.sum(1)[:, None])),
        ),
        q=Latents("b", entropy=Normal(p["m"], variance)),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(23)
    start = {
        "m": 0.5 * rng.normal(size=GROUPS),
        "log_s": 0.3 * rng.normal(size=GROUPS) - 0.6,
        "beta": 0.4 * rng.normal(size=D),
        "base": np.array(0.1),
        "log_tau": np.array(-0.3),
    }
    return Problem(start, elbo, factors, library="jax", label="survival, random effects")
