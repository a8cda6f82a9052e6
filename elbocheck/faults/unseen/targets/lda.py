"""Latent Dirichlet allocation on tokens: topics once for all documents, documents of different length padded."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.problem import Problem
from elbocheck.families import Average, Dirichlet

RNG = np.random.default_rng(111)
DOCS, LENGTH, VOCABULARY, TOPICS = 5, 7, 6, 3
WORDS = RNG.integers(0, VOCABULARY, size=(DOCS, LENGTH))
MASK = np.arange(LENGTH) < np.array([7, 4, 5, 7, 3])[:, None]
ALPHA, ETA = 0.7, 0.4


def log_softmax(a: Any) -> Any:
    """Over the last axis."""
    a = a - a.real.max(-1, keepdims=True)
    return a - np.log(np.exp(a).sum(-1, keepdims=True))


def e_log(a: Any) -> Any:
    """E log of the shares of a Dirichlet distribution."""
    return special.digamma(a) - special.digamma(a.sum(-1, keepdims=True))


def log_beta(a: Any) -> Any:
    """Log normaliser of a Dirichlet distribution."""
    return special.loggamma(a).sum(-1) - special.loggamma(a.sum(-1))


def elbo(p: Any) -> Any:
    """Per document: words, assignments, minus KL of the shares; the KL of the topics once."""
    gamma, lam = np.exp(p["log_gamma"]), np.exp(p["log_lam"])
    theta, topics = e_log(gamma), e_log(lam)
    log_phi = log_softmax(p["phi"])
    phi = np.exp(log_phi) * MASK[:, :, None]
    words = (phi * topics.T[WORDS]).sum((1, 2))
    assigned = (phi * theta[:, None, :]).sum((1, 2))
    h_phi = -(phi * log_phi).sum((1, 2))
    shares = log_beta(gamma) - log_beta(np.full(TOPICS, ALPHA)) + ((ALPHA - gamma) * theta).sum(1)
    prior = np.full((TOPICS, VOCABULARY), ETA)
    kl_topics = log_beta(prior) - log_beta(lam) + ((lam - ETA) * topics).sum(1)
    return (words + assigned + h_phi + shares).mean() - kl_topics.sum() / DOCS


def factors(p: Any) -> Declaration:
    """Shares per document, topics for all of them, tokens enumerated."""
    gamma, lam = np.exp(p["log_gamma"]), np.exp(p["log_lam"])
    r = np.exp(log_softmax(p["phi"]))
    log_theta, log_topics = e_log(gamma), e_log(lam)
    entropy = (-(r * np.log(r)).sum(-1) * MASK).sum(1)
    counted = np.where(MASK[:, :, None], r, 0.0)
    z = (counted.sum(1) * log_theta).sum(-1)
    w = (counted * log_topics[:, WORDS].transpose(1, 2, 0)).sum((1, 2))
    symmetric = Dirichlet(np.full((1, 1, TOPICS, VOCABULARY), 0.4))
    return Declaration(
        (
            Factor("theta", Average(Dirichlet(np.full((1, 1, TOPICS), 0.7)), Dirichlet(gamma[:, None])), under="theta"),
            Factor("beta", Average(symmetric, Dirichlet(lam[None, None])), under="beta"),
            Factor("z", LogDensity(z[:, None]), under=("assignments", "theta")),
            Factor("w", LogDensity(w[:, None]), under=("assignments", "beta")),
        ),
        q=(
            Latents("theta", entropy=Dirichlet(gamma)),
            Latents("beta", entropy=Dirichlet(lam[None]), plate=None),
            Latents("assignments", entropy=entropy),
        ),
    )


def problem() -> Problem:
    """The problem at random parameters."""
    rng = np.random.default_rng(11)
    start = {
        "log_gamma": 0.4 * rng.normal(size=(DOCS, TOPICS)) + 0.3,
        "log_lam": 0.4 * rng.normal(size=(TOPICS, VOCABULARY)),
        "phi": rng.normal(size=(DOCS, LENGTH, TOPICS)),
    }
    return Problem(start, elbo, factors, library="numpy", label="LDA")
