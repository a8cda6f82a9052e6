"""Gaussian mixture in torch with free responsibilities: q as an array of logits, diagonal covariances."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import Categorical, Normal

RNG = np.random.default_rng(114)
N, D, K = 10, 2, 3
X = torch.tensor(RNG.normal(size=(N, D)) + 2.0 * RNG.integers(-1, 2, size=(N, 1)))
LOG_2PI = float(np.log(2.0 * np.pi))


def elbo(p: Any) -> Any:
    """Σ_k r (log π + log N − log r), mean over the data."""
    log_r = torch.log_softmax(p["logits"], dim=-1)
    r = torch.exp(log_r)
    log_pi = torch.log_softmax(p["pi"], dim=-1)
    diff = X[:, None, :] - p["mu"]
    maha = (diff**2 * torch.exp(-p["log_var"])).sum(-1)
    log_n = -0.5 * (maha + p["log_var"].sum(-1) + D * LOG_2PI)
    expected = (r * (log_n + log_pi)).sum(1)
    entropy = -(r * log_r).sum(1)
    return (expected + entropy).mean()


def factors(p: Any) -> Declaration:
    """Weights and components at the enumerated states."""
    weights = torch.softmax(p["logits"], dim=-1)
    return Declaration(
        (
            Factor("z", Categorical(p["pi"][None, None]), np.eye(K)[None]),
            Factor("x", Normal(p["mu"][None], p["log_var"].exp()[None]), X[:, None]),
        ),
        weights=weights,
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(14)
    start = {
        "logits": rng.normal(size=(N, K)),
        "pi": 0.5 * rng.normal(size=K),
        "mu": 1.5 * rng.normal(size=(K, D)),
        "log_var": 0.4 * rng.normal(size=(K, D)),
    }
    return Problem(start, elbo, factors, library="torch", label="Gaussian mixture, responsibilities")
