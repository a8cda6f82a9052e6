"""Eight schools in JAX: normal effects of groups, their scale log-normal under a global q, all by samples."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, LogNormal, Normal

RNG = np.random.default_rng(125)
J, S = 8, 5
Y = np.array([2.8, 0.8, -0.3, 0.7, -0.1, 0.1, 1.8, 1.2])
SIGMA = np.array([1.5, 1.0, 1.6, 1.1, 0.9, 1.1, 1.0, 1.8])
EPS_TAU = RNG.normal(size=S)
EPS = RNG.normal(size=(S, J))
LOG_2PI = np.log(2.0 * np.pi)


def elbo(p: Any) -> Any:
    """Per school; θ_j ~ N(μ, τ²), τ ~ log-normal(0, 1), q(θ_j) normal, q(τ) log-normal."""
    log_tau = p["tau_m"] + jnp.exp(p["tau_s"]) * EPS_TAU
    tau = jnp.exp(log_tau)
    theta = p["m"] + jnp.exp(p["log_s"]) * EPS
    log_y = (-0.5 * ((Y - theta) / SIGMA) ** 2 - np.log(SIGMA) - 0.5 * LOG_2PI).sum(1)
    scaled = (theta - p["mu"]) / tau[:, None]
    log_theta = (-0.5 * scaled**2 - log_tau[:, None] - 0.5 * LOG_2PI).sum(1)
    e_square = p["tau_m"] ** 2 + jnp.exp(2.0 * p["tau_s"])
    prior_tau = -0.5 * e_square - 0.5 * LOG_2PI - p["tau_m"]
    h_theta = (p["log_s"] + 0.5 * (1.0 + LOG_2PI)).sum()
    h_tau = p["tau_s"] + 0.5 * (1.0 + LOG_2PI) + p["tau_m"]
    return ((log_y + log_theta).mean() + prior_tau + h_theta + h_tau) / J


def factors(p: Any) -> Declaration:
    """Scale and effects drawn jointly; the prior of the scale as an average."""
    tau = jnp.exp(p["tau_m"] + jnp.exp(p["tau_s"]) * EPS_TAU)
    theta = (p["m"] + jnp.exp(p["log_s"]) * EPS).T  # J, S
    q_tau = LogNormal(p["tau_m"] * np.ones((1, 1)), jnp.exp(2 * p["tau_s"]) * np.ones((1, 1)))
    weights = np.full((1, S), 1 / S)
    return Declaration(
        (
            Factor("tau", Average(LogNormal(np.zeros((1, 1)), np.ones((1, 1))), q_tau), under="tau"),
            Factor("theta", Normal(p["mu"] * np.ones((1, 1)), tau[None] ** 2), theta, under=("tau", "theta")),
            Factor("y", Normal(theta, SIGMA[:, None] ** 2), Y[:, None], under="theta"),
        ),
        q=(
            Latents(
                "tau", weights=weights, entropy=LogNormal(p["tau_m"][None], jnp.exp(2 * p["tau_s"])[None]), plate=None
            ),
            Latents("theta", weights=weights, entropy=Normal(p["m"], jnp.exp(2 * p["log_s"]))),
        ),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(25)
    start = {
        "m": 0.5 * rng.normal(size=J) + 0.8,
        "log_s": 0.3 * rng.normal(size=J) - 0.4,
        "mu": np.array(0.6),
        "tau_m": np.array(-0.2),
        "tau_s": np.array(-0.8),
    }
    return Problem(start, elbo, factors, library="jax", label="eight schools")
