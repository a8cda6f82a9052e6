"""Hidden Markov model of counts: scaled forward-backward, exact posterior, Baum-Welch."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import Categorical, Poisson

RNG = np.random.default_rng(113)
S, T, K = 16, 5, 2
STATES = (RNG.random((S, 1)) < 0.5) ^ (np.cumsum(RNG.random((S, T)) < 0.3, axis=1) % 2 == 1)
X = RNG.poisson(np.where(STATES, 6.0, 1.5)).astype(float)


def log_softmax(a: Any) -> Any:
    """Over the last axis."""
    a = a - a.real.max(-1, keepdims=True)
    return a - np.log(np.exp(a).sum(-1, keepdims=True))


def emissions(p: Any) -> Any:
    """p(x_t | z_t = k), (S, T, K)."""
    return np.exp(X[..., None] * p["log_rate"] - np.exp(p["log_rate"]) - special.gammaln(X + 1.0)[..., None])


def elbo(p: Any) -> Any:
    """Mean log p(x) of the series, forward recursion with scaling."""
    pi, trans = np.exp(log_softmax(p["start"])), np.exp(log_softmax(p["trans"]))
    b = np.exp(X[..., None] * p["log_rate"] - np.exp(p["log_rate"]))
    alpha = pi * b[:, 0]
    log_evidence = 0.0
    for t in range(T):
        if t > 0:
            alpha = (alpha @ trans) * b[:, t]
        scale = alpha.sum(1)
        log_evidence = log_evidence + np.log(scale)
        alpha = alpha / scale[:, None]
    log_evidence = log_evidence - special.gammaln(X + 1.0).sum(1)
    return log_evidence.mean()


def posterior(p: Any) -> Any:
    """(marginals (S, T, K), pairs (S, T − 1, K, K)) of the states."""
    pi, trans, b = np.exp(log_softmax(p["start"])), np.exp(log_softmax(p["trans"])), emissions(p)
    forward, backward = [pi * b[:, 0]], [np.ones((S, K))]
    for t in range(1, T):
        forward.append((forward[-1] @ trans) * b[:, t])
    for t in range(T - 1, 0, -1):
        backward.insert(0, (b[:, t] * backward[0]) @ trans.T)
    evidence = forward[-1].sum(1)
    marginals = np.stack([f * g for f, g in zip(forward, backward, strict=True)], axis=1) / evidence[:, None, None]
    pairs = [forward[t][:, :, None] * trans * (b[:, t + 1] * backward[t + 1])[:, None, :] for t in range(T - 1)]
    return marginals, np.stack(pairs, axis=1) / evidence[:, None, None, None]


def fit(p: Any) -> Any:
    """Baum-Welch until nothing moves."""
    for _ in range(3000):
        gamma, xi = posterior(p)
        start = np.log(gamma[:, 0].mean(0))
        counts = xi.sum((0, 1))
        trans = np.log(counts / counts.sum(1, keepdims=True))
        rate = (gamma * X[..., None]).sum((0, 1)) / gamma.sum((0, 1))
        new = {"start": start, "trans": trans, "log_rate": np.log(rate)}
        moved = max(abs(new[name] - log_softmax(p[name])).max() for name in ("start", "trans"))
        moved = max(moved, abs(new["log_rate"] - p["log_rate"]).max())
        p = new
        if moved < 1e-14:
            break
    return p


def factors(p: Any) -> Declaration:
    """Start, transitions and counts, each under its own marginals."""
    marginals, pairs = posterior(p)
    q_pairs = np.swapaxes(pairs.reshape(S, T - 1, K * K), 1, 2)
    logs = np.log(marginals[:, 1:-1])
    entropy = -(pairs * np.log(pairs)).sum((1, 2, 3)) + (marginals[:, 1:-1] * logs).sum((1, 2))
    states, following = np.eye(K)[None], np.tile(np.eye(K), (K, 1))[None, :, None, :]
    rows = np.repeat(p["trans"], K, axis=0)[None, :, None, :]
    return Declaration(
        (
            Factor("z1", Categorical(p["start"][None, None]), states, weights=marginals[:, 0]),
            Factor("z", Categorical(rows), following + np.zeros((1, 1, T - 1, 1)), weights=q_pairs),
            Factor("x", Poisson(p["log_rate"][None, :, None]), X[:, None], weights=np.swapaxes(marginals, 1, 2)),
        ),
        weights=np.ones((S, 1)),
        entropy=entropy,
        optimal=True,
    )


def problem() -> Problem:
    """The problem at rough parameters."""
    start = {
        "start": np.array([0.3, -0.3]),
        "trans": np.array([[0.8, -0.5], [-0.2, 0.6]]),
        "log_rate": np.array([0.4, 1.5]),
    }
    return Problem(start, elbo, factors, fit=fit, library="numpy", label="hidden Markov model")
