"""Bayesian Gaussian mixture: Dirichlet weights, normal-gamma components, responsibilities as an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import digamma, loggamma

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, Dirichlet, NormalGamma, expected_log_density

RNG = np.random.default_rng(118)
N, K = 11, 2
X = np.concatenate([RNG.normal(-1.0, 0.7, size=5), RNG.normal(2.0, 0.5, size=6)])
A0, M0, K0, S0, R0 = 1.2, 0.0, 0.3, 1.5, 1.0
LOG_2PI = np.log(2.0 * np.pi)


def log_softmax(a: Any) -> Any:
    """Over the last axis."""
    a = a - a.real.max(-1, keepdims=True)
    return a - np.log(np.exp(a).sum(-1, keepdims=True))


def kl_dirichlet(alpha: Any) -> Any:
    """KL(Dir(α) ‖ Dir(α₀))."""
    total = loggamma(alpha.sum()) - loggamma(alpha).sum() - loggamma(K * A0) + K * loggamma(A0)
    return total + ((alpha - A0) * (digamma(alpha) - digamma(alpha.sum()))).sum()


def kl_normal_gamma(m: Any, k: Any, a: Any, b: Any) -> Any:
    """KL(NG(m, k, a, b) ‖ NG(m₀, k₀, s₀, r₀)), summed over the components."""
    of_mean = 0.5 * (K0 * (m - M0) ** 2 * a / b + K0 / k - 1.0 - np.log(K0 / k))
    of_precision = S0 * np.log(b / R0) - loggamma(a) + loggamma(S0) + (a - S0) * digamma(a) + (R0 - b) * a / b
    return (of_mean + of_precision).sum()


def elbo(p: Any) -> Any:
    """Local terms minus the two global divergences, per datum."""
    alpha, k, a, b = (np.exp(p[name]) for name in ("alpha", "k", "a", "b"))
    m, log_r = p["m"], log_softmax(p["r"])
    r = np.exp(log_r)
    e_log_pi = digamma(alpha) - digamma(alpha.sum())
    e_log_tau = digamma(a) - np.log(b)
    quad = a / b * (X[:, None] - m) ** 2 + 1.0 / k
    log_lik = 0.5 * e_log_tau - 0.5 * LOG_2PI - 0.5 * quad
    local = (r * (log_lik + e_log_pi)).sum()
    entropy = -(r * log_r).sum()
    return (local + entropy - kl_dirichlet(alpha) - kl_normal_gamma(m, k, a, b)) / N


def factors(p: Any) -> Declaration:
    """Two global groups, one group of enumerated states."""
    alpha, k, a, b = (np.exp(p[name]) for name in ("alpha", "k", "a", "b"))
    pi, x = Dirichlet(alpha[None, None]), X[:, None, None]
    q = NormalGamma(p["m"][:, None], k[:, None], a[:, None], b[:, None])  # K, 1
    linear = (np.full(x.shape, 0.5), -0.5 * x**2, x, np.full(x.shape, -0.5))
    prior = NormalGamma(*(np.full((1, 1, K, 1), value) for value in (M0, K0, S0, R0)))
    of_q = NormalGamma(*(one[None, None, :, None] for one in (p["m"], k, a, b)))
    return Declaration(
        (
            Factor("pi", Average(Dirichlet(np.full((1, 1, K), A0)), pi), under="pi"),
            Factor("theta", Average(prior, of_q), under="theta"),
            Factor("z", LogDensity(expected_log_density(pi, (np.eye(K)[None],))), under=("z", "pi")),
            Factor("x", LogDensity(expected_log_density(q, linear, -0.5 * LOG_2PI)), under=("z", "theta")),
        ),
        q=(
            Latents("pi", entropy=Dirichlet(alpha[None]), plate=None),
            Latents("theta", entropy=NormalGamma(*(one[None, :, None] for one in (p["m"], k, a, b))), plate=None),
            Latents("z", weights=np.exp(log_softmax(p["r"]))),
        ),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(18)
    start = {
        "alpha": np.array([0.8, 1.1]),
        "m": np.array([-0.7, 1.4]),
        "k": 0.4 * rng.normal(size=K),
        "a": 0.3 * rng.normal(size=K) + 0.9,
        "b": 0.3 * rng.normal(size=K),
        "r": rng.normal(size=(N, K)),
    }
    return Problem(start, elbo, factors, library="numpy", label="Bayesian mixture")
