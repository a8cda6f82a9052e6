"""Gaussian mixture by EM: the log evidence through log-sum-exp, the exact posterior as q, a gradient by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import Categorical, Normal

RNG = np.random.default_rng(115)
N, K = 14, 2
X = np.concatenate([RNG.normal(-2.0, 0.6, size=6), RNG.normal(1.5, 1.0, size=8)])


def joint(p: Any, x: Any) -> Any:
    """log π_k + log N(x_n; μ_k, σ_k²), (N, K)."""
    log_pi = p["pi"] - np.log(np.exp(p["pi"]).sum())
    z = (x[:, None] - p["mu"]) * np.exp(-p["log_sigma"])
    return log_pi - 0.5 * z**2 - p["log_sigma"] - 0.5 * np.log(2.0 * np.pi)


def evidence(p: Any, x: Any) -> Any:
    """Mean log p(x_n)."""
    log_pi = p["pi"] - np.log(np.sum(np.exp(p["pi"])))
    dist = (x[:, None] - p["mu"]) / np.exp(p["log_sigma"])
    terms = log_pi - 0.5 * dist**2 - p["log_sigma"] - 0.5 * np.log(2 * np.pi)
    top = terms.real.max(1, keepdims=True)
    log_px = top[:, 0] + np.log(np.exp(terms - top).sum(1))
    return log_px.mean()


def elbo(p: Any) -> Any:
    """On all data."""
    return evidence(p, X)


def responsibilities(p: Any) -> Any:
    """Posterior of the component, (N, K)."""
    scores = joint(p, X)
    r = np.exp(scores - scores.real.max(1, keepdims=True))
    return r / r.sum(1, keepdims=True)


def grad(p: Any) -> Any:
    """By Fisher's identity."""
    r = responsibilities(p)
    off = X[:, None] - p["mu"]
    precision = np.exp(-2.0 * p["log_sigma"])
    share = np.exp(p["pi"]) / np.exp(p["pi"]).sum()
    d_mu = (r * off * precision).mean(0)
    d_log_sigma = (r * (off**2 * precision - 1.0)).mean(0)
    return {"pi": r.mean(0) - share, "mu": d_mu, "log_sigma": d_log_sigma}


def fit(p: Any) -> Any:
    """EM until nothing moves."""
    for _ in range(5000):
        r = responsibilities(p)
        counts = r.sum(0)
        mu = r.T @ X / counts
        sigma2 = (r * (X[:, None] - mu) ** 2).sum(0) / counts
        new = {"pi": np.log(counts / N), "mu": mu, "log_sigma": 0.5 * np.log(sigma2)}
        moved = max(abs(new[name] - p[name]).max() for name in ("mu", "log_sigma"))
        p = new
        if moved < 1e-15:
            break
    return p


def factors(p: Any) -> Declaration:
    """Weights and components under the exact posterior."""
    variance = np.exp(2.0 * p["log_sigma"])[None]
    return Declaration(
        (
            Factor("z", Categorical(p["pi"][None, None]), np.eye(K)[None]),
            Factor("x", Normal(p["mu"][None], variance), X[:, None]),
        ),
        weights=responsibilities(p),
        optimal=True,
    )


def problem() -> Problem:
    """The problem at rough parameters."""
    start = {"pi": np.array([0.1, -0.2]), "mu": np.array([-1.0, 0.8]), "log_sigma": np.array([0.1, -0.1])}
    subset = lambda p, rows: evidence(p, X[rows])  # noqa: E731
    return Problem(
        start, elbo, factors, grad=grad, fit=fit, subset=subset, library="numpy", label="Gaussian mixture by EM"
    )
