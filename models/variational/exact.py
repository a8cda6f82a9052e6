"""Exact posteriors: by enumeration for discrete latents, by Gaussian conditioning for linear Gaussian models."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.layout import Arrays
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.families import Categorical
from elbocheck.models.base import Model, Params, Variational


def enumerated(model: Model, fixed: Arrays) -> tuple[Array, Array]:
    """(states (1, M, K·L), boolean existence (M,)): a state exists if it uses existing latents only."""
    assert model.states is not None
    exists = fixed["exists_K"]
    xp = namespace(exists).xp
    states = xp.astype(xp.asarray(model.states(exists.shape[0])), exists.dtype)
    units = xp.repeat(exists, states.shape[-1] // exists.shape[0])
    return states[None, ...], xp.sum(states * (1.0 - units), axis=-1) == 0.0


def log_joint(model: Model, params: Arrays, fixed: Arrays) -> Array:
    """log p(x_n, z_m) (N, M) of all latent states."""
    return log_factors(model, params, fixed, {"z": enumerated(model, fixed)[0]}, axes=2)


def log_factors(model: Model, params: Arrays, fixed: Arrays, latents: Arrays, axes: int) -> Array:
    """Σ_f log p_f at given latents, all but the first `axes` axes (data, points, perhaps elements) summed."""
    total: Array = 0.0
    for factor in model.factors(params, fixed, latents):
        elements = factor.distribution.log_density(factor.value)
        xp = namespace(elements).xp
        if factor.where is not None:
            elements = xp.where(factor.where > 0, elements, xp.zeros_like(elements))
        while elements.ndim > axes:
            elements = xp.sum(elements, axis=-1)
        total = total + elements
    return total


def exact_by_enumeration(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n(z) = p(x_n, z) / Σ_z' p(x_n, z') over all latent states; mixtures: the responsibilities."""
    states, exists = enumerated(model, fixed)
    q = Categorical(log_joint(model, params, fixed), where=exists)
    return WeightedPoints({"z": states}, q.mean_statistics()[0], q.entropy(), optimal=True)


def exact_gaussian(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n = N(m_n, P⁻¹) as 2K sigma points, from the model's own Gaussian conditioning."""
    assert model.gaussian_posterior is not None
    points, weights, entropy = conditioned(*model.gaussian_posterior(params, fixed), fixed["exists_K"])
    return WeightedPoints({"z": points}, weights, entropy, optimal=True)


def conditioned(precision_times_mean: Array, precision: Array, exists: Array) -> tuple[Array, Array, Array]:
    """(2K sigma points, weights, entropy) of N(P_n⁻¹ h_n, P_n⁻¹) over the existing ones of K latents.

    Shapes: h (N, K), P (K, K) or (N, K, K), exists (K,).
    """
    xp = namespace(precision).xp
    if precision.ndim == 2:
        cholesky = xp.linalg.cholesky(precision)
        inverse = xp.linalg.inv(cholesky)
        root = xp.matrix_transpose(inverse)
        mean, root = xp.matmul(xp.matmul(precision_times_mean, root), inverse), root[None, ...]
    else:
        cholesky, inverse = factorised(precision)
        root = xp.matrix_transpose(inverse)
        mean = xp.matmul(xp.matmul(precision_times_mean[:, None, :], root), inverse)[:, 0, :]
    log_diagonal = -xp.log(xp.linalg.diagonal(cholesky)) + xp.zeros_like(mean)
    points, weights = sigma_points(mean, root, exists)
    return points, weights, gaussian_entropy(log_diagonal, exists)


def factorised(matrices: Array) -> tuple[Array, Array]:
    """(Cholesky factors, their inverses) of positive definite matrices (N, K, K), column by column.

    In elementwise operations: on a processor of few cores XLA can wait forever for many small factorisations at once.
    """
    xp, size = namespace(matrices).xp, matrices.shape[-1]
    one = xp.eye(size, dtype=matrices.dtype)
    columns, rows = list[Array](), list[Array]()
    for k in range(size):
        below = xp.astype(xp.arange(size) >= k, matrices.dtype)
        column = below * matrices[:, :, k] / xp.sqrt(matrices[:, k, k])[:, None]
        matrices = matrices - column[:, :, None] * column[:, None, :]
        columns.append(column)
    for k in range(size):
        row = one[k, :] + xp.zeros_like(columns[0])
        for j in range(k):
            row = row - columns[j][:, k][:, None] * rows[j]
        rows.append(row / columns[k][:, k][:, None])
    factors = xp.concat([column[:, :, None] for column in columns], axis=-1)
    return factors, xp.concat([row[:, None, :] for row in rows], axis=-2)


def sigma_points(mean: Array, root: Array, exists: Array) -> tuple[Array, Array]:
    """2K points m_n ± √K L_n e_k and weights 1/2K: exact for N(m_n, L_n L_nᵀ) and polynomials up to degree 3.

    Shapes: mean (N, K), root (N or 1, K, K), exists (K,) -> (N, 2K, K), (N, 2K). K counts existing latents.
    """
    xp = namespace(mean, root).xp
    count = xp.sum(exists)
    columns = xp.matrix_transpose(root) * xp.sqrt(count) * exists[:, None]
    steps = xp.concat([columns, -columns], axis=-2)
    weights = xp.concat([exists, exists]) / (2.0 * count)
    return mean[:, None, :] + steps, weights + xp.zeros_like(mean[:, :1])


def gaussian_entropy(log_diagonal: Array, exists: Array) -> Array:
    """½ log det 2πe L Lᵀ from the log diagonal (N, K) of a triangular L, over existing latents."""
    ns = namespace(log_diagonal)
    return ns.xp.sum(exists * (0.5 * (ns.constants.log_2pi + 1.0) + log_diagonal), axis=-1)


def no_parameters(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """An exact posterior has no parameters of its own."""
    return {}


def nothing_to_hold(model: Model, params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """The exact posterior follows collapsed latents by itself."""
    return {}, {}


EXACT = Variational(
    name="exact",
    title="exact posterior",
    blocks=(),
    points=exact_by_enumeration,
    initial=no_parameters,
    optimal=True,
    collapsed=nothing_to_hold,
)
EXACT_GAUSSIAN = Variational(
    name="exact",
    title="exact posterior",
    blocks=(),
    points=exact_gaussian,
    initial=no_parameters,
    optimal=True,
    collapsed=nothing_to_hold,
)
