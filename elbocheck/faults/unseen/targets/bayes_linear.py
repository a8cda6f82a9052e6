"""Bayesian linear regression: one Gaussian q of the weights for all data, every expectation in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, Normal

RNG = np.random.default_rng(106)
N, D = 12, 3
X = RNG.normal(size=(N, D)) * np.array([1.0, 2.0, 0.7])
Y = X @ np.array([0.8, -1.0, 0.3]) + 0.5 * RNG.normal(size=N)
LOG_2PI = np.log(2.0 * np.pi)


def elbo(p: Any) -> Any:
    """(E log p(y | w) + E log p(w) + H[q]) / N, mean-field q(w) = N(m, diag s²)."""
    m, s2 = p["m"], np.exp(2.0 * p["log_s"])
    beta, alpha = np.exp(p["log_beta"]), np.exp(p["log_alpha"])
    residual = Y - X @ m
    spread = (X**2) @ s2
    likelihood = 0.5 * N * (p["log_beta"] - LOG_2PI)
    likelihood = likelihood - 0.5 * beta * (residual**2 + spread).sum()
    prior = 0.5 * D * (p["log_alpha"] - LOG_2PI)
    prior = prior - 0.5 * alpha * (m**2 + s2).sum()
    entropy = 0.5 * D * (1.0 + LOG_2PI) + p["log_s"].sum()
    return (likelihood + prior + entropy) / N


def factors(p: Any) -> Declaration:
    """Two points of x · w with its mean and variance are exact for squares."""
    variance = np.exp(2.0 * p["log_s"])
    mean, std = X @ p["m"], np.sqrt((X * X * variance).sum(1))
    points = np.stack([mean - std, mean + std], axis=1)
    prior = Normal(np.zeros((1, 1, D)), np.exp(-p["log_alpha"]) + np.zeros((1, 1, D)))
    return Declaration(
        (
            Factor("w", Average(prior, Normal(p["m"][None, None], variance[None, None])), under="w"),
            Factor("y", Normal(points, np.exp(-p["log_beta"])), Y[:, None], under="w"),
        ),
        q=Latents("w", weights=np.full((1, 2), 0.5), entropy=Normal(p["m"][None], variance[None]), plate=None),
    )


def fit(p: Any) -> Any:
    """Coordinate ascent: means jointly, then scales, then the two precisions."""
    m, s2 = p["m"], np.exp(2.0 * p["log_s"])
    beta, alpha = np.exp(p["log_beta"]), np.exp(p["log_alpha"])
    for _ in range(2000):
        m = np.linalg.solve(beta * X.T @ X + alpha * np.eye(D), beta * X.T @ Y)
        s2 = 1.0 / (beta * (X**2).sum(0) + alpha)
        expected = ((Y - X @ m) ** 2).sum() + (X**2).sum(0) @ s2
        beta_new, alpha_new = N / expected, D / (m @ m + s2.sum())
        done = abs(beta_new - beta) + abs(alpha_new - alpha) < 1e-14
        beta, alpha = beta_new, alpha_new
        if done:
            break
    return {"m": m, "log_s": 0.5 * np.log(s2), "log_beta": np.log(beta), "log_alpha": np.log(alpha)}


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(6)
    start = {
        "m": 0.5 * rng.normal(size=D),
        "log_s": 0.3 * rng.normal(size=D) - 0.5,
        "log_beta": np.array(0.4),
        "log_alpha": np.array(-0.3),
    }
    return Problem(start, elbo, factors, fit=fit, library="numpy", label="Bayesian linear regression")
