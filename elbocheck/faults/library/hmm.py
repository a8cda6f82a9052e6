"""Hidden Markov model with Gaussian emissions: forward and backward messages, trained by Baum and Welch's steps."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Categorical, Normal
from elbocheck.faults.numerics import Array, Params, converge, log_softmax, log_sum_exp

TIMES = 4
TRUE: Params = {
    "initial": np.log([0.3, 0.7]),
    "transition": np.log([[0.9, 0.1], [0.3, 0.7]]),
    "means": np.array([-1.5, 1.2]),
    "log_variances": np.log([0.5, 0.8]),
}
PATHS = np.eye(2)[list(itertools.product(range(2), repeat=TIMES))]


def simulate(rng: np.random.Generator, size: int) -> Array:
    """Sequences (N, T) from the true parameters."""
    z = np.zeros((size, TIMES), dtype=int)
    z[:, 0] = rng.choice(2, size=size, p=np.exp(TRUE["initial"]))
    for t in range(1, TIMES):
        z[:, t] = rng.uniform(size=size) < np.exp(TRUE["transition"])[z[:, t - 1], 1]
    return TRUE["means"][z] + np.exp(0.5 * TRUE["log_variances"])[z] * rng.normal(size=z.shape)


def begin(x: Array) -> Params:
    """Rough parameters, from which training starts."""
    return {
        "initial": np.array([0.1, 0.0]),
        "transition": np.array([[0.4, 0.0], [-0.2, 0.3]]),
        "means": np.array([-0.8, 0.9]),
        "log_variances": np.array([-0.1, 0.2]),
    }


def log_emission(params: Params, x: Array) -> Array:
    """log p(x_nt | z_t), (N, T, K)."""
    squares = (x[..., None] - params["means"]) ** 2 / np.exp(params["log_variances"])
    return -0.5 * (squares + params["log_variances"] + np.log(2 * np.pi))


def log_posterior(params: Params, x: Array) -> tuple[Array, Array]:
    """log q(z_t), (N, T, K), and log q(z_t, z_t+1), (N, T-1, K, K)."""
    emission, transition = log_emission(params, x), log_softmax(params["transition"])
    forward = [log_softmax(params["initial"]) + emission[:, 0]]
    for t in range(1, TIMES):
        arriving = log_sum_exp(np.swapaxes(forward[-1][:, :, None] + transition, 1, 2))[..., 0]
        forward.append(arriving + emission[:, t])
    backward = [np.zeros_like(forward[0])]
    for t in range(TIMES - 1, 0, -1):
        leaving = transition + (emission[:, t] + backward[0])[:, None, :]
        backward.insert(0, log_sum_exp(leaving)[..., 0])
    ahead, behind = np.stack(forward, axis=1), np.stack(backward, axis=1)
    single = log_softmax(ahead + behind)
    joint = ahead[:, :-1, :, None] + transition + (emission + behind)[:, 1:, None, :]
    flat = log_softmax(np.reshape(joint, (*joint.shape[:2], 4)))
    return single, np.reshape(flat, joint.shape)


def elbo(params: Params, x: Array, size: int) -> Array:
    """E log p(x, path) + H[path], per sequence; x (B, T) is a batch of `size` sequences."""
    log_single, log_pair = log_posterior(params, x)
    single, pair = np.exp(log_single), np.exp(log_pair)
    emission = np.sum(single * log_emission(params, x), axis=(1, 2))
    initial = single[:, 0] @ log_softmax(params["initial"])
    transition = np.sum(pair * log_softmax(params["transition"]), axis=(1, 2, 3))
    entropy_of_pairs = -np.sum(pair * log_pair, axis=(1, 2, 3))
    shared = -np.sum((single * log_single)[:, 1:-1], axis=(1, 2))
    return np.mean(emission + initial + transition + entropy_of_pairs - shared)


def grad(params: Params, x: Array) -> Params:
    """Gradient of `elbo` on all data."""
    single, pair = (np.exp(log_q) for log_q in log_posterior(params, x))
    pairs, variances = np.mean(np.sum(pair, axis=1), axis=0), np.exp(params["log_variances"])
    deviations, rows = x[..., None] - params["means"], np.exp(log_softmax(params["transition"]))
    return {
        "initial": np.mean(single[:, 0], axis=0) - np.exp(log_softmax(params["initial"])),
        "transition": pairs - np.sum(pairs, axis=1, keepdims=True) * rows,
        "means": np.sum(single * deviations, axis=(0, 1)) / variances / len(x),
        "log_variances": 0.5 * np.sum(single * (deviations**2 / variances - 1), axis=(0, 1)) / len(x),
    }


def step(params: Params, x: Array) -> Params:
    """One EM step."""
    single, pair = (np.exp(log_q) for log_q in log_posterior(params, x))
    counts = np.sum(single, axis=(0, 1))
    starts = np.mean(single[:, 0], axis=0)
    pairs = np.sum(pair, axis=(0, 1))
    means = np.sum(single * x[..., None], axis=(0, 1)) / counts
    variances = np.sum(single * (x[..., None] - means) ** 2, axis=(0, 1)) / counts
    rows = pairs / np.sum(pairs, axis=1, keepdims=True)
    return {
        "initial": np.log(starts),
        "transition": np.log(rows),
        "means": means,
        "log_variances": np.log(variances),
    }


def fit(params: Params, x: Array) -> Params:
    """EM until nothing moves."""
    return converge(lambda p: step(p, x), params)


def declare(params: Params, x: Array) -> Declaration:
    """What the bound is made of: all paths, weighted by the code's own q(z_1) Π q(z_t+1 | z_t)."""
    log_single, log_pair = log_posterior(params, x)
    before, after = PATHS[:, :-1], PATHS[:, 1:]
    log_q = np.einsum("mti,ntij,mtj->nm", before, log_pair, after)
    log_q = log_q - np.einsum("mti,nti->nm", PATHS[:, 1:-1], log_single[:, 1:-1])
    emission = Normal(PATHS @ params["means"], PATHS @ np.exp(params["log_variances"]))
    moves = Categorical((before @ params["transition"])[None])
    return Declaration(
        factors=(
            Factor("initial", Categorical(params["initial"]), PATHS[None, :, 0], ("initial",)),
            Factor("transition", moves, after[None], ("transition",), {"transition": params["transition"]}),
            Factor("x", emission, x[:, None, :], ("means", "log_variances"), {"log_variances": -np.ones(2)}),
        ),
        weights=np.exp(log_q),
        entropy=None,
        data_weights=np.full(len(x), 1 / len(x)),
        optimal=True,
    )


def log_evidence(params: Params, x: Array) -> float:
    """(1/N) log p(x): all paths, one by one."""
    states = np.argmax(PATHS, axis=2)
    initial = params["initial"] - logsumexp(params["initial"])
    moves = params["transition"] - logsumexp(params["transition"], axis=1, keepdims=True)
    log_p = initial[states[:, 0]] + moves[states[:, :-1], states[:, 1:]].sum(1)
    scale = np.exp(0.5 * params["log_variances"])
    each = norm.logpdf(x[:, None, :], params["means"][states], scale[states]).sum(-1)
    return float(np.mean(logsumexp(each + log_p, axis=1)))


def identified(params: Params) -> Array:
    """What data can tell: the states, by their means."""
    order = np.argsort(params["means"])
    rows = np.exp(log_softmax(params["transition"]))[order][:, order]
    starts = np.exp(log_softmax(params["initial"]))[order]
    return np.concatenate([starts, rows.ravel(), params["means"][order], np.exp(params["log_variances"])[order]])
