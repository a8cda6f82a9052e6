"""Probabilistic matrix factorisation: Gaussian q of every user, item vectors as parameters, ratings missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, Normal

RNG = np.random.default_rng(124)
USERS, ITEMS, K = 7, 5, 2
RATED = RNG.random((USERS, ITEMS)) < 0.7
R = np.where(RATED, RNG.normal(3.0, 1.0, size=(USERS, ITEMS)), 0.0)
LOG_2PI = np.log(2.0 * np.pi)


def elbo(p: Any) -> Any:
    """E log p(ratings | u) over what is rated, minus KL of each user's vector."""
    m, v = p["m"], np.exp(p["log_v"])
    prediction = m @ p["items"].T + p["offset"]
    uncertainty = v @ (p["items"] ** 2).T
    noise = np.exp(p["log_noise"])
    error = (R - prediction) ** 2 + uncertainty
    log_lik = np.where(RATED, -0.5 * (LOG_2PI + p["log_noise"] + error / noise), 0.0)
    prior_var = np.exp(p["log_prior"])
    kl = 0.5 * ((m**2 + v) / prior_var - 1.0 + p["log_prior"] - p["log_v"]).sum(1)
    return (log_lik.sum(1) - kl).mean()


def factors(p: Any) -> Declaration:
    """Predictions by two points each, of their own mean and variance."""
    v = np.exp(p["log_v"])
    centre = p["m"] @ p["items"].T + p["offset"]
    std = np.sqrt((v[:, None, :] * p["items"] ** 2).sum(-1))
    points = np.stack([centre + std, centre - std], axis=1)  # users, 2, items
    prior = Normal(np.zeros((1, 1, K)), np.exp(p["log_prior"]) + np.zeros((1, 1, K)))
    return Declaration(
        (
            Factor("u", Average(prior, Normal(p["m"][:, None], v[:, None]))),
            Factor("r", Normal(points, np.exp(p["log_noise"])), R[:, None], where=RATED[:, None]),
        ),
        q=Latents("u", weights=np.full((USERS, 2), 0.5), entropy=Normal(p["m"], v)),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(24)
    start = {
        "m": rng.normal(size=(USERS, K)),
        "log_v": 0.4 * rng.normal(size=(USERS, K)) - 0.5,
        "items": rng.normal(size=(ITEMS, K)),
        "offset": np.full(ITEMS, 2.5) + 0.3 * rng.normal(size=ITEMS),
        "log_noise": np.array(-0.2),
        "log_prior": np.array(0.3),
    }
    return Problem(start, elbo, factors, library="numpy", label="matrix factorisation")
