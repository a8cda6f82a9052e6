"""Probabilistic PCA with a free diagonal Gaussian q for every datum, trained by coordinate ascent."""

from __future__ import annotations

import numpy as np
from scipy.stats import multivariate_normal

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Normal
from elbocheck.faults.numerics import Array, Params, converge

TRUE: Params = {
    "weights": np.array([[2.0, 0.3], [-1.0, 1.0], [0.5, 0.8], [1.2, -0.9]]),
    "mean": np.array([1.0, -2.0, 0.5, 3.0]),
    "log_variance": np.log(0.3),
}


def simulate(rng: np.random.Generator, size: int) -> Array:
    """Data (N, D) from the true parameters."""
    clean = TRUE["mean"] + rng.normal(size=(size, 2)) @ TRUE["weights"].T
    return clean + np.exp(0.5 * TRUE["log_variance"]) * rng.normal(size=clean.shape)


def begin(x: Array) -> Params:
    """Rough parameters, from which training starts; q is that of nobody in particular."""
    weights = TRUE["weights"] + np.array([[0.3, -0.2], [0.1, 0.2], [-0.3, 0.1], [0.2, 0.2]])
    return {
        "weights": weights,
        "mean": np.mean(x, axis=0) + 0.1,
        "log_variance": np.array(0.2),
        "q_means": 0.3 * (x - np.mean(x, axis=0)) @ weights,
        "q_log_stds": np.full((len(x), 2), -0.7) + 0.1 * np.sin(x[:, :2]),
    }


def reconstruction(params: Params, x: Array) -> Array:
    """E_q log p(x_n | z), (N,)."""
    variance = np.exp(params["log_variance"])
    spreads = np.exp(2 * params["q_log_stds"])
    residuals = x - params["mean"] - params["q_means"] @ params["weights"].T
    trace = spreads @ np.sum(params["weights"] ** 2, axis=0)
    squares = np.sum(residuals**2, axis=1) + trace
    return -0.5 * (squares / variance + x.shape[1] * (params["log_variance"] + np.log(2 * np.pi)))


def divergence(params: Params) -> Array:
    """KL(q_n(z) ‖ N(0, I)), (N,)."""
    spreads = np.exp(2 * params["q_log_stds"])
    each = spreads + params["q_means"] ** 2 - 1 - 2 * params["q_log_stds"]
    return 0.5 * np.sum(each, axis=1)


def elbo(params: Params, x: Array, size: int) -> Array:
    """Reconstruction minus KL, per datum; x (B, D) is a batch of `size` data, with its own q's in `params`."""
    batch_total = np.sum(reconstruction(params, x) - divergence(params))
    return (size / len(x)) * batch_total / size


def grad(params: Params, x: Array) -> Params:
    """Gradient of `elbo` on all data."""
    size, variance = len(x), np.exp(params["log_variance"])
    weights, z, spreads = params["weights"], params["q_means"], np.exp(2 * params["q_log_stds"])
    residuals = x - params["mean"] - z @ weights.T
    norms = np.sum(weights**2, axis=0)
    squares = np.sum(residuals**2) + np.sum(spreads @ norms)
    return {
        "weights": (residuals.T @ z - weights * np.sum(spreads, axis=0)) / variance / size,
        "mean": np.mean(residuals, axis=0) / variance,
        "log_variance": 0.5 * (squares / variance / size - x.shape[1]),
        "q_means": (residuals @ weights / variance - z) / size,
        "q_log_stds": (1 - spreads * (1 + norms / variance)) / size,
    }


def step(params: Params, x: Array) -> Params:
    """q of every datum, then the linear map with the mean, then the noise."""
    variance, weights = np.exp(params["log_variance"]), params["weights"]
    size, observed = x.shape
    precision = np.eye(2) + weights.T @ weights / variance
    z = (x - params["mean"]) @ weights @ np.linalg.inv(precision) / variance
    spreads = 1 / (1 + np.sum(weights**2, axis=0) / variance) + np.zeros_like(z)
    centred, mean_x = z - np.mean(z, axis=0), np.mean(x, axis=0)
    second = centred.T @ centred + np.diag(np.sum(spreads, axis=0))
    weights = (x - mean_x).T @ centred @ np.linalg.inv(second)
    mean = mean_x - weights @ np.mean(z, axis=0)
    squares = np.sum((x - mean - z @ weights.T) ** 2) + np.sum(spreads @ weights.T**2)
    variance = squares / (size * observed)
    return {
        "weights": weights,
        "mean": mean,
        "log_variance": np.log(variance),
        "q_means": z,
        "q_log_stds": 0.5 * np.log(spreads),
    }


def fit(params: Params, x: Array) -> Params:
    """Coordinate ascent until nothing moves."""
    return converge(lambda p: step(p, x), params)


def declare(params: Params, x: Array) -> Declaration:
    """What the bound is made of; sigma points, exact for squares."""
    m, stds = params["q_means"], np.exp(params["q_log_stds"])
    signs = np.sqrt(2.0) * np.concatenate([np.eye(2), -np.eye(2)])
    z = m[:, None, :] + signs * stds[:, None, :]
    observation = Normal(z @ params["weights"].T + params["mean"], np.exp(params["log_variance"]))
    return Declaration(
        factors=(
            Factor("z", Normal(np.zeros(2), np.ones(2)), z, rescaling={"weights": -params["weights"]}),
            Factor(
                "x", observation, x[:, None, :], ("weights", "mean", "log_variance"), {"log_variance": -np.ones(())}
            ),
        ),
        weights=np.full((len(x), 4), 0.25),
        entropy=Normal(m, stds**2),
        data_weights=np.full(len(x), 1 / len(x)),
        rescaling={"q_means": m, "q_log_stds": np.ones_like(m)},
    )


def covariance(params: Params) -> Array:
    """W Wᵀ + σ² I, (D, D)."""
    return params["weights"] @ params["weights"].T + np.exp(params["log_variance"]) * np.eye(4)


def log_evidence(params: Params, x: Array) -> float:
    """(1/N) log p(x), by scipy."""
    return float(np.mean(multivariate_normal(params["mean"], covariance(params)).logpdf(x)))


def identified(params: Params) -> Array:
    """What data can tell: mean and covariance; the latents may be rotated."""
    return np.concatenate([params["mean"], covariance(params).ravel(), [np.exp(params["log_variance"])]])
