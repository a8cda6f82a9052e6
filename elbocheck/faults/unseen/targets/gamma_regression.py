"""Regression with a gamma q of the noise precision and a learned prior scale of the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, Gamma, Normal

RNG = np.random.default_rng(107)
N, D = 10, 2
X = RNG.normal(size=(N, D))
Y = X @ np.array([1.5, -0.6]) + 0.7 * RNG.normal(size=N)
A0, B0 = 1.5, 0.8
LOG_2PI = np.log(2.0 * np.pi)


def elbo(p: Any) -> Any:
    """Mean field q(w) q(τ); y ~ N(x · w, 1/τ), w ~ N(0, λ²), τ ~ Gamma(a₀, b₀)."""
    m, v = p["m"], np.exp(p["log_v"])
    a, b = np.exp(p["log_a"]), np.exp(p["log_b"])
    e_tau, e_log_tau = a / b, special.digamma(a) - np.log(b)
    squares = (Y - X @ m) ** 2 + X**2 @ v
    log_lik = (0.5 * (e_log_tau - LOG_2PI - e_tau * squares)).sum()
    lam2 = np.exp(2.0 * p["log_lam"])
    log_pw = -0.5 * (LOG_2PI + 2.0 * p["log_lam"] + (m**2 + v) / lam2).sum()
    log_ptau = A0 * np.log(B0) - special.loggamma(A0) + (A0 - 1.0) * e_log_tau - B0 * e_tau
    h_w = 0.5 * (LOG_2PI + 1.0 + p["log_v"]).sum()
    h_tau = a - np.log(b) + special.loggamma(a) + (1.0 - a) * special.digamma(a)
    return (log_lik + log_pw + log_ptau + h_w + h_tau) / N


def factors(p: Any) -> Declaration:
    """Both priors as averages, the data by their expected log density."""
    m, v, q = p["m"], np.exp(p["log_v"]), Gamma(np.exp(p["log_a"]), np.exp(p["log_b"]))
    log_tau, tau = q.mean_statistics()
    expected = (Y - X @ m) ** 2 + (X * X) @ v
    of_y = 0.5 * log_tau - 0.5 * LOG_2PI - 0.5 * tau * expected
    prior = Normal(np.zeros((1, 1, D)), (np.exp(p["log_lam"]) ** 2)[None, None, None] + np.zeros((1, 1, D)))
    of_tau = Gamma(np.exp(p["log_a"])[None, None], np.exp(p["log_b"])[None, None])
    return Declaration(
        (
            Factor("w", Average(prior, Normal(m[None, None], v[None, None])), under="w"),
            Factor("tau", Average(Gamma(np.full((1, 1), A0), np.full((1, 1), B0)), of_tau), under="tau"),
            Factor("y", LogDensity(of_y[:, None]), under=("w", "tau")),
        ),
        q=(
            Latents("w", entropy=Normal(m[None], v[None]), plate=None),
            Latents("tau", entropy=Gamma(np.exp(p["log_a"])[None], np.exp(p["log_b"])[None]), plate=None),
        ),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    start = {
        "m": np.array([0.9, -0.2]),
        "log_v": np.array([-1.0, -0.4]),
        "log_a": np.array(0.9),
        "log_b": np.array(0.3),
        "log_lam": np.array(0.2),
    }
    return Problem(start, elbo, factors, library="numpy", label="regression, gamma precision")
