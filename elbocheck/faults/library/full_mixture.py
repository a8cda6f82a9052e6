"""Gaussian mixture with full covariances, stored as Cholesky factors of precisions, trained by EM."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Categorical, MultivariateNormal
from elbocheck.faults.numerics import Array, Params, converge, log_softmax

TRUE: Params = {
    "logits": np.log([0.4, 0.6]),
    "means": np.array([[-2.0, -1.0], [2.0, 1.5]]),
    "log_diagonals": np.log([[0.8, 1.5], [1.4, 0.7]]),
    "lower": np.array([0.5, -0.4]),
}


def factors(params: Params) -> Array:
    """C (K, D, D), lower triangular with precision Λ = C Cᵀ."""
    diagonal, lower = np.exp(params["log_diagonals"]), params["lower"][:, None]
    upper_row = np.concatenate([diagonal[:, :1], 0.0 * lower], axis=1)
    lower_row = np.concatenate([lower, diagonal[:, 1:]], axis=1)
    return np.stack([upper_row, lower_row], axis=1)


def simulate(rng: np.random.Generator, size: int) -> Array:
    """Data (N, 2) from the true parameters."""
    z = rng.choice(2, size=size, p=np.exp(TRUE["logits"]))
    roots = np.swapaxes(np.linalg.inv(factors(TRUE)), 1, 2)
    return TRUE["means"][z] + (roots[z] @ rng.normal(size=(size, 2, 1)))[..., 0]


def begin(x: Array) -> Params:
    """Rough parameters, from which training starts."""
    return {
        "logits": np.zeros(2),
        "means": 0.7 * TRUE["means"],
        "log_diagonals": np.array([[0.1, -0.1], [0.0, -0.2]]),
        "lower": np.array([0.1, 0.2]),
    }


def log_density(params: Params, x: Array) -> Array:
    """log N(x_n; m_c, Λ_c⁻¹), (N, K)."""
    deviations = x[:, None, :] - params["means"]
    whitened = np.einsum("nkd,kde->nke", deviations, factors(params))
    log_determinants = np.sum(params["log_diagonals"], axis=-1)
    return -0.5 * np.sum(whitened**2, axis=-1) + log_determinants - np.log(2 * np.pi)


def log_prior(params: Params) -> Array:
    """log π, (K,)."""
    return log_softmax(params["logits"])


def log_responsibilities(params: Params, x: Array) -> Array:
    """log r, (N, K)."""
    return log_softmax(log_prior(params) + log_density(params, x))


def elbo(params: Params, x: Array, size: int) -> Array:
    """E log p(x, z) + H[q], per datum; x (B, 2) is a batch of `size` data."""
    log_r = log_responsibilities(params, x)
    r = np.exp(log_r)
    energy = np.sum(r * (log_prior(params) + log_density(params, x)), axis=1)
    entropy = -np.sum(r * log_r, axis=1)
    return np.mean(energy + entropy)


def grad(params: Params, x: Array) -> Params:
    """Gradient of `elbo` on all data."""
    r = np.exp(log_responsibilities(params, x)) / len(x)
    deviations, c = x[:, None, :] - params["means"], factors(params)
    whitened = np.einsum("nkd,kde->nke", deviations, c)
    of_factor = -np.einsum("nk,nkd,nke->kde", r, deviations, whitened)
    of_log_diagonals = np.diagonal(c * of_factor, axis1=1, axis2=2)
    return {
        "logits": np.sum(r, axis=0) - np.exp(log_prior(params)),
        "means": np.einsum("nk,nke,kde->kd", r, whitened, c),
        "log_diagonals": of_log_diagonals + np.sum(r, axis=0)[:, None],
        "lower": of_factor[:, 1, 0],
    }


def step(params: Params, x: Array) -> Params:
    """One EM step."""
    r = np.exp(log_responsibilities(params, x))
    counts = np.sum(r, axis=0)
    means = r.T @ x / counts[:, None]
    deviations = x[:, None, :] - means
    covariances = np.einsum("nk,nkd,nke->kde", r, deviations, deviations) / counts[:, None, None]
    c = np.linalg.cholesky(np.linalg.inv(covariances))
    return {
        "logits": np.log(counts / len(x)),
        "means": means,
        "log_diagonals": np.log(np.diagonal(c, axis1=1, axis2=2)),
        "lower": c[:, 1, 0],
    }


def fit(params: Params, x: Array) -> Params:
    """EM until nothing moves."""
    return converge(lambda p: step(p, x), params)


def declare(params: Params, x: Array) -> Declaration:
    """What the bound is made of."""
    every = np.eye(len(params["logits"]))[None]
    owned = ("means", "log_diagonals", "lower")
    diagonal, lower = np.exp(params["log_diagonals"]), params["lower"]
    c = diagonal[..., None] * np.eye(2) + lower[:, None, None] * np.array([[0.0, 0.0], [1.0, 0.0]])
    beta = {"log_diagonals": 0.5 * np.ones((2, 2)), "lower": 0.5 * lower}
    return Declaration(
        factors=(
            Factor("z", Categorical(params["logits"]), every, ("logits",)),
            Factor("x", MultivariateNormal(params["means"], c), x[:, None, :], owned, beta, groups=every),
        ),
        weights=np.exp(log_responsibilities(params, x)),
        entropy=None,
        data_weights=np.full(len(x), 1 / len(x)),
        optimal=True,
    )


def log_evidence(params: Params, x: Array) -> float:
    """(1/N) log p(x), by scipy."""
    c = factors(params)
    each = np.stack(
        [multivariate_normal(params["means"][k], np.linalg.inv(c[k] @ c[k].T)).logpdf(x) for k in range(2)], axis=1
    ).reshape(len(x), 2)
    return float(np.mean(logsumexp(each + params["logits"], axis=1) - logsumexp(params["logits"])))


def identified(params: Params) -> Array:
    """What data can tell: the components, by their first mean."""
    order = np.argsort(params["means"][:, 0])
    c = factors(params)[order]
    covariances = np.linalg.inv(c @ np.swapaxes(c, 1, 2))
    shares = np.exp(log_softmax(params["logits"]))[order]
    return np.concatenate([shares, params["means"][order].ravel(), covariances.ravel()])
