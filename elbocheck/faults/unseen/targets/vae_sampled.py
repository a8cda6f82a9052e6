"""Variational autoencoder in torch: log p(x, z) − log q(z) averaged over samples, heteroscedastic decoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import Normal

RNG = np.random.default_rng(102)
N, D, K, S = 8, 3, 2, 5
X = torch.tensor(RNG.normal(size=(N, D)) * np.array([1.0, 2.0, 0.5]))
NOISE = torch.tensor(RNG.normal(size=(S, N, K)))
LOG_2PI = float(np.log(2.0 * np.pi))


def encoder(p: Any) -> Any:
    """(mean, log std) of q(z), (N, K) each."""
    return X @ p["enc_mean"] + p["enc_bias"], torch.tanh(X @ p["enc_scale"])


def decoder(p: Any, z: Any) -> Any:
    """(mean, log variance) of x."""
    return torch.tanh(z) @ p["dec_mean"], z @ p["dec_logvar"] - 0.3


def elbo(p: Any) -> Any:
    """Mean over samples and data of log p(x | z) + log p(z) − log q(z)."""
    mean, log_std = encoder(p)
    z = mean + torch.exp(log_std) * NOISE
    x_mean, x_logvar = decoder(p, z)
    log_px = -0.5 * ((X - x_mean) ** 2 / torch.exp(x_logvar) + x_logvar + LOG_2PI).sum(-1)
    log_pz = -0.5 * (z**2).sum(-1) - 0.5 * K * LOG_2PI
    log_qz = (-0.5 * NOISE**2 - log_std - 0.5 * LOG_2PI).sum(-1)
    return (log_px + log_pz - log_qz).mean()


def factors(p: Any) -> Declaration:
    """Samples as the points of q, and its entropy as it is estimated from them."""
    mean, log_std = encoder(p)
    z = (mean + log_std.exp() * NOISE).swapaxes(0, 1)  # N, S, K
    x_mean, x_logvar = decoder(p, z)
    surprise = (0.5 * NOISE.square() + log_std + 0.5 * LOG_2PI).sum(-1)
    return Declaration(
        (
            Factor("z", Normal(torch.zeros(1, 1, K, dtype=X.dtype), torch.ones(1, 1, K, dtype=X.dtype)), z),
            Factor("x", Normal(x_mean, x_logvar.exp()), X[:, None]),
        ),
        weights=np.full((N, S), 1 / S),
        entropy=surprise.mean(0),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(2)
    shapes = {"enc_mean": (D, K), "enc_bias": (K,), "enc_scale": (D, K), "dec_mean": (K, D), "dec_logvar": (K, D)}
    start = {name: 0.4 * rng.normal(size=shape) for name, shape in shapes.items()}
    return Problem(start, elbo, factors, library="torch", label="VAE, sampled KL")
