"""Importance weighted autoencoder in torch, declared as the ELBO of its self-normalised weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import Normal

RNG = np.random.default_rng(120)
N, D, S = 7, 3, 6
X = torch.tensor(RNG.normal(size=(N, 1)) * np.array([1.0, -0.5, 0.8]) + 0.4 * RNG.normal(size=(N, D)))
NOISE = torch.tensor(RNG.normal(size=(N, S)))
LOG_2PI = float(np.log(2.0 * np.pi))


def encode(p: Any) -> Any:
    """(mean (N,), log std ()) of the proposal."""
    return X @ p["enc"] + p["off"], p["log_s"]


def elbo(p: Any) -> Any:
    """log (1/S) Σ_s p(x, z_s) / q(z_s), mean over the data."""
    mean, log_s = encode(p)
    z = mean[:, None] + torch.exp(log_s) * NOISE
    log_q = -0.5 * NOISE**2 - log_s - 0.5 * LOG_2PI
    log_prior = -0.5 * z**2 - 0.5 * LOG_2PI
    residual = X[:, None] - torch.tanh(z)[..., None] * p["dec"]
    log_lik = (-0.5 * residual**2 * torch.exp(-p["log_v"]) - 0.5 * p["log_v"] - 0.5 * LOG_2PI).sum(-1)
    log_w = log_prior + log_lik - log_q
    return (torch.logsumexp(log_w, dim=1) - np.log(S)).mean()


def factors(p: Any) -> Declaration:
    """H = −E_r log r + E_r(−log q) − log S, with r the normalised weights."""
    mean, log_s = encode(p)
    z = mean[:, None] + log_s.exp() * NOISE
    own = -0.5 * (NOISE.square() + LOG_2PI) - log_s
    means, variance = torch.tanh(z)[..., None] * p["dec"], p["log_v"].exp()
    likelihood = -0.5 * ((X[:, None] - means).square() / variance + p["log_v"] + LOG_2PI)
    log_r = torch.log_softmax(-0.5 * (z.square() + LOG_2PI) + likelihood.sum(-1) - own, dim=1)
    r = log_r.exp()
    entropy = -(r * (log_r + own)).sum(1) - np.log(S)
    prior = Normal(torch.zeros(1, 1, dtype=X.dtype), torch.ones(1, 1, dtype=X.dtype))
    return Declaration((Factor("z", prior, z), Factor("x", Normal(means, variance), X[:, None])), r, entropy)


def problem() -> Problem:
    """The problem at rough parameters."""
    start = {
        "enc": np.array([0.5, -0.2, 0.3]),
        "off": np.array(0.2),
        "log_s": np.array(-0.2),
        "dec": np.array([1.2, -0.4, 0.9]),
        "log_v": np.array([-0.5, 0.1, -0.2]),
    }
    return Problem(start, elbo, factors, library="torch", label="IWAE")
