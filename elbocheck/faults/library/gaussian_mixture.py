"""Gaussian mixture with diagonal covariances and its exact responsibilities, trained by EM."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Categorical, Normal
from elbocheck.faults.numerics import Array, Params, converge, log_softmax

TRUE: Params = {
    "logits": np.log([0.3, 0.7]),
    "means": np.array([[-2.0, 1.0], [1.5, -1.0]]),
    "log_variances": np.log([[0.5, 1.5], [1.2, 0.4]]),
}


def simulate(rng: np.random.Generator, size: int) -> Array:
    """Data (N, D) from the true parameters."""
    z = rng.choice(2, size=size, p=np.exp(TRUE["logits"]))
    return TRUE["means"][z] + np.exp(0.5 * TRUE["log_variances"][z]) * rng.normal(size=(size, 2))


def begin(x: Array) -> Params:
    """Rough parameters, from which training starts."""
    spread = np.log(np.var(x, axis=0))
    return {"logits": np.zeros(2), "means": 0.7 * TRUE["means"], "log_variances": np.stack([spread, spread - 0.5])}


def log_density(params: Params, x: Array) -> Array:
    """log N(x_n; m_c, diag v_c), (N, K)."""
    variances = np.exp(params["log_variances"])
    squares = (x[:, None, :] - params["means"]) ** 2 / variances
    log_determinants = np.sum(params["log_variances"], axis=-1)
    constant = x.shape[-1] * np.log(2 * np.pi)
    return -0.5 * (np.sum(squares, axis=-1) + log_determinants + constant)


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
    reconstruction = np.sum(r * log_density(params, x))
    cross_entropy = -np.sum(r * log_prior(params))
    entropy = -np.sum(r * log_r)
    batch_scale = size / len(x)
    return batch_scale * (reconstruction - cross_entropy + entropy) / size


def grad(params: Params, x: Array) -> Params:
    """Gradient of `elbo` on all data."""
    r = np.exp(log_responsibilities(params, x))
    variances = np.exp(params["log_variances"])
    deviations = x[:, None, :] - params["means"]
    return {
        "logits": np.mean(r, axis=0) - np.exp(log_prior(params)),
        "means": np.mean(r[..., None] * deviations / variances, axis=0),
        "log_variances": 0.5 * np.mean(r[..., None] * (deviations**2 / variances - 1), axis=0),
    }


def step(params: Params, x: Array) -> Params:
    """One EM step."""
    r = np.exp(log_responsibilities(params, x))
    counts = np.sum(r, axis=0)
    means = r.T @ x / counts[:, None]
    deviations = x[:, None, :] - means
    variances = np.sum(r[..., None] * deviations**2, axis=0) / counts[:, None]
    return {"logits": np.log(counts / len(x)), "means": means, "log_variances": np.log(variances)}


def fit(params: Params, x: Array) -> Params:
    """EM until nothing moves."""
    return converge(lambda p: step(p, x), params)


def declare(params: Params, x: Array) -> Declaration:
    """What the bound is made of."""
    every = np.eye(len(params["logits"]))[None]
    r = np.exp(log_responsibilities(params, x))
    beta = {"log_variances": -np.ones(params["means"].shape)}
    component = Normal(params["means"], np.exp(params["log_variances"]))
    return Declaration(
        factors=(
            Factor("z", Categorical(params["logits"]), every, ("logits",)),
            Factor(
                "x",
                component,
                x[:, None, :],
                ("means", "log_variances"),
                beta,
                groups=every,
            ),
        ),
        weights=r,
        entropy=None,
        data_weights=np.full(len(x), 1 / len(x)),
        optimal=True,
    )


def log_evidence(params: Params, x: Array) -> float:
    """(1/N) log p(x), by scipy."""
    scale = np.exp(0.5 * params["log_variances"])
    each = norm.logpdf(x[:, None, :], params["means"], scale).sum(-1)
    return float(np.mean(logsumexp(each + params["logits"], axis=1) - logsumexp(params["logits"])))


def identified(params: Params) -> Array:
    """What data can tell: the components, by their first mean."""
    order = np.argsort(params["means"][:, 0])
    shares = np.exp(log_softmax(params["logits"]))[order]
    return np.concatenate([shares, params["means"][order].ravel(), np.exp(params["log_variances"])[order].ravel()])
