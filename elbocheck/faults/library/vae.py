"""Variational autoencoder, linear encoder and decoder: reparametrised, with fixed noise; trained by Newton steps."""

from __future__ import annotations

import numpy as np
from scipy.stats import multivariate_normal

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Normal
from elbocheck.faults.numerics import Array, Params, climb

TRUE: Params = {
    "decoder": np.array([2.0, -1.0, 1.5]),
    "offset": np.array([1.0, -0.5, 2.0]),
    "log_variance": np.log(0.5),
}
_RAW = np.array([-1.7, -0.4, 0.3, 0.9, 1.1])
NOISE = (_RAW - np.mean(_RAW)) / np.std(_RAW)
"""The particles: mean 0 and variance 1, so that squares have the expectations of a normal distribution."""


def simulate(rng: np.random.Generator, size: int) -> Array:
    """Data (N, D) from the true parameters."""
    clean = TRUE["offset"] + rng.normal(size=(size, 1)) * TRUE["decoder"]
    return clean + np.exp(0.5 * TRUE["log_variance"]) * rng.normal(size=clean.shape)


def begin(x: Array) -> Params:
    """Rough parameters, from which training starts."""
    return {
        "decoder": np.array([1.5, -0.6, 1.0]),
        "offset": np.mean(x, axis=0) + 0.2,
        "log_variance": np.array(0.1),
        "encoder": np.array([0.3, -0.2, 0.2]),
        "encoder_offset": np.array(-0.3),
        "log_std": np.array(-0.6),
    }


def encode(params: Params, x: Array) -> Array:
    """Means of q_n(z), (N,)."""
    return x @ params["encoder"] + params["encoder_offset"]


def reconstruction(params: Params, x: Array, noise: Array) -> Array:
    """log p(x_n | z) at the particles, (N, M)."""
    z = encode(params, x)[:, None] + np.exp(params["log_std"]) * noise
    residuals = x[:, None, :] - params["offset"] - z[..., None] * params["decoder"]
    squares = np.sum(residuals**2, axis=-1) / np.exp(params["log_variance"])
    return -0.5 * (squares + 3 * (params["log_variance"] + np.log(2 * np.pi)))


def divergence(params: Params, x: Array) -> Array:
    """KL(q_n(z) ‖ N(0, 1)), (N,)."""
    spread = np.exp(2 * params["log_std"])
    return 0.5 * (spread + encode(params, x) ** 2 - 1 - 2 * params["log_std"])


def elbo(params: Params, x: Array, size: int, noise: Array = NOISE) -> Array:
    """Reconstruction averaged over particles, minus KL; per datum; x (B, D) is a batch of `size` data."""
    likelihood = np.mean(reconstruction(params, x, noise), axis=1)
    batch_total = np.sum(likelihood - divergence(params, x))
    return (size / len(x)) * batch_total / size


def grad(params: Params, x: Array) -> Params:
    """Gradient of `elbo` on all data, through the particles."""
    m, std, variance = encode(params, x), np.exp(params["log_std"]), np.exp(params["log_variance"])
    z = m[:, None] + std * NOISE
    residuals = x[:, None, :] - params["offset"] - z[..., None] * params["decoder"]
    of_z = residuals @ params["decoder"] / variance
    of_m = np.mean(of_z, axis=1) - m
    return {
        "decoder": np.mean(residuals * z[..., None], axis=(0, 1)) / variance,
        "offset": np.mean(residuals, axis=(0, 1)) / variance,
        "log_variance": 0.5 * (np.mean(np.sum(residuals**2, axis=-1)) / variance - 3),
        "encoder": of_m @ x / len(x),
        "encoder_offset": np.mean(of_m),
        "log_std": np.mean(of_z * NOISE) * std - std**2 + 1,
    }


def step(params: Params, x: Array, steps: int = 1) -> Params:
    """Newton steps along the code's own gradient, which must raise the code's own value."""
    return climb(lambda p: elbo(p, x, len(x)), lambda p: grad(p, x), params, steps)


def fit(params: Params, x: Array) -> Params:
    """Newton steps until nothing rises."""
    return step(params, x, 60)


def declare(params: Params, x: Array) -> Declaration:
    """What the bound is made of: the particles themselves."""
    m, std = encode(params, x), np.exp(params["log_std"])
    z = m[:, None] + std * NOISE
    observation = Normal(z[..., None] * params["decoder"] + params["offset"], np.exp(params["log_variance"]))
    return Declaration(
        factors=(
            Factor("z", Normal(np.zeros(()), np.ones(())), z, rescaling={"decoder": -params["decoder"]}),
            Factor(
                "x", observation, x[:, None, :], ("decoder", "offset", "log_variance"), {"log_variance": -np.ones(())}
            ),
        ),
        weights=np.full((len(x), len(NOISE)), 1 / len(NOISE)),
        entropy=Normal(m, std**2),
        data_weights=np.full(len(x), 1 / len(x)),
        rescaling={
            "encoder": params["encoder"],
            "encoder_offset": params["encoder_offset"],
            "log_std": np.ones(()),
        },
    )


def covariance(params: Params) -> Array:
    """w wᵀ + σ² I, (D, D)."""
    return np.outer(params["decoder"], params["decoder"]) + np.exp(params["log_variance"]) * np.eye(3)


def log_evidence(params: Params, x: Array) -> float:
    """(1/N) log p(x), by scipy."""
    return float(np.mean(multivariate_normal(params["offset"], covariance(params)).logpdf(x)))


def identified(params: Params) -> Array:
    """What data can tell: mean and covariance; the latent may be reflected."""
    return np.concatenate([params["offset"], covariance(params).ravel(), [np.exp(params["log_variance"])]])
