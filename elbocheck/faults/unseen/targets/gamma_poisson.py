"""Counts with gamma rates: a gamma q of every rate, hyperparameters learned."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, Gamma, expected_log_density

RNG = np.random.default_rng(126)
N, REPEATS = 7, 3
X = RNG.poisson(RNG.gamma(2.0, 1.0, size=(N, 1)), size=(N, REPEATS)).astype(float)


def elbo(p: Any) -> Any:
    """Mean over units of E log p(x | λ) + E log p(λ) + H[q(λ)]."""
    a, b = np.exp(p["log_a"]), np.exp(p["log_b"])
    shape, rate = np.exp(p["log_shape"]), np.exp(p["log_rate"])
    e_lam, e_log = a / b, special.digamma(a) - np.log(b)
    log_px = (X * e_log[:, None] - e_lam[:, None] - special.gammaln(X + 1.0)).sum(1)
    log_prior = shape * p["log_rate"] - special.loggamma(shape)
    log_prior = log_prior + (shape - 1.0) * e_log - rate * e_lam
    entropy = a - np.log(b) + special.loggamma(a) + (1.0 - a) * special.digamma(a)
    return (log_px + log_prior + entropy).mean()


def factors(p: Any) -> Declaration:
    """The rates as an average, the counts by their expected log density."""
    a, b = np.exp(p["log_a"]), np.exp(p["log_b"])
    of_counts = expected_log_density(Gamma(a[:, None], b[:, None]), (X, -np.ones_like(X)), -special.gammaln(X + 1))
    prior = Gamma(np.exp(p["log_shape"])[None, None], np.exp(p["log_rate"])[None, None])
    return Declaration(
        (
            Factor("lambda", Average(prior, Gamma(a[:, None], b[:, None]))),
            Factor("x", LogDensity(of_counts.sum(1)[:, None])),
        ),
        q=Latents("lambda", entropy=Gamma(a, b)),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(26)
    start = {
        "log_a": 0.4 * rng.normal(size=N) + 0.8,
        "log_b": 0.3 * rng.normal(size=N),
        "log_shape": np.array(0.5),
        "log_rate": np.array(-0.2),
    }
    return Problem(start, elbo, factors, library="numpy", label="gamma-Poisson")
