"""β-VAE in torch: the KL divergence counts four times, as declared; Laplace decoder of known scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, Laplace, Normal

RNG = np.random.default_rng(105)
N, D, K, S, BETA = 7, 4, 2, 3, 4.0
X = torch.tensor(RNG.normal(size=(N, D)))
NOISE = torch.tensor(RNG.normal(size=(N, S, K)))


def encode(p: Any) -> Any:
    """(mean, log variance) of q(z)."""
    h = torch.tanh(X @ p["enc"])
    return h @ p["mean"], h @ p["logvar"] - 1.0


def elbo(p: Any) -> Any:
    """E log p(x | z) − β KL."""
    mu, logvar = encode(p)
    z = mu[:, None] + (0.5 * logvar).exp()[:, None] * NOISE
    scale = p["log_scale"].exp()
    error = (X[:, None] - z @ p["dec"]).abs()
    rec = -(error / scale + torch.log(2.0 * scale)).sum(-1).mean(1)
    kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1.0).sum(-1)
    return rec.mean() - BETA * kl.mean()


def factors(p: Any) -> Declaration:
    """The weight β belongs to the prior and to the entropy."""
    mu, logvar = encode(p)
    draws = mu[:, None] + torch.sqrt(logvar.exp())[:, None] * NOISE
    prior = Normal(np.zeros((1, 1, K)), np.ones((1, 1, K)))
    return Declaration(
        (
            Factor("z", Average(prior, Normal(mu[:, None], logvar.exp()[:, None])), weight=4.0),
            Factor("x", Laplace(p["log_scale"].exp()), X[:, None] - draws @ p["dec"]),
        ),
        q=Latents("z", weights=np.full((N, S), 1 / S), entropy=Normal(mu, logvar.exp())),
        entropy_weight=4.0,
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(5)
    shapes = {"enc": (D, 3), "mean": (3, K), "logvar": (3, K), "dec": (K, D), "log_scale": (D,)}
    start = {name: 0.5 * rng.normal(size=shape) for name, shape in shapes.items()}
    return Problem(start, elbo, factors, library="torch", label="beta-VAE")
