"""Out of scope: sparse variational Gaussian processes; q(f | u) = p(f | u) moves with the scale s of the prior.

F − S = −Σ s k̃ / 2σ² with a Gaussian likelihood, Titsias' trace term; 0 where the inducing points are the data.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.families import Bernoulli, Normal
from elbocheck.models.base import Model, Params, Variational
from elbocheck.models.gaussian_process import GAUSSIAN_PROCESS, initial, kernel, only_existing, positions
from elbocheck.models.sample import Cell
from elbocheck.models.support import both_values, check_binary
from elbocheck.models.variational.exact import gaussian_entropy
from elbocheck.models.variational.gaussian import LOG_DIAGONAL, LOWER, MEAN, initial_full
from elbocheck.models.variational.quadrature import hermite_grid

NODES = 3
"""Gauss–Hermite nodes of each latent: exact for squares, hence for a Gaussian likelihood."""


def projection(params: Arrays, fixed: Arrays) -> tuple[Array, Array]:
    """(A (D, K), √k̃ (D,)): f = √s (A v + √k̃ ε) for v, ε ~ N(0, I), v whitened by the Cholesky factor of K_uu."""
    exists, there = fixed["exists_K"], fixed["exists_D"]
    inputs, inducing = positions(params["log_gaps"]), positions(params["log_inducing_gaps"])
    xp = namespace(inputs).xp
    root = xp.linalg.cholesky(only_existing(kernel(inducing, inducing), exists))
    cross = kernel(inputs, inducing) * exists * there[:, None]
    weights = xp.matmul(cross, xp.matrix_transpose(xp.linalg.inv(root)))
    left = there - xp.sum(weights * weights, axis=-1)
    some = left > 0
    return weights, xp.where(some, xp.sqrt(xp.where(some, left, xp.ones_like(left))), xp.zeros_like(left))


def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """A prior without parameters of v and ε; −2 on log s would undo their rescaling."""
    f = _function(params, fixed, latents["z"])
    xp, log_noise = namespace(f).xp, params["log_variance"]
    return (
        _prior(params, fixed, latents["z"]),
        Factor(
            "y",
            Normal(f, xp.exp(log_noise)),
            fixed["x"][:, None, :],
            parameters=("log_signal", "log_variance"),
            beta={"log_variance": -xp.ones_like(log_noise)},
            where=fixed["exists_D"],
        ),
    )


def bernoulli_factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """The same with logits f, which 2 on log s multiplies."""
    f = _function(params, fixed, latents["z"])
    return (
        _prior(params, fixed, latents["z"]),
        Factor(
            "y",
            Bernoulli(f),
            fixed["x"][:, None, :],
            parameters=("log_signal",),
            beta={"log_signal": 2.0 * namespace(f).xp.ones_like(params["log_signal"])},
            where=fixed["exists_D"],
        ),
    )


def _function(params: Arrays, fixed: Arrays, z: Array) -> Array:
    """f at points (v, ε) of the latents, (N, M, D)."""
    (weights, spread), count = projection(params, fixed), fixed["exists_K"].shape[0]
    xp = namespace(z).xp
    along = xp.matmul(z[..., :count], xp.matrix_transpose(weights)) + spread * z[..., count:]
    return xp.exp(0.5 * params["log_signal"]) * along


def _prior(params: Arrays, fixed: Arrays, z: Array) -> Factor:
    xp = namespace(z).xp
    one = xp.ones_like(z[:1, :1, ...])
    where = xp.concat([fixed["exists_K"], fixed["exists_D"]])
    return Factor(
        "z",
        Normal(0.0 * one, one),
        z,
        rescaling={"log_signal": -2.0 * xp.ones_like(params["log_signal"])},
        where=where,
    )


def inducing_points(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q(v) = N(m, L Lᵀ) and q(ε) = N(0, I), as a grid; an element of y meets one ε, so that all share its nodes."""
    mean, log_diagonal, exists = params["q_mean"], params["q_log_diagonal"], fixed["exists_K"]
    xp, count = namespace(mean).xp, exists.shape[0]
    grid, weights = (xp.astype(xp.asarray(one), mean.dtype) for one in hermite_grid(NODES, count + 1))
    size = xp.arange(count)
    below = xp.astype(size[:, None] > size[None, :], mean.dtype)
    root = params["q_lower"] * below + xp.eye(count, dtype=mean.dtype) * xp.exp(log_diagonal)[..., None, :]
    v = (mean[:, None, :] + xp.matmul(grid[None, :, :count], xp.matrix_transpose(root))) * exists
    noise = grid[None, :, count:] * fixed["exists_D"] + xp.zeros_like(v[..., :1])
    entropy = gaussian_entropy(log_diagonal, exists) + gaussian_entropy(0.0 * fixed["x"], fixed["exists_D"])
    shares = weights / xp.sum(weights) + xp.zeros_like(mean[:, :1])
    return WeightedPoints({"z": xp.concat([v, noise], axis=-1)}, shares, entropy)


def _with_inducing(rng: np.random.Generator, params: Params, count: int) -> Params:
    """Inducing inputs about as far apart as the inputs."""
    return {**params, "log_inducing_gaps": 0.3 * rng.normal(size=count) - 0.3}


def initial_sparse(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """As the Gaussian process."""
    return _with_inducing(rng, initial(rng, x, data_weights, count), count)


def initial_bernoulli(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """Logits of order one."""
    params = initial_sparse(rng, x, data_weights, count)
    del params["log_variance"]
    return {**params, "log_signal": np.asarray(0.5 + 0.5 * rng.normal())}


def truth(rng: np.random.Generator, data: int, observed: int, count: int) -> tuple[np.ndarray, Params]:
    """Functions of the process with noise."""
    assert GAUSSIAN_PROCESS.starts.truth is not None
    x, params = GAUSSIAN_PROCESS.starts.truth(rng, data, observed, count)
    return x, _with_inducing(rng, params, count)


def binary_truth(rng: np.random.Generator, data: int, observed: int, count: int) -> tuple[np.ndarray, Params]:
    """Binary values with logits that are functions of the process, far from 0."""
    x, params = truth(rng, data, observed, count)
    p = 1.0 / (1.0 + np.exp(-2.0 * x))
    del params["log_variance"]
    return np.asarray(rng.random(x.shape) < p, dtype=float), {**params, "log_signal": params["log_signal"] + 1.0}


INDUCING = Block("log_inducing_gaps", ("K",), constant=True)
SPARSE_GAUSSIAN_PROCESS = replace(
    GAUSSIAN_PROCESS,
    name="sparse-gp",
    title="sparse variational Gaussian process regression",
    blocks=(*GAUSSIAN_PROCESS.blocks, INDUCING),
    factors=factors,
    data=replace(GAUSSIAN_PROCESS.data, units="none"),
    starts=replace(GAUSSIAN_PROCESS.starts, initial=initial_sparse, truth=truth),
    theory=replace(
        GAUSSIAN_PROCESS.theory,
        families=("normal", "normal"),
        out_of_scope="s is the scale of q(f | u), too, which cannot follow a rescaling: F − S = −Σ s k̃ / 2σ²",
    ),
)
SPARSE_BERNOULLI = replace(
    SPARSE_GAUSSIAN_PROCESS,
    name="sparse-gp-bernoulli",
    title="sparse variational Gaussian process classification",
    blocks=(*GAUSSIAN_PROCESS.blocks[:2], INDUCING),
    factors=bernoulli_factors,
    data=replace(
        SPARSE_GAUSSIAN_PROCESS.data,
        simulate=lambda rng, data, observed, count: binary_truth(rng, data, observed, max(count, 1))[0],
        check=check_binary,
        repair=both_values,
        scale=None,
    ),
    starts=replace(SPARSE_GAUSSIAN_PROCESS.starts, initial=initial_bernoulli, truth=binary_truth),
    theory=replace(
        SPARSE_GAUSSIAN_PROCESS.theory,
        families=("normal", "Bernoulli"),
        out_of_scope="s is the scale of q(f | u), too, which cannot follow a rescaling",
    ),
)
INDUCING_POINTS = Variational(
    name="inducing",
    title="free Gaussian q(u), q(f | u) = p(f | u)",
    blocks=(MEAN, LOG_DIAGONAL, LOWER),
    points=inducing_points,
    initial=initial_full,
    trained=("q_mean", "q_log_diagonal", "q_lower"),
    out_of_scope="s is the scale of q(f | u), too, which cannot follow a rescaling",
)
GIVEN = ("log_gaps", "log_inducing_gaps")
CELLS = (
    Cell(SPARSE_GAUSSIAN_PROCESS, INDUCING_POINTS, (12, 4, 2), frozen=GIVEN, least=(10, 4, 1)),
    Cell(SPARSE_BERNOULLI, INDUCING_POINTS, (16, 4, 2), frozen=GIVEN, least=(14, 4, 1)),
)
