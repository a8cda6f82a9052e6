"""Exact Gaussian process regression: the log evidence of all data at once, with a gradient by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import MultivariateNormal

RNG = np.random.default_rng(109)
N = 9
T = np.sort(RNG.uniform(-2.0, 2.0, size=N))
Y = np.sin(2.0 * T) + 0.2 * RNG.normal(size=N)
D2 = (T[:, None] - T) ** 2


def covariance(p: Any) -> Any:
    """Squared exponential kernel plus noise, (N, N)."""
    ell, amp, noise = np.exp(p["log_ell"]), np.exp(p["log_amp"]), np.exp(p["log_noise"])
    k = amp**2 * np.exp(-0.5 * D2 / ell**2)
    return k + noise**2 * np.eye(N)


def elbo(p: Any) -> Any:
    """log N(y; 0, K + σ² I)."""
    k = covariance(p)
    chol = np.linalg.cholesky(k)
    alpha = np.linalg.solve(chol.T, np.linalg.solve(chol, Y))
    half_log_det = np.log(np.diag(chol)).sum()
    return -0.5 * Y @ alpha - half_log_det - 0.5 * N * np.log(2.0 * np.pi)


def grad(p: Any) -> Any:
    """½ tr((α αᵀ − K⁻¹) ∂K), by hand."""
    inverse = np.linalg.inv(covariance(p))
    alpha = inverse @ Y
    inner = np.outer(alpha, alpha) - inverse
    smooth = np.exp(2.0 * p["log_amp"]) * np.exp(-0.5 * D2 * np.exp(-2.0 * p["log_ell"]))
    d_ell = smooth * D2 * np.exp(-2.0 * p["log_ell"])
    d_amp = 2.0 * smooth
    d_noise = 2.0 * np.exp(2.0 * p["log_noise"]) * np.eye(N)
    of = {"log_ell": d_ell, "log_amp": d_amp, "log_noise": d_noise}
    return {name: 0.5 * (inner * d).sum() for name, d in of.items()}


def declared_covariance(p: Any) -> Any:
    """The same covariance, written for the declaration."""
    scaled = T / np.exp(p["log_ell"])
    smooth = np.exp(-0.5 * (scaled[:, None] - scaled[None, :]) ** 2 + 2.0 * p["log_amp"])
    return smooth + np.diag(np.exp(2.0 * p["log_noise"]) + np.zeros(N))


def factors(p: Any) -> Declaration:
    """No latents: one multivariate normal for the one series."""
    lower = np.linalg.cholesky(declared_covariance(p))
    upper = np.linalg.inv(lower).T  # turned into the lower factor of the precision
    root = np.linalg.cholesky(upper @ upper.T)
    y = Factor("y", MultivariateNormal(np.zeros((1, 1, N)), root[None, None]), Y[None, None])
    return Declaration((y,), np.ones((1, 1)), np.zeros(1))


def problem() -> Problem:
    """The problem at rough parameters."""
    start = {"log_ell": np.array(-0.4), "log_amp": np.array(0.2), "log_noise": np.array(-0.6)}
    return Problem(start, elbo, factors, grad=grad, library="numpy", label="exact Gaussian process")
