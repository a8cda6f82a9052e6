"""Factor analysis by EM: evidence N(x; b, W Wᵀ + Ψ) through the matrix inversion lemma, exact posterior."""

from __future__ import annotations

from typing import Any

import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import Normal

RNG = np.random.default_rng(119)
N, D, K = 40, 4, 1
X = RNG.normal(size=(N, K)) @ np.array([[1.5, -1.0, 0.7, 1.1]]) + RNG.normal(size=(N, D)) * [0.5, 0.8, 1.0, 0.6]


def evidence(p: Any, x: Any) -> Any:
    """Mean log p(x_n)."""
    psi, w = np.exp(p["log_psi"]), p["w"]
    core = np.eye(K) + (w.T / psi) @ w
    centred = x - p["b"]
    projected = (centred / psi) @ w
    quad = (centred**2 / psi).sum(1) - (projected @ np.linalg.inv(core) * projected).sum(1)
    log_det = p["log_psi"].sum() + np.log(np.linalg.det(core))
    return (-0.5 * (quad + log_det + D * np.log(2.0 * np.pi))).mean()


def elbo(p: Any) -> Any:
    """On all data."""
    return evidence(p, X)


def posterior(p: Any) -> Any:
    """(means (N, K), covariance (K, K)) of q(z)."""
    scaled = p["w"].T / np.exp(p["log_psi"])
    covariance = np.linalg.inv(np.eye(K) + scaled @ p["w"])
    return (X - p["b"]) @ scaled.T @ covariance, covariance


def fit(p: Any) -> Any:
    """EM with all parameters at once until nothing moves."""
    for _ in range(20000):
        mean, covariance = posterior(p)
        z = np.concatenate([mean, np.ones((N, 1))], axis=1)
        second = z.T @ z
        second[:K, :K] += N * covariance
        both = np.linalg.solve(second, z.T @ X).T  # D, K + 1
        w, b = both[:, :K], both[:, K]
        psi = (X**2).mean(0) - (both * (X.T @ z)).sum(1) / N
        new = {"w": w, "b": b, "log_psi": np.log(psi)}
        moved = max(abs(new[name] - p[name]).max() for name in p)
        p = new
        if moved < 1e-14:
            break
    return p


def factors(p: Any) -> Declaration:
    """Sigma points of the exact posterior."""
    mean, covariance = posterior(p)
    spread = np.sqrt(K * covariance)  # K = 1
    z = np.concatenate([mean[:, None] + spread, mean[:, None] - spread], axis=1)
    prior = Normal(np.zeros((1, 1, K)), np.ones((1, 1, K)))
    return Declaration(
        (
            Factor("z", prior, z),
            Factor("x", Normal(z @ p["w"].T + p["b"], np.exp(p["log_psi"])), X[:, None]),
        ),
        weights=np.full((N, 2 * K), 0.5 / K),
        entropy=Normal(mean, covariance[0] + np.zeros((N, K))),
        optimal=True,
    )


def problem() -> Problem:
    """The problem at rough parameters."""
    start = {
        "w": np.array([[1.0], [-0.6], [0.4], [0.9]]),
        "b": np.array([0.1, -0.2, 0.3, 0.0]),
        "log_psi": np.array([-0.3, 0.2, 0.1, -0.4]),
    }
    subset = lambda p, rows: evidence(p, X[rows])  # noqa: E731
    return Problem(start, elbo, factors, fit=fit, subset=subset, library="numpy", label="factor analysis")
