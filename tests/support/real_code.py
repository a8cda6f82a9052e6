"""Bounds as people write them, beyond one latent per datum; each with one fault that can be switched on.

`CASES`: name -> (function of whether it is broken -> problem, factors that are claimed, what the reading names). The
fixed priors' claims need gradients, which plain NumPy has along a few directions only.
NumPy code that complex steps can be taken through, so that nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from elbocheck import Declaration, Departure, Factor, Latents, LogDensity, Problem
from elbocheck.families import (
    Average,
    Bernoulli,
    Dirichlet,
    Normal,
    expected_log_density,
)

LOG_2PI = np.log(2.0 * np.pi)
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(12, 3))
TARGETS = FEATURES @ np.array([1.0, -2.0, 0.5]) + 0.3 * RNG.normal(size=12)
CLASSES = (RNG.random(12) < 0.5).astype(float)
NOISE = RNG.normal(size=(8, 3))
COUNTS = RNG.poisson(2.0, size=12) * (RNG.random(12) < 0.7)
DRAWS = RNG.normal(size=(12, 5))
WORDS = RNG.poisson(2.0, size=(5, 6)).astype(float)


def normal(u: Any, mean: Any, log_variance: Any) -> Any:
    return -0.5 * ((u - mean) ** 2 * np.exp(-log_variance) + log_variance + LOG_2PI)


def log_sum(a: Any) -> Any:
    most = a.real.max(-1, keepdims=True)
    return np.log(np.exp(a - most).sum(-1)) + most[..., 0]


def global_weights(broken: bool) -> Problem:
    """Bayesian linear regression with learned scales: one q of the weights for all data."""

    def weights(p: Any) -> Any:
        return p["m"] + np.exp(p["ls"]) * NOISE

    def elbo(p: Any) -> Any:
        w = weights(p)
        likelihood = normal(TARGETS, w @ FEATURES.T, p["v"]).sum(1).mean()
        prior = normal(w, 0.0, p["a"]).sum(1).mean()
        entropy = (p["ls"] + 0.5 * (LOG_2PI + 1.0)).sum()
        return likelihood / 12 + (prior + entropy) * (1.0 if broken else 1.0 / 12)

    def factors(p: Any) -> Declaration:
        w = weights(p)
        prior = Factor("w", Normal(np.zeros(3), np.exp(p["a"])), w[None])
        likelihood = Factor("y", Normal((w @ FEATURES.T).T, np.exp(p["v"])), TARGETS[:, None])
        q = Latents(
            "w", weights=np.full((1, 8), 1 / 8), entropy=Normal(p["m"][None], np.exp(2 * p["ls"])[None]), plate=None
        )
        return Declaration((prior, likelihood), q=q)

    start = {"m": np.zeros(3) + 0.1, "ls": np.zeros(3) - 0.5, "v": np.array(0.1), "a": np.array(0.2)}
    return Problem(start, elbo, factors)


def weight_decay(broken: bool) -> Problem:
    """Logistic regression, MAP: the prior is a penalty."""

    def decay(p: Any) -> Any:
        return -0.05 * (p["w"] ** 2).sum()

    def elbo(p: Any) -> Any:
        t = FEATURES @ p["w"]
        return (CLASSES * t - np.log(1.0 + np.exp(t))).mean() + (2.0 if broken else 1.0) * decay(p)

    def factors(p: Any) -> Declaration:
        y = Factor("y", Bernoulli((FEATURES @ p["w"])[:, None]), CLASSES[:, None])
        return Declaration((y,), np.ones((12, 1)), np.zeros(12), penalties={"decay": decay(p)})

    return Problem({"w": np.array([0.3, -0.2, 0.5])}, elbo, factors)


def zero_inflated(broken: bool) -> Problem:
    """Counts of which some are zero for another reason: no exponential family."""

    def elbo(p: Any) -> Any:
        rate, zero = np.exp(p["l"]), 1.0 / (1.0 + np.exp(-p["g"]))
        poisson = np.exp(COUNTS * p["l"] - rate - special.gammaln(COUNTS + 1.0))
        extra = 0.0 if broken else zero
        return np.log(np.where(COUNTS == 0, extra, 0.0) + (1.0 - zero) * poisson).mean()

    def factors(p: Any) -> Declaration:
        poisson = COUNTS * p["l"] - np.exp(p["l"]) - special.gammaln(COUNTS + 1.0) - np.log(1.0 + np.exp(p["g"]))
        inflated = np.log(1.0 / (1.0 + np.exp(-p["g"])) + np.exp(poisson))
        x = Factor("x", LogDensity(np.where(COUNTS == 0, inflated, poisson)[:, None]), parameters=("l", "g"))
        return Declaration((x,), np.ones((12, 1)), np.zeros(12))

    return Problem({"l": np.array(0.4), "g": np.array(-0.3)}, elbo, factors)


def importance(p: Any) -> tuple[Any, Any, Any]:
    """(z, log q(z), log p(x, z)) at five draws for each datum."""
    z = (p["a"] * TARGETS + p["b"])[:, None] + np.exp(p["s"]) * DRAWS
    log_q = -0.5 * (DRAWS**2 + LOG_2PI) - p["s"]
    return z, log_q, normal(z, 0.0, 0.0) + normal(TARGETS[:, None], p["w"] * z, p["v"])


IMPORTANCE = {"a": np.array(0.5), "b": np.array(0.1), "s": np.array(-0.3), "w": np.array(0.8), "v": np.array(0.1)}


def iwae(broken: bool) -> Problem:
    """The importance weighted bound is an ELBO of self-normalised weights."""

    def elbo(p: Any) -> Any:
        _, log_q, log_p = importance(p)
        return (log_sum(log_p - log_q) - (0.0 if broken else np.log(5.0))).mean()

    def factors(p: Any) -> Declaration:
        z, log_q, log_p = importance(p)
        log_r = log_p - log_q - log_sum(log_p - log_q)[:, None]
        r = np.exp(log_r)
        entropy = -(r * log_r).sum(1) - (r * log_q).sum(1) - np.log(5.0)
        prior = Factor("z", Normal(np.zeros((1, 1)), np.ones((1, 1))), z)
        return Declaration((prior, Factor("x", Normal(p["w"] * z, np.exp(p["v"])), TARGETS[:, None])), r, entropy)

    return Problem(IMPORTANCE, elbo, factors)


def lower_bound(broken: bool) -> Problem:
    """A bound below the ELBO of its q; broken: it is above."""
    right = iwae(False)
    assert right.elbo is not None
    elbo = right.elbo

    def factors(p: Any) -> Declaration:
        declaration = right.factors(p)  # type: ignore[misc]
        return Declaration(declaration.factors, declaration.weights, declaration.entropy, at_most=True)

    return Problem(IMPORTANCE, lambda p: elbo(p) + (0.01 if broken else -0.01) * np.exp(p["s"]), factors)


def jitter(broken: bool) -> Problem:
    """Code that adds a known amount, and says so; broken: half of it is unknown."""
    right, known = iwae(False), 0.5e-4 if broken else 1e-4
    assert right.elbo is not None
    elbo = right.elbo
    added = Departure("jitter 1e-4", value=lambda p: known * p["w"] ** 2)
    return Problem(IMPORTANCE, lambda p: elbo(p) + 1e-4 * p["w"] ** 2, right.factors, departures=(added,))


def autoencoder(broken: bool) -> Problem:
    """Two expectations under one q: the prior's in closed form, the reconstruction's from three samples."""
    noise = np.random.default_rng(1).normal(size=(12, 3, 2))

    def q(p: Any) -> tuple[Any, Any]:
        return FEATURES @ p["W"], np.exp(p["s"]) + np.zeros((12, 2))

    def elbo(p: Any) -> Any:
        m, s = q(p)
        z = m[:, None] + s[:, None] * noise
        reconstruction = normal(FEATURES[:, None], z @ p["V"], p["v"]).sum(-1).mean(1)
        divergence = 0.5 * (m**2 + s**2 - 1.0 - 2.0 * np.log(s)).sum(1)
        return (reconstruction - (0.5 if broken else 1.0) * divergence).mean()

    def factors(p: Any) -> Declaration:
        m, s = q(p)
        z = m[:, None] + s[:, None] * noise
        prior = Normal(np.zeros((1, 1, 2)), np.ones((1, 1, 2)))
        return Declaration(
            (
                Factor("z", Average(prior, Normal(m[:, None], s[:, None] ** 2))),
                Factor("x", Normal(z @ p["V"], np.exp(p["v"])), FEATURES[:, None]),
            ),
            q=Latents("z", weights=np.full((12, 3), 1 / 3), entropy=Normal(m, s**2)),
        )

    rng = np.random.default_rng(2)
    start = {"W": rng.normal(size=(3, 2)), "s": np.array([-0.3, 0.1]), "V": rng.normal(size=(2, 3)), "v": np.array(0.2)}
    return Problem(start, elbo, factors)


def topics(broken: bool) -> Problem:
    """Latent Dirichlet allocation: topics once for all documents, shares and assignments for each."""

    def parts(p: Any) -> tuple[Any, ...]:
        g, t = np.exp(p["g"]), np.exp(p["t"])
        shares = special.digamma(g) - special.digamma(g.sum(1, keepdims=True))
        words = special.digamma(t) - special.digamma(t.sum(1, keepdims=True))
        log_r = shares[:, None, :] + words.T[None]
        return g, t, shares, words, log_r - log_sum(log_r)[..., None]

    def of_dirichlet(a: Any, expected: Any) -> Any:
        return special.loggamma(a.sum(-1)) - special.loggamma(a).sum(-1) + ((a - 1.0) * expected).sum(-1)

    def elbo(p: Any) -> Any:
        g, t, shares, words, log_r = parts(p)
        per_word = np.exp(log_r) * (shares[:, None, :] + words.T[None] - log_r)
        total = (WORDS[:, :, None] * per_word).sum()
        total = total + (of_dirichlet(np.exp(p["a"]), shares) - of_dirichlet(g, shares)).sum()
        divergence = (of_dirichlet(np.full(6, 0.5), words) - of_dirichlet(t, words)).sum()
        return (total + (0.9 if broken else 1.0) * divergence) / 5

    def factors(p: Any) -> Declaration:
        g, t, _, _, log_r = parts(p)
        assigned = WORDS[:, :, None] * np.exp(log_r)
        q_shares, q_words = Dirichlet(g[:, None]), Dirichlet(t[None, None])
        z = LogDensity(expected_log_density(q_shares, (assigned.sum(1)[:, None],)))
        w = LogDensity(expected_log_density(q_words, (np.swapaxes(assigned, 1, 2)[:, None],)))
        return Declaration(
            (
                Factor("shares", Average(Dirichlet(np.exp(p["a"])[None, None]), q_shares), under="shares"),
                Factor("topics", Average(Dirichlet(np.full((1, 1, 1, 6), 0.5)), q_words), under="topics"),
                Factor("z", z, under=("assignments", "shares")),
                Factor("w", w, under=("assignments", "topics")),
            ),
            q=(
                Latents("shares", entropy=Dirichlet(g)),
                Latents("topics", entropy=Dirichlet(t[None]), plate=None),
                Latents("assignments", entropy=-(assigned * log_r).sum((1, 2))),
            ),
        )

    rng = np.random.default_rng(3)
    start = {"g": 0.3 * rng.normal(size=(5, 2)), "t": 0.3 * rng.normal(size=(2, 6)), "a": np.array([0.1, -0.2])}
    return Problem(start, elbo, factors)


CASES: dict[str, tuple[Callable[[bool], Problem], set[str], str]] = {
    "global weights": (global_weights, {"w", "y"}, "12"),
    "weight decay": (weight_decay, set(), "the penalty decay"),
    "zero inflation": (zero_inflated, set(), "factor x"),
    "IWAE": (iwae, {"x"}, "log 5, the number of points of q"),
    "below its ELBO": (lower_bound, {"x"}, ""),
    "jitter": (jitter, {"x"}, ""),
    "analytic KL and samples": (autoencoder, {"x"}, "KL × 0.5"),
    "topics": (topics, {"shares"}, "KL of q(topics) × 0.9"),
}
