"""Sigmoid belief network with two latent bits, enumerated exactly; EM with Newton steps for the sigmoids."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logsumexp

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Bernoulli
from elbocheck.faults.numerics import Array, Params, converge, log_softmax, softplus

TRUE: Params = {
    "prior": np.array([0.4, -0.5]),
    "weights": np.array([[2.2, -1.0], [-1.8, 1.5], [0.5, 2.4], [2.5, 0.5], [-2.0, -1.0], [0.8, -2.2]]),
    "bias": np.array([-0.5, 0.2, -1.0, -1.2, 1.0, 0.5]),
}
STATES = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def simulate(rng: np.random.Generator, size: int) -> Array:
    """Bits (N, D) from the true parameters."""
    z = (rng.uniform(size=(size, 2)) < expit(TRUE["prior"])).astype(float)
    return (rng.uniform(size=(size, 6)) < expit(z @ TRUE["weights"].T + TRUE["bias"])).astype(float)


def begin(x: Array) -> Params:
    """Rough parameters, from which training starts."""
    return {"prior": np.array([0.1, -0.1]), "weights": 0.6 * TRUE["weights"], "bias": 0.5 * TRUE["bias"]}


def log_prior(params: Params) -> Array:
    """log p(z) of every state, (M,)."""
    normaliser = np.sum(softplus(params["prior"]))
    return STATES @ params["prior"] - normaliser


def log_likelihood(params: Params, x: Array) -> Array:
    """log p(x_n | z) for every state, (N, M)."""
    logits = STATES @ params["weights"].T + params["bias"]
    normaliser = np.sum(softplus(logits), axis=1)
    return x @ logits.T - normaliser


def log_posterior(params: Params, x: Array) -> Array:
    """log q_n(z) = log p(z | x_n), (N, M)."""
    return log_softmax(log_prior(params) + log_likelihood(params, x))


def elbo(params: Params, x: Array, size: int) -> Array:
    """E log p(x, z) + H[q], per datum; x (B, D) is a batch of `size` data."""
    log_q = log_posterior(params, x)
    q = np.exp(log_q)
    likelihood = np.sum(q * log_likelihood(params, x), axis=1)
    prior = q @ log_prior(params)
    entropy = -np.sum(q * log_q, axis=1)
    return np.mean(likelihood + prior + entropy)


def grad(params: Params, x: Array) -> Params:
    """Gradient of `elbo` on all data."""
    q = np.exp(log_posterior(params, x))
    means = 1 / (1 + np.exp(-(STATES @ params["weights"].T + params["bias"])))
    errors = q.T @ x - np.sum(q, axis=0)[:, None] * means
    return {
        "prior": np.mean(q @ STATES, axis=0) - 1 / (1 + np.exp(-params["prior"])),
        "weights": errors.T @ STATES / len(x),
        "bias": np.sum(errors, axis=0) / len(x),
    }


def step(params: Params, x: Array) -> Params:
    """One EM step, with one Newton step in place of the sigmoids' optimum."""
    q = np.exp(log_posterior(params, x))
    shares = np.mean(q @ STATES, axis=0)
    inputs = np.concatenate([STATES, np.ones((4, 1))], axis=1)
    linear = np.concatenate([params["weights"], params["bias"][:, None]], axis=1)
    means = expit(inputs @ linear.T)
    counts = np.sum(q, axis=0)[:, None]
    slopes = (q.T @ x - counts * means).T @ inputs
    curvatures = np.einsum("md,mi,mj->dij", counts * means * (1 - means), inputs, inputs)
    linear = linear + np.linalg.solve(curvatures, slopes[:, :, None])[:, :, 0]
    return {"prior": np.log(shares / (1 - shares)), "weights": linear[:, :2], "bias": linear[:, 2]}


def fit(params: Params, x: Array) -> Params:
    """EM until nothing moves."""
    return converge(lambda p: step(p, x), params)


def declare(params: Params, x: Array) -> Declaration:
    """What the bound is made of."""
    logits = STATES @ params["weights"].T + params["bias"]
    weights = {"weights": params["weights"], "bias": params["bias"]}
    return Declaration(
        factors=(
            Factor("z", Bernoulli(params["prior"]), STATES[None], ("prior",), {"prior": params["prior"]}),
            Factor("x", Bernoulli(logits[None]), x[:, None, :], ("weights", "bias"), weights),
        ),
        weights=np.exp(log_posterior(params, x)),
        entropy=None,
        data_weights=np.full(len(x), 1 / len(x)),
        optimal=True,
    )


def log_evidence(params: Params, x: Array) -> float:
    """(1/N) log p(x): products of probabilities, summed over the states."""
    prior = np.prod(expit((2 * STATES - 1) * params["prior"]), axis=1)
    logits = STATES @ params["weights"].T + params["bias"]
    each = np.log(expit((2 * x[:, None, :] - 1) * logits)).sum(-1)
    return float(np.mean(logsumexp(each, b=prior, axis=1)))


def identified(params: Params) -> Array:
    """What data can tell: probabilities of every output in every state; latents ordered and oriented by the first one.

    Flipping a latent bit turns its weights and its prior round, and moves them into the biases.
    """
    prior, weights, bias = (np.array(params[name]) for name in ("prior", "weights", "bias"))
    for h, row in enumerate((3, 2)):
        if weights[row, h] < 0:
            bias += weights[:, h]
            prior[h], weights[:, h] = -prior[h], -weights[:, h]
    order = np.argsort(-weights[3])
    logits = STATES @ weights[:, order].T + bias
    return np.concatenate([expit(prior[order]), expit(logits).ravel()])
