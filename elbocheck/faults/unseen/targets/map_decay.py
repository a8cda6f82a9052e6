"""Poisson regression with weight decay: the maximum a posteriori estimate by Newton's method."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import Poisson

RNG = np.random.default_rng(122)
N, D = 13, 3
X = RNG.normal(size=(N, D))
Y = RNG.poisson(np.exp(0.5 + X @ np.array([0.4, -0.3, 0.2]))).astype(float)
DECAY = 0.15


def elbo(p: Any) -> Any:
    """Mean log likelihood minus weight decay; the intercept does not decay."""
    eta = X @ p["w"] + p["b"]
    log_lik = Y * eta - np.exp(eta) - special.gammaln(Y + 1.0)
    penalty = 0.5 * DECAY * np.sum(p["w"] ** 2)
    return log_lik.mean() - penalty


def grad(p: Any) -> Any:
    """By hand."""
    error = Y - np.exp(X @ p["w"] + p["b"])
    return {"w": X.T @ error / N - DECAY * p["w"], "b": error.mean()}


def fit(p: Any) -> Any:
    """Damped Newton steps until nothing moves."""
    design = np.column_stack([X, np.ones(N)])
    ridge = DECAY * np.diag([1.0] * D + [0.0])
    theta = np.append(p["w"], p["b"])
    for _ in range(200):
        rate = np.exp(design @ theta)
        force = design.T @ (Y - rate) / N - ridge @ theta
        step = np.linalg.solve(design.T @ (design * rate[:, None]) / N + ridge, force)
        theta = theta + step / max(1.0, np.abs(step).max())
        if np.abs(step).max() < 1e-13:
            break
    return {"w": theta[:D], "b": theta[D]}


def factors(p: Any) -> Declaration:
    """The counts, and the decay as a penalty."""
    y = Factor("y", Poisson((X @ p["w"] + p["b"])[:, None]), Y[:, None])
    return Declaration((y,), np.ones((N, 1)), np.zeros(N), penalties={"decay": -0.075 * (p["w"] @ p["w"])})


def problem() -> Problem:
    """The problem at rough parameters."""
    start = {"w": np.array([0.3, 0.1, -0.2]), "b": np.array(0.2)}
    return Problem(start, elbo, factors, grad=grad, fit=fit, library="numpy", label="MAP with weight decay")
