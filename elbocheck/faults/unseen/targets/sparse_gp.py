"""Sparse Gaussian process regression with whitened inducing values and a Gaussian likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, Normal

RNG = np.random.default_rng(110)
N, M = 14, 4
T = np.sort(RNG.uniform(-2.5, 2.5, size=N))
Y = np.cos(1.5 * T) + 0.3 * RNG.normal(size=N)
Z = np.linspace(-2.0, 2.0, M)
JITTER = 1e-6
LOG_2PI = np.log(2.0 * np.pi)


def rbf(a: Any, b: Any) -> Any:
    """Kernel of unit variance and length."""
    return np.exp(-0.5 * (a[:, None] - b) ** 2)


LZ = np.linalg.cholesky(rbf(Z, Z) + JITTER * np.eye(M))
A = np.linalg.solve(LZ, rbf(Z, T)).T  # N, M: f = A v + what is left
LEFT = 1.0 - (A**2).sum(1)


def elbo(p: Any) -> Any:
    """Σ E log N(y; f, σ²) − KL(q(v) ‖ N(0, I)), u = L v, per datum."""
    m, s = p["m"], np.exp(p["log_s"])
    amp = np.exp(p["log_amp"])
    f_mean = amp * (A @ m)
    f_var = amp**2 * ((A * s) ** 2).sum(1) + amp**2 * LEFT
    noise2 = np.exp(2.0 * p["log_noise"])
    fit_term = -0.5 * (LOG_2PI + np.log(noise2) + (Y - f_mean) ** 2 / noise2)
    trace_term = -0.5 * f_var / noise2
    kl = 0.5 * (s**2 + m**2 - 1.0).sum() - np.log(s).sum()
    return (fit_term.sum() + trace_term.sum() - kl) / N


def factors(p: Any) -> Declaration:
    """The whitened values once for all data; f at each datum by two points."""
    variance = np.exp(p["log_s"]) ** 2
    amp = np.exp(p["log_amp"])
    centre, std = amp * (A @ p["m"]), amp * np.sqrt(A**2 @ variance + LEFT)
    f = np.stack([centre + std, centre - std], axis=1)
    prior = Normal(np.zeros((1, 1, M)), np.ones((1, 1, M)))
    return Declaration(
        (
            Factor("v", Average(prior, Normal(p["m"][None, None], variance[None, None])), under="v"),
            Factor("y", Normal(f, np.exp(2.0 * p["log_noise"])), Y[:, None], under="f"),
        ),
        q=(
            Latents("v", entropy=Normal(p["m"][None], variance[None]), plate=None),
            Latents("f", weights=np.full((N, 2), 0.5), entropy=0.0),
        ),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(10)
    start = {
        "m": rng.normal(size=M),
        "log_s": 0.4 * rng.normal(size=M) - 0.5,
        "log_amp": np.array(0.2),
        "log_noise": np.array(-0.5),
    }
    return Problem(start, elbo, factors, library="numpy", label="sparse Gaussian process")
