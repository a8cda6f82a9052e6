"""Mixture of products of Poisson distributions, trained by EM; its base measure 1/x! is not constant."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import poisson

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Categorical, Poisson
from elbocheck.faults.numerics import Array, Params, converge, log_softmax

TRUE: Params = {"logits": np.log([0.35, 0.65]), "log_rates": np.log([[1.0, 6.0], [8.0, 2.0]])}


def simulate(rng: np.random.Generator, size: int) -> Array:
    """Counts (N, D) from the true parameters."""
    z = rng.choice(2, size=size, p=np.exp(TRUE["logits"]))
    return rng.poisson(np.exp(TRUE["log_rates"])[z]).astype(float)


def begin(x: Array) -> Params:
    """Rough parameters, from which training starts."""
    return {"logits": np.array([0.2, -0.1]), "log_rates": np.log([[2.0, 4.0], [5.0, 3.0]])}


def log_density(params: Params, x: Array) -> Array:
    """log Poisson(x_n; λ_c), (N, K)."""
    rates = np.exp(params["log_rates"])
    log_factorials = np.sum(gammaln(x + 1), axis=-1)
    return x @ params["log_rates"].T - np.sum(rates, axis=-1) - log_factorials[:, None]


def log_prior(params: Params) -> Array:
    """log π, (K,)."""
    return log_softmax(params["logits"])


def log_responsibilities(params: Params, x: Array) -> Array:
    """log r, (N, K)."""
    return log_softmax(log_prior(params) + log_density(params, x))


def elbo(params: Params, x: Array, size: int) -> Array:
    """Reconstruction minus KL(q(z) ‖ p(z)), per datum; x (B, D) is a batch of `size` data."""
    log_r = log_responsibilities(params, x)
    r = np.exp(log_r)
    reconstruction = np.sum(r * log_density(params, x), axis=1)
    kl = np.sum(r * (log_r - log_prior(params)), axis=1)
    return np.sum(reconstruction - kl) / len(x)


def grad(params: Params, x: Array) -> Params:
    """Gradient of `elbo` on all data."""
    r = np.exp(log_responsibilities(params, x))
    shares, rates = np.mean(r, axis=0), np.exp(params["log_rates"])
    return {
        "logits": shares - np.exp(log_prior(params)),
        "log_rates": r.T @ x / len(x) - shares[:, None] * rates,
    }


def step(params: Params, x: Array) -> Params:
    """One EM step."""
    r = np.exp(log_responsibilities(params, x))
    counts = np.sum(r, axis=0)
    rates = r.T @ x / counts[:, None]
    return {"logits": np.log(counts / len(x)), "log_rates": np.log(rates)}


def fit(params: Params, x: Array) -> Params:
    """EM until nothing moves."""
    return converge(lambda p: step(p, x), params)


def declare(params: Params, x: Array) -> Declaration:
    """What the bound is made of."""
    every = np.eye(len(params["logits"]))[None]
    log_rates = params["log_rates"]
    return Declaration(
        factors=(
            Factor("z", Categorical(params["logits"]), every, ("logits",)),
            Factor(
                "x",
                Poisson(log_rates),
                x[:, None, :],
                ("log_rates",),
                {"log_rates": log_rates},
                groups=every,
            ),
        ),
        weights=np.exp(log_responsibilities(params, x)),
        entropy=None,
        data_weights=np.full(len(x), 1 / len(x)),
        optimal=True,
    )


def log_evidence(params: Params, x: Array) -> float:
    """(1/N) log p(x), by scipy."""
    each = poisson.logpmf(x[:, None, :], np.exp(params["log_rates"])).sum(-1)
    return float(np.mean(logsumexp(each + params["logits"], axis=1) - logsumexp(params["logits"])))


def identified(params: Params) -> Array:
    """What data can tell: the components, by their first rate."""
    order = np.argsort(params["log_rates"][:, 0])
    return np.concatenate([np.exp(log_softmax(params["logits"]))[order], np.exp(params["log_rates"])[order].ravel()])
