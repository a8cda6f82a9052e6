"""Hidden Markov chains over sequences of different lengths: exact path posteriors, and the bound they make.

A datum is one sequence. E_q of every factor needs pairs of neighbouring states only, so the points of q are the K²
pairs, with other weights at each time (as in the catalogue's `q_chain`, which knows one length and one dimension).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import logsumexp

from elbocheck.backends.namespace import Array
from elbocheck.bound.departures import Departure
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Categorical
from elbocheck.families.base import Distribution

Params = Mapping[str, Any]
Emission = Callable[[Params, np.ndarray], Distribution]
"""(params, states one-hot (1, M, 1, K)) -> the distribution of an observation in these states."""


def log_sum_exp(array: np.ndarray, axis: int) -> np.ndarray:
    """log Σ exp along an axis, of complex numbers too (derivatives by complex step)."""
    top = np.max(array.real, axis=axis, keepdims=True)
    return np.squeeze(np.log(np.sum(np.exp(array - top), axis=axis, keepdims=True)) + top, axis=axis)


def path_posterior(start: Array, table: Array, emissions: Array) -> tuple[Array, Array]:
    """(weights (K², T) of the pairs (state before, state), path entropy in nats) of one sequence.

    `start` (K,), `table` (K, K), `emissions` (T, K): log probabilities. Backward messages give the conditionals
    q(z_t | z_{t−1}), and those the marginals and H[q] = Σ_t H[z_t | z_{t−1}]. At the first time there is no state
    before; its weight is put on state 0.
    """
    length, count = emissions.shape
    dtype = np.result_type(start, table, emissions)
    ahead = np.zeros(count, dtype)
    conditionals = np.zeros((length, count, count), dtype)
    for t in range(length - 1, -1, -1):
        joint = (emissions[t] + ahead) + (table if t else np.broadcast_to(start, table.shape))
        ahead = log_sum_exp(joint, axis=1)
        conditionals[t] = joint - ahead[:, None]
    before = np.zeros(count, dtype)
    before[0] = 1.0
    weights, entropy = np.zeros((count, count, length), dtype), np.zeros((), dtype)
    for t in range(length):
        pair = before[:, None] * np.exp(conditionals[t])
        weights[:, :, t] = pair
        entropy = entropy - np.sum(np.where(pair.real > 0.0, pair * conditionals[t], 0.0))
        before = pair.sum(axis=0)
    return weights.reshape(count * count, length), entropy


def declaration(
    sequences: Sequence[np.ndarray],
    emission: Emission,
    names: tuple[str, ...],
    beta: Callable[[Params], Params],
    tied: bool = False,
) -> Callable[[Params], Declaration]:
    """`params -> Declaration`, nats per sequence, of sequences (T_n, *observation) with the exact path posterior.

    `names`, `beta`: the parameters of the emissions and their direction β, state by state unless `tied`.
    """
    longest = max(map(len, sequences))
    x = np.stack([np.concatenate([one, np.repeat(one[-1:], longest - len(one), axis=0)]) for one in sequences])
    exists = np.arange(longest) < np.array([len(one) for one in sequences])[:, None]

    def declare(params: Params) -> Declaration:
        start, table = (normalised(params[name]) for name in ("start_logits", "transition_logits"))
        count = len(start)
        states = np.eye(count)
        each = emission(params, states[None, :, None, :])
        log_emissions = summed(each.log_density(x[:, None]), axes=3)  # (N, K, T)
        found = [path_posterior(start, table, log_emissions[n].T[: len(one)]) for n, one in enumerate(sequences)]
        weights = np.zeros((len(sequences), count * count, longest), np.result_type(*(pair[0] for pair in found)))
        for n, (pairs, _) in enumerate(found):
            weights[n, :, : pairs.shape[1]] = pairs
        before = np.repeat(states, count, axis=0)[None, :, None, :]
        after = np.tile(states, (count, 1))[None, :, None, :]
        first = np.arange(longest) == 0
        observed = emission(params, after)
        present = exists[:, None, :]
        extra = observed.log_density(x[:, None]).ndim - present.ndim
        factors = (
            Factor(
                "start",
                Categorical(params["start_logits"]),
                after,
                ("start_logits",),
                {"start_logits": params["start_logits"]},
                where=first,
            ),
            Factor(
                "transition",
                Categorical(before @ params["transition_logits"]),
                after,
                ("transition_logits",),
                {"transition_logits": params["transition_logits"]},
                where=present & ~first,
                groups=before[:, :, 0, :],
            ),
            Factor(
                "x",
                observed,
                x[:, None],
                names,
                beta(params),
                where=present.reshape(*present.shape, *(1,) * extra),
                groups=None if tied else after[:, :, 0, :],
            ),
        )
        entropy = np.stack([each for _, each in found])
        return Declaration(factors, weights, entropy, np.full(len(sequences), 1.0 / len(sequences)), optimal=True)

    return declare


def normalised(logits: Array) -> Array:
    """Log probabilities along the last axis."""
    return logits - log_sum_exp(logits, axis=-1)[..., None]


def summed(elements: Array, axes: int) -> Array:
    """All axes but the first ones summed."""
    while elements.ndim > axes:
        elements = elements.sum(axis=-1)
    return elements


def evidence(sequences: Sequence[np.ndarray], emission: Emission, params: Params) -> float:
    """(1/N) Σ_n log p(x_n) by the forward algorithm, nats per sequence."""
    start, table = (normalised(params[name]) for name in ("start_logits", "transition_logits"))
    each, total = emission(params, np.eye(len(start))[None, :, None, :]), 0.0
    for one in sequences:
        log_emissions = summed(each.log_density(one[None, None]), axes=3)[0].T
        ahead = start + log_emissions[0]
        for emitted in log_emissions[1:]:
            ahead = logsumexp(ahead[:, None] + table, axis=0) + emitted
        total += float(logsumexp(ahead))
    return total / len(sequences)


def pseudo_counts(
    name: str, prior: Any, factor: str, log_probabilities: Callable[[Params], np.ndarray], sequences: int
) -> tuple[Departure, ...]:
    """A Dirichlet prior α of probabilities A: gap = (1/N) Σ_ij (A_ij Σ_k (α_ik − 1) − (α_ij − 1)) log A_ij.

    The M-step has A_ij ∝ n_ij + α_ij − 1, so that the expected counts n_ij are not in proportion to A_ij (where it
    does not have to cut off at 0). `log_probabilities`: params -> log A.
    """
    excess = np.asarray(prior, dtype=float) - 1.0
    if not np.any(excess):
        return ()

    def gaps(params: Params) -> dict[str, float]:
        log_a = log_probabilities(params)
        added = np.broadcast_to(excess, log_a.shape)
        surplus = np.exp(log_a) * added.sum(axis=-1, keepdims=True) - added
        return {factor: float(np.sum(surplus * log_a)) / sequences}

    return (Departure(f"{name} = {prior}", gaps),)
