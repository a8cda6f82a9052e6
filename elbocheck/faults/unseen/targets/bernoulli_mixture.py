"""Mixture of Bernoulli distributions in torch: an encoder gives categorical q, missing pixels are masked."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.families import Bernoulli, Categorical

RNG = np.random.default_rng(117)
N, D, K = 8, 5, 3
SEEN = RNG.random((N, D)) < 0.8
X = torch.tensor((RNG.random((N, D)) < 0.5) * SEEN, dtype=torch.float64)
MASK = torch.tensor(SEEN, dtype=torch.float64)


def elbo(p: Any) -> Any:
    """Reconstruction of what is seen, cross entropy to the weights, entropy of q."""
    logits = torch.log_softmax(X @ p["enc"] + p["bias"], dim=-1)
    q = logits.exp()
    theta = p["theta"]
    log_px = (X[:, None] * theta - torch.nn.functional.softplus(theta)) * MASK[:, None]
    rec = (q * log_px.sum(-1)).sum(1)
    log_pi = torch.log_softmax(p["pi"], dim=-1)
    cross = (q * log_pi).sum(1)
    entropy = -(q * logits).sum(1)
    return (rec + cross + entropy).mean()


def factors(p: Any) -> Declaration:
    """q as a family: its entropy is that of the categorical distribution."""
    scores = X @ p["enc"] + p["bias"]
    return Declaration(
        (
            Factor("z", Categorical(p["pi"][None, None]), np.eye(K)[None], under="z"),
            Factor("x", Bernoulli(p["theta"][None]), X[:, None], where=SEEN[:, None], under="z"),
        ),
        q=Latents("z", weights=torch.softmax(scores, dim=-1), entropy=Categorical(scores)),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(17)
    shapes = {"enc": (D, K), "bias": (K,), "theta": (K, D), "pi": (K,)}
    start = {name: 0.7 * rng.normal(size=shape) for name, shape in shapes.items()}
    return Problem(start, elbo, factors, library="torch", label="Bernoulli mixture")
