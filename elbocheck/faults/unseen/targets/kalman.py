"""Linear dynamical system in JAX: the evidence of each series by a Kalman filter."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import Normal

RNG = np.random.default_rng(112)
SERIES, T = 5, 4
X = np.cumsum(RNG.normal(size=(SERIES, T)), axis=1) + 0.5 * RNG.normal(size=(SERIES, T))
LOG_2PI = np.log(2.0 * np.pi)


def elbo(p: Any) -> Any:
    """log p(x) of each series: predict, score, update."""
    a, c = p["a"], p["c"]
    v0, q, r = jnp.exp(p["log_v0"]), jnp.exp(p["log_q"]), jnp.exp(p["log_r"])
    mean, var = p["m0"] * jnp.ones(SERIES), v0 * jnp.ones(SERIES)
    total = jnp.zeros(SERIES)
    for t in range(T):
        if t > 0:
            mean = a * mean
            var = a**2 * var + q
        innovation = X[:, t] - c * mean
        s = c**2 * var + r
        total = total - 0.5 * (innovation**2 / s + jnp.log(s) + LOG_2PI)
        gain = var * c / s
        mean = mean + gain * innovation
        var = (1.0 - gain * c) * var
    return total.mean()


def factors(p: Any) -> Declaration:
    """The exact posterior of a path as sigma points, from its precision."""
    a, c = p["a"], p["c"]
    v0, q, r = jnp.exp(p["log_v0"]), jnp.exp(p["log_q"]), jnp.exp(p["log_r"])
    first = np.zeros((T, T))
    first[0, 0] = 1.0
    own, previous, across = np.eye(T) - first, np.diag([1.0] * (T - 1) + [0.0]), np.eye(T, k=1) + np.eye(T, k=-1)
    precision = first / v0 + own / q + previous * a**2 / q - across * a / q + np.eye(T) * c**2 / r
    covariance = jnp.linalg.inv(precision)
    lower = jnp.linalg.cholesky(0.5 * (covariance + covariance.T))
    mean = (X * c / r + p["m0"] / v0 * np.eye(T)[0]) @ covariance
    spread = np.sqrt(T) * lower.T
    path = jnp.concatenate([mean[:, None] + spread, mean[:, None] - spread], axis=1)
    entropy = jnp.log(jnp.diagonal(lower)).sum() + 0.5 * T * (1.0 + LOG_2PI)
    return Declaration(
        (
            Factor("start", Normal(p["m0"] * np.ones((1, 1)), v0 * np.ones((1, 1))), path[:, :, 0]),
            Factor("step", Normal(a * path[:, :, :-1], q), path[:, :, 1:]),
            Factor("x", Normal(c * path, r), X[:, None]),
        ),
        weights=np.full((SERIES, 2 * T), 0.5 / T),
        entropy=entropy * np.ones(SERIES),
    )


def problem() -> Problem:
    """The problem at rough parameters."""
    values = {"a": 0.8, "c": 1.2, "m0": 0.4, "log_v0": 0.5, "log_q": -0.3, "log_r": -0.6}
    start = {name: np.array(value) for name, value in values.items()}
    return Problem(start, elbo, factors, library="jax", label="linear dynamical system")
