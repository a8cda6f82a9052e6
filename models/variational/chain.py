"""Posteriors of Markov chains: forward–backward over paths, exact for a model or free potentials of its own.

E_q of every factor needs only pairs of neighbouring states, so the points are the K² pairs, with other weights at each
time. All products of transfer matrices come from a parallel prefix scan in log space (⌈log₂ T⌉ steps), which any array
library runs.
"""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.models.base import Model, Params, Variational
from elbocheck.models.variational.exact import log_factors, no_parameters, nothing_to_hold

NEVER = -1e30
"""Log weight of states that do not exist: finite, so that no derivative is NaN."""


def pairs(fixed: Arrays) -> dict[str, Array]:
    """(state before, state) one-hot, both (1, K², 1, K): pair i·K + j."""
    xp, count = namespace(fixed["x"]).xp, fixed["exists_K"].shape[0]
    one_hot = xp.astype(xp.eye(count), fixed["x"].dtype)
    before, after = xp.repeat(one_hot, count, axis=0), xp.tile(one_hot, (count, 1))
    return {"before": before[None, :, None, :], "z": after[None, :, None, :]}


def log_matmul(one: Array, other: Array) -> Array:
    """log Σ_k exp(one_ik + other_kj) for (…, K, K) matrices."""
    return namespace(one).log_sum_exp(one[..., :, :, None] + other[..., None, :, :], axis=-2)


def prefix_products(matrices: Array) -> Array:
    """Products of the first t + 1 of (N, T, K, K) log matrices, for every t."""
    xp, reach = namespace(matrices).xp, 1
    while reach < matrices.shape[1]:
        ahead = log_matmul(matrices[:, :-reach, ...], matrices[:, reach:, ...])
        matrices = xp.concat([matrices[:, :reach, ...], ahead], axis=1)
        reach *= 2
    return matrices


def path_posterior(potentials: Array, fixed: Arrays) -> tuple[Array, Array]:
    """(weights of pairs (N, K², T), path entropy (N,)) of q(path) ∝ exp Σ_t potential_t(z_{t−1}, z_t).

    `potentials` (N, T, K, K); at t = 0 they must not depend on the state before, whose weight then is uniform.
    H[q] = Σ_t H[z_t | z_{t−1}] from the conditionals q(z_t | z_{t−1}) ∝ exp(potential) · (what follows).
    """
    xp, times, states = namespace(potentials).xp, fixed["exists_D"], fixed["exists_K"]
    data, length, count, _ = potentials.shape
    absent = NEVER * (1.0 - states)
    # one step's best pair at 0: sums over times then stay as small as the differences that matter
    best = xp.max(potentials + absent[:, None] + absent, axis=(-1, -2), keepdims=True)
    potentials = potentials - namespace(best).constant(best)
    matrices = xp.where(times[:, None, None] > 0, potentials, 0.0) + absent[:, None] + absent[None, :]
    # products from t to the end: prefixes of the transposed matrices in reversed order
    reversed_order = xp.flip(xp.matrix_transpose(matrices), axis=1)
    suffix = xp.flip(xp.matrix_transpose(prefix_products(reversed_order)), axis=1)
    later = namespace(suffix).log_sum_exp(suffix, axis=-1)  # (N, T, K): from state i before t to anywhere at the end
    following = xp.concat([later[:, 1:, ...], xp.zeros_like(later[:, :1, ...])], axis=1)
    log_conditional = matrices + following[:, :, None, :]
    # not minus `later`: rows normalised by themselves have derivatives that sum to zero, whatever their size
    log_conditional = log_conditional - namespace(later).log_sum_exp(log_conditional, axis=-1)[..., None]
    log_conditional = xp.where((states[:, None] > 0) & (states[None, :] > 0), log_conditional, NEVER)
    chain = prefix_products(log_conditional)[:, :, 0, :]  # state 0 always exists, and at t = 0 any state before will do
    start = xp.where(states > 0, xp.zeros_like(states), NEVER) - xp.log(xp.sum(states))
    before = xp.concat([xp.zeros_like(chain[:, :1, ...]) + start, chain[:, :-1, ...]], axis=1)
    weights = xp.exp(before[..., None] + log_conditional)
    terms = xp.sum(weights * xp.where(weights > 0, log_conditional, 0.0), axis=(-1, -2))
    entropy = -xp.sum(times * terms, axis=-1)
    return xp.matrix_transpose(xp.reshape(weights, (data, length, count * count))), entropy


def _potentials(log_terms: Array, fixed: Arrays) -> Array:
    """(N or 1, K², T) per pair and time -> (N, T, K, K)."""
    xp, count = namespace(log_terms).xp, fixed["exists_K"].shape[0]
    full = log_terms + xp.zeros_like(fixed["x"])[:, None, :]
    return xp.reshape(xp.matrix_transpose(full), (full.shape[0], full.shape[2], count, count))


def forward_backward(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """The exact posterior over paths, from the model's own factors at all pairs of states."""
    return exact_paths(model, params, fixed, pairs(fixed), fixed["exists_K"])


def exact_paths(
    model: Model, params: Arrays, fixed: Arrays, latents: dict[str, Array], states: Array
) -> WeightedPoints:
    """The same for other latents (1, S², 1, …) of the pairs of S states, in the order of `pairs`.

    `states` (S,): 1 for those that exist, the first among them.
    """
    shapes = {**fixed, "exists_K": states}
    potentials = _potentials(log_factors(model, params, fixed, latents, axes=3), shapes)
    weights, entropy = path_posterior(potentials, shapes)
    return WeightedPoints(latents, weights, entropy, optimal=True)


def free_chain(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """Any Markov chain q of its own for each datum, from free potentials."""
    xp = namespace(fixed["x"]).xp
    first = xp.astype(xp.arange(fixed["x"].shape[1]) == 0, fixed["x"].dtype)[:, None, None]
    potentials, exists = params["q_potentials"], fixed["exists_K"]
    mean = xp.sum(exists[:, None] * potentials, axis=-2, keepdims=True) / xp.sum(exists)
    potentials = potentials * (1.0 - first) + first * mean  # at the start there is no state before
    weights, entropy = path_posterior(potentials, fixed)
    return WeightedPoints(pairs(fixed), weights, entropy)


def initial_chain(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """Chains that know nothing of the data."""
    return {"q_potentials": rng.normal(size=(*x.shape, latents, latents))}


FORWARD_BACKWARD = Variational(
    name="exact",
    title="exact posterior over paths, forward–backward",
    blocks=(),
    points=forward_backward,
    initial=no_parameters,
    optimal=True,
    collapsed=nothing_to_hold,
)
ARBITRARY_CHAIN = Variational(
    name="arbitrary",
    title="arbitrary Markov chain that nobody optimised",
    blocks=(Block("q_potentials", ("N", "D", "K", "K"), constant=True),),
    points=free_chain,
    initial=initial_chain,
)
