"""Mixture of log-normal distributions, by change of variables; standard deviations are softplus(ρ). Trained by EM."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import lognorm

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Categorical, LogNormal
from elbocheck.faults.numerics import Array, Params, converge, inverse_softplus, log_softmax, softplus

TRUE: Params = {
    "logits": np.log([0.4, 0.6]),
    "locations": np.array([[-1.0, 2.0], [1.5, 0.5]]),
    "rho": inverse_softplus(np.array([[0.5, 0.8], [0.7, 0.4]])),
}


def simulate(rng: np.random.Generator, size: int) -> Array:
    """Positive data (N, D) from the true parameters."""
    z = rng.choice(2, size=size, p=np.exp(TRUE["logits"]))
    return np.exp(TRUE["locations"][z] + softplus(TRUE["rho"])[z] * rng.normal(size=(size, 2)))


def begin(x: Array) -> Params:
    """Rough parameters, from which training starts."""
    return {"logits": np.array([0.2, 0.0]), "locations": 0.8 * TRUE["locations"], "rho": np.full((2, 2), 0.4)}


def log_density(params: Params, x: Array) -> Array:
    """log p(x_n | c) = log N(log x_n; m_c, s_c²) + log |d log x/dx|, (N, K)."""
    stds = softplus(params["rho"])
    y = np.log(x)
    normal = -0.5 * ((y[:, None, :] - params["locations"]) / stds) ** 2 - np.log(stds) - 0.5 * np.log(2 * np.pi)
    log_jacobian = -np.sum(y, axis=-1)
    return np.sum(normal, axis=-1) + log_jacobian[:, None]


def log_responsibilities(params: Params, x: Array) -> Array:
    """log r, (N, K)."""
    return log_softmax(log_softmax(params["logits"]) + log_density(params, x))


def elbo(params: Params, x: Array, size: int) -> Array:
    """Reconstruction minus KL(q(z) ‖ p(z)), per datum; x (B, D) is a batch of `size` data."""
    log_r = log_responsibilities(params, x)
    r = np.exp(log_r)
    reconstruction = np.sum(r * log_density(params, x), axis=1)
    kl = np.sum(r * (log_r - log_softmax(params["logits"])), axis=1)
    return np.mean(reconstruction - kl)


def grad(params: Params, x: Array) -> Params:
    """Gradient of `elbo` on all data."""
    r = np.exp(log_responsibilities(params, x)) / len(x)
    stds = softplus(params["rho"])
    scores = (np.log(x)[:, None, :] - params["locations"]) / stds
    of_stds = np.sum(r[..., None] * (scores**2 - 1), axis=0) / stds
    return {
        "logits": np.sum(r, axis=0) - np.exp(log_softmax(params["logits"])),
        "locations": np.sum(r[..., None] * scores, axis=0) / stds,
        "rho": of_stds / (1 + np.exp(-params["rho"])),
    }


def step(params: Params, x: Array) -> Params:
    """One EM step."""
    r = np.exp(log_responsibilities(params, x))
    counts = np.sum(r, axis=0)
    y = np.log(x)
    locations = r.T @ y / counts[:, None]
    variances = np.sum(r[..., None] * (y[:, None, :] - locations) ** 2, axis=0) / counts[:, None]
    return {"logits": np.log(counts / len(x)), "locations": locations, "rho": inverse_softplus(np.sqrt(variances))}


def fit(params: Params, x: Array) -> Params:
    """EM until nothing moves."""
    return converge(lambda p: step(p, x), params)


def declare(params: Params, x: Array) -> Declaration:
    """What the bound is made of."""
    every = np.eye(len(params["logits"]))[None]
    component = LogNormal(params["locations"], softplus(params["rho"]) ** 2)
    return Declaration(
        factors=(
            Factor("z", Categorical(params["logits"]), every, ("logits",)),
            Factor("x", component, x[:, None, :], ("locations", "rho")),
        ),
        weights=np.exp(log_responsibilities(params, x)),
        entropy=None,
        data_weights=np.full(len(x), 1 / len(x)),
        optimal=True,
    )


def log_evidence(params: Params, x: Array) -> float:
    """(1/N) log p(x), by scipy."""
    each = lognorm.logpdf(x[:, None, :], softplus(params["rho"]), scale=np.exp(params["locations"])).sum(-1)
    return float(np.mean(logsumexp(each + params["logits"], axis=1) - logsumexp(params["logits"])))


def identified(params: Params) -> Array:
    """What data can tell: the components, by their first location."""
    order = np.argsort(params["locations"][:, 0])
    shares = np.exp(log_softmax(params["logits"]))[order]
    return np.concatenate([shares, params["locations"][order].ravel(), softplus(params["rho"])[order].ravel()])
