"""Gaussian q: diagonal, full, and arbitrary up to one common scale; sigma points make expectations exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.models.base import Model, Params, Variational
from elbocheck.models.variational.exact import gaussian_entropy, sigma_points

MEAN = Block("q_mean", ("N", "K"))
LOG_DIAGONAL = Block("q_log_diagonal", ("N", "K"))
LOWER = Block("q_lower", ("N", "K", "K"), strictly_lower=True)
LOG_SCALE = Block("q_log_scale", ())


def _root(params: Arrays) -> Array:
    """L_n = lower + diag(exp(log_diagonal)) (N, K, K); diagonal where there is no lower part."""
    log_diagonal = params["q_log_diagonal"]
    xp = namespace(log_diagonal).xp
    size = log_diagonal.shape[-1]
    diagonal = xp.astype(xp.eye(size), log_diagonal.dtype) * xp.exp(log_diagonal)[..., None, :]
    if "q_lower" not in params:
        return diagonal
    below = xp.astype(xp.arange(size)[:, None] > xp.arange(size)[None, :], log_diagonal.dtype)
    return diagonal + below * params["q_lower"]


def free_gaussian(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n = N(m_n, L_n L_nᵀ); rescaling z moves m by m, log diag L by 1 and the lower part by itself."""
    exists, mean, log_diagonal = fixed["exists_K"], params["q_mean"], params["q_log_diagonal"]
    points, weights = sigma_points(mean * exists, _root(params), exists)
    rescaling = {"q_mean": mean, "q_log_diagonal": namespace(mean).xp.ones_like(log_diagonal)}
    if "q_lower" in params:
        rescaling["q_lower"] = params["q_lower"]
    return WeightedPoints({"z": points}, weights, gaussian_entropy(log_diagonal, exists), rescaling)


def scaled_gaussian(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n = N(e^s m_n, e^2s L_n L_nᵀ): of all parameters of q the theorem needs this one alone (THEORY section 5)."""
    exists, scale = fixed["exists_K"], params["q_log_scale"]
    xp = namespace(scale).xp
    points, weights = sigma_points(xp.exp(scale) * params["q_mean"] * exists, xp.exp(scale) * _root(params), exists)
    entropy = gaussian_entropy(params["q_log_diagonal"] + scale, exists)
    return WeightedPoints({"z": points}, weights, entropy, {"q_log_scale": xp.ones_like(scale)})


def initial_diagonal(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """Means of order one, standard deviations around one half."""
    return {
        "q_mean": rng.normal(size=(len(x), latents)),
        "q_log_diagonal": rng.normal(scale=0.5, size=(len(x), latents)) - 0.7,
    }


def initial_full(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """As the diagonal family, with correlations."""
    lower = np.tril(rng.normal(scale=0.3, size=(len(x), latents, latents)), -1)
    return {**initial_diagonal(rng, model, x, latents), "q_lower": lower}


def initial_scaled(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """As the full family, with a common scale of one."""
    return {**initial_full(rng, model, x, latents), "q_log_scale": np.zeros(())}


def collapsed(model: Model, params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """q equals the prior N(0, 1), without correlations, for latents without loadings."""
    held = np.broadcast_to(subset, params["q_mean"].shape)
    moved: Params = {name: np.where(held, 0.0, params[name]) for name in ("q_mean", "q_log_diagonal")}
    holds: Params = dict.fromkeys(moved, held)
    if "q_lower" in params:
        holds["q_lower"] = held[:, :, None] | held[:, None, :]
        moved["q_lower"] = np.where(holds["q_lower"], 0.0, params["q_lower"])
    return moved, holds


def optimum(model: Model, params: Arrays, fixed: Arrays) -> Params:
    """The best Gaussian: the exact posterior, or for a diagonal family its mean and 1 / diag of its precision."""
    assert model.gaussian_posterior is not None
    shift, precision = model.gaussian_posterior(params, fixed)
    xp, data = namespace(shift).xp, shift.shape[0]
    mean = xp.matrix_transpose(xp.linalg.solve(precision, xp.matrix_transpose(shift)))
    if "q_lower" not in params:
        return {"q_mean": mean, "q_log_diagonal": xp.tile(-0.5 * xp.log(xp.linalg.diagonal(precision)), (data, 1))}
    root = xp.linalg.cholesky(xp.linalg.inv(precision))
    return {
        "q_mean": mean,
        "q_log_diagonal": xp.tile(xp.log(xp.linalg.diagonal(root)), (data, 1)),
        "q_lower": xp.tile(xp.tril(root, k=-1), (data, 1, 1)),
    }


def relabelled(params: Mapping[str, np.ndarray], order: np.ndarray) -> Params:
    """Latents permuted: the Cholesky factor of the permuted covariance."""
    # from a QR decomposition, which does not square the condition number as a covariance would
    upper = np.linalg.qr(np.swapaxes(np.asarray(_root(params))[:, order, :], -1, -2))[1]
    signs = np.sign(np.diagonal(upper, axis1=-2, axis2=-1))
    cholesky = np.swapaxes(upper * signs[:, :, None], -1, -2)
    result = {
        "q_mean": params["q_mean"][:, order],
        "q_log_diagonal": np.log(np.diagonal(cholesky, axis1=-2, axis2=-1)),
    }
    if "q_lower" in params:
        result["q_lower"] = np.tril(cholesky, -1)
    return result


DIAGONAL_GAUSSIAN = Variational(
    name="diagonal",
    title="free diagonal Gaussian",
    blocks=(MEAN, LOG_DIAGONAL),
    points=free_gaussian,
    initial=initial_diagonal,
    trained=("q_mean", "q_log_diagonal"),
    collapsed=collapsed,
    optimum=optimum,
    relabelled=relabelled,
)
FULL_GAUSSIAN = Variational(
    name="full",
    title="free full-covariance Gaussian",
    blocks=(MEAN, LOG_DIAGONAL, LOWER),
    points=free_gaussian,
    initial=initial_full,
    trained=("q_mean", "q_log_diagonal", "q_lower"),
    collapsed=collapsed,
    optimum=optimum,
    relabelled=relabelled,
)
SCALED_GAUSSIAN = Variational(
    name="scaled",
    title="arbitrary Gaussian up to one common scale",
    blocks=(*(replace(block, constant=True) for block in (MEAN, LOG_DIAGONAL, LOWER)), LOG_SCALE),
    points=scaled_gaussian,
    initial=initial_scaled,
    trained=("q_log_scale",),
    relabelled=relabelled,
)
