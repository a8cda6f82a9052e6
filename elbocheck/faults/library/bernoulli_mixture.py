"""Mixture of products of Bernoulli distributions with logits as parameters, trained by EM."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import bernoulli

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Bernoulli, Categorical
from elbocheck.faults.numerics import Array, Params, converge, log_softmax, softplus

TRUE: Params = {
    "logits": np.log([0.45, 0.55]),
    "log_odds": np.array([[1.5, 1.2, -1.0, -1.4, 1.2], [-1.2, -1.5, 1.5, 1.0, -1.4]]),
}


def simulate(rng: np.random.Generator, size: int) -> Array:
    """Bits (N, D) from the true parameters."""
    z = rng.choice(2, size=size, p=np.exp(TRUE["logits"]))
    return (rng.uniform(size=(size, 5)) < 1 / (1 + np.exp(-TRUE["log_odds"][z]))).astype(float)


def begin(x: Array) -> Params:
    """Rough parameters, from which training starts."""
    return {"logits": np.array([-0.1, 0.2]), "log_odds": 0.5 * TRUE["log_odds"]}


def log_density(params: Params, x: Array) -> Array:
    """log Bernoulli(x_n; σ(η_c)), (N, K)."""
    ones = x @ params["log_odds"].T
    normaliser = np.sum(softplus(params["log_odds"]), axis=-1)
    return ones - normaliser


def log_responsibilities(params: Params, x: Array) -> Array:
    """log r, (N, K)."""
    return log_softmax(log_softmax(params["logits"]) + log_density(params, x))


def elbo(params: Params, x: Array, size: int) -> Array:
    """E log p(x, z) + H[q], per datum; x (B, D) is a batch of `size` data."""
    log_r = log_responsibilities(params, x)
    r = np.exp(log_r)
    log_weights = log_softmax(params["logits"])
    likelihood = np.sum(r * log_density(params, x), axis=1)
    prior = r @ log_weights
    entropy = -np.sum(r * log_r, axis=1)
    return np.mean(likelihood + prior + entropy)


def grad(params: Params, x: Array) -> Params:
    """Gradient of `elbo` on all data."""
    r = np.exp(log_responsibilities(params, x))
    probabilities = 1 / (1 + np.exp(-params["log_odds"]))
    return {
        "logits": np.mean(r, axis=0) - np.exp(log_softmax(params["logits"])),
        "log_odds": r.T @ x / len(x) - np.mean(r, axis=0)[:, None] * probabilities,
    }


def step(params: Params, x: Array) -> Params:
    """One EM step."""
    r = np.exp(log_responsibilities(params, x))
    counts = np.sum(r, axis=0)
    probabilities = r.T @ x / counts[:, None]
    log_odds = np.log(probabilities) - np.log1p(-probabilities)
    return {"logits": np.log(counts / len(x)), "log_odds": log_odds}


def fit(params: Params, x: Array) -> Params:
    """EM until nothing moves."""
    return converge(lambda p: step(p, x), params)


def declare(params: Params, x: Array) -> Declaration:
    """What the bound is made of."""
    every = np.eye(len(params["logits"]))[None]
    log_odds = params["log_odds"]
    return Declaration(
        factors=(
            Factor("z", Categorical(params["logits"]), every, ("logits",)),
            Factor(
                "x",
                Bernoulli(log_odds),
                x[:, None, :],
                ("log_odds",),
                {"log_odds": log_odds},
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
    each = bernoulli.logpmf(x[:, None, :], 1 / (1 + np.exp(-params["log_odds"]))).sum(-1)
    return float(np.mean(logsumexp(each + params["logits"], axis=1) - logsumexp(params["logits"])))


def identified(params: Params) -> Array:
    """What data can tell: the components, by their first probability."""
    order = np.argsort(params["log_odds"][:, 0])
    probabilities = 1 / (1 + np.exp(-params["log_odds"][order]))
    return np.concatenate([np.exp(log_softmax(params["logits"]))[order], probabilities.ravel()])
