"""Factor analysis with its exact posterior, trained by EM."""

from __future__ import annotations

import numpy as np
from scipy.stats import multivariate_normal

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import MultivariateNormal, Normal
from elbocheck.faults.numerics import Array, Params, converge

TRUE: Params = {
    "weights": np.array([[1.5, 0.2], [-1.0, 1.2], [0.8, 1.0], [1.2, -0.9], [0.3, 1.4], [-0.9, 0.6]]),
    "mean": np.array([1.0, -2.0, 0.5, 3.0, 1.5, -1.0]),
    "log_variances": np.log([0.4, 0.6, 0.8, 0.5, 0.7, 0.3]),
}


def simulate(rng: np.random.Generator, size: int) -> Array:
    """Data (N, D) from the true parameters."""
    clean = TRUE["mean"] + rng.normal(size=(size, 2)) @ TRUE["weights"].T
    return clean + np.exp(0.5 * TRUE["log_variances"]) * rng.normal(size=clean.shape)


def begin(x: Array) -> Params:
    """Rough parameters, from which training starts."""
    return {
        "weights": 0.8 * TRUE["weights"] + 0.1 * np.cos(np.arange(12.0)).reshape(6, 2),
        "mean": np.mean(x, axis=0) + 0.1,
        "log_variances": np.full(6, -0.4),
    }


def posterior(params: Params, x: Array) -> tuple[Array, Array]:
    """Means (N, H) and the common precision (H, H) of p(z | x_n)."""
    scaled = params["weights"] / np.exp(params["log_variances"])[:, None]
    precision = np.eye(2) + params["weights"].T @ scaled
    return (x - params["mean"]) @ scaled @ np.linalg.inv(precision), precision


def elbo(params: Params, x: Array, size: int) -> Array:
    """E log p(x | z) + E log p(z) + H[q], per datum; x (B, D) is a batch of `size` data."""
    m, precision = posterior(params, x)
    spread = np.linalg.inv(precision)
    variances = np.exp(params["log_variances"])
    residuals = x - params["mean"] - m @ params["weights"].T
    trace = np.sum((params["weights"] @ spread) * params["weights"], axis=1)
    squares = np.sum((residuals**2 + trace) / variances, axis=1)
    likelihood = -0.5 * (squares + np.sum(params["log_variances"]) + 6 * np.log(2 * np.pi))
    prior = -0.5 * (np.sum(m**2, axis=1) + np.trace(spread)) - np.log(2 * np.pi)
    entropy = np.log(2 * np.pi * np.e) - 0.5 * np.log(np.linalg.det(precision))
    return np.mean(likelihood + prior + entropy)


def grad(params: Params, x: Array) -> Params:
    """Gradient of `elbo` on all data."""
    m, precision = posterior(params, x)
    spread, size = np.linalg.inv(precision), len(x)
    variances = np.exp(params["log_variances"])
    residuals = x - params["mean"] - m @ params["weights"].T
    trace = np.sum((params["weights"] @ spread) * params["weights"], axis=1)
    second = np.mean(residuals**2, axis=0) + trace
    return {
        "weights": (residuals.T @ m / size - params["weights"] @ spread) / variances[:, None],
        "mean": np.mean(residuals, axis=0) / variances,
        "log_variances": 0.5 * (second / variances - 1),
    }


def step(params: Params, x: Array) -> Params:
    """One EM step; the mean's optimum does not depend on q."""
    mean = np.mean(x, axis=0)
    m, precision = posterior({**params, "mean": mean}, x)
    second = m.T @ m / len(x) + np.linalg.inv(precision)
    cross = (x - mean).T @ m / len(x)
    weights = cross @ np.linalg.inv(second)
    variances = np.mean((x - mean) ** 2, axis=0) - np.sum(weights * cross, axis=1)
    return {"weights": weights, "mean": mean, "log_variances": np.log(variances)}


def fit(params: Params, x: Array) -> Params:
    """EM until nothing moves."""
    return converge(lambda p: step(p, x), params)


def declare(params: Params, x: Array) -> Declaration:
    """What the bound is made of; sigma points, exact for squares."""
    m, precision = posterior(params, x)
    first = np.sqrt(precision[0, 0])
    below = precision[1, 0] / first
    last = np.sqrt(precision[1, 1] - below**2)
    root = np.array([[first, 0.0], [below, last]])
    signs = np.sqrt(2.0) * np.concatenate([np.eye(2), -np.eye(2)])
    z = m[:, None, :] + signs @ np.linalg.inv(root)
    observation = Normal(z @ params["weights"].T + params["mean"], np.exp(params["log_variances"]))
    owned = ("weights", "mean", "log_variances")
    return Declaration(
        factors=(
            Factor("z", Normal(np.zeros(2), np.ones(2)), z, rescaling={"weights": -params["weights"]}),
            Factor("x", observation, x[:, None, :], owned, {"log_variances": -np.ones(6)}),
        ),
        weights=np.full((len(x), 4), 0.25),
        entropy=MultivariateNormal(m, root),
        data_weights=np.full(len(x), 1 / len(x)),
        optimal=True,
    )


def covariance(params: Params) -> Array:
    """W Wᵀ + Ψ, (D, D)."""
    return params["weights"] @ params["weights"].T + np.diag(np.exp(params["log_variances"]))


def log_evidence(params: Params, x: Array) -> float:
    """(1/N) log p(x), by scipy."""
    return float(np.mean(multivariate_normal(params["mean"], covariance(params)).logpdf(x)))


def identified(params: Params) -> Array:
    """What data can tell: mean, covariance and noise; the latents may be rotated."""
    return np.concatenate([params["mean"], covariance(params).ravel(), np.exp(params["log_variances"])])
