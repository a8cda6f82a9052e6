"""Zero-inflated Poisson regression, no latents left: maximum likelihood with a gradient by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.problem import Problem

RNG = np.random.default_rng(121)
N, D = 15, 2
X = np.column_stack([np.ones(N), RNG.normal(size=N)])
Y = RNG.poisson(np.exp(X @ np.array([0.8, 0.3]))) * (RNG.random(N) < 0.7)
ZERO = Y == 0


def likelihood(p: Any, x: Any, y: Any) -> Any:
    """Mean log p(y | x)."""
    eta, gate = x @ p["beta"], p["gate"]
    lam = np.exp(eta)
    log_pi = -np.log1p(np.exp(-gate))
    log_rest = -np.log1p(np.exp(gate))
    at_zero = np.log(np.exp(log_pi) + np.exp(log_rest - lam))
    positive = log_rest + y * eta - lam - special.gammaln(y + 1.0)
    return np.where(y == 0, at_zero, positive).mean()


def elbo(p: Any) -> Any:
    """On all data."""
    return likelihood(p, X, Y)


def grad(p: Any) -> Any:
    """By hand, zeros and counts apart."""
    lam = np.exp(X @ p["beta"])
    pi = special.expit(p["gate"])
    none = (1.0 - pi) * np.exp(-lam)
    d_eta = np.where(ZERO, -lam * none / (pi + none), Y - lam)
    d_gate = np.where(ZERO, pi * (1.0 - pi) * (1.0 - np.exp(-lam)) / (pi + none), -pi)
    return {"beta": X.T @ d_eta / N, "gate": d_gate.mean()}


def factors(p: Any) -> Declaration:
    """A density that is no exponential family."""
    rate, pi = np.exp(X @ p["beta"]), 1.0 / (1.0 + np.exp(-p["gate"]))
    poisson = np.exp(Y * np.log(rate) - rate - special.gammaln(Y + 1))
    y = LogDensity(np.log(pi * ZERO + (1.0 - pi) * poisson)[:, None])
    return Declaration((Factor("y", y, parameters=("beta", "gate")),), np.ones((N, 1)), np.zeros(N))


def problem() -> Problem:
    """The problem at rough parameters."""
    start = {"beta": np.array([0.5, 0.2]), "gate": np.array(-0.6)}
    subset = lambda p, rows: likelihood(p, X[rows], Y[rows])  # noqa: E731
    return Problem(start, elbo, factors, grad=grad, subset=subset, library="numpy", label="zero-inflated counts")
