"""Gaussian bookkeeping that adapters share: triangular factors of precisions, and log evidences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import logsumexp

from elbocheck.adapters.catalogued import fixed_arrays
from elbocheck.backends.namespace import Array
from elbocheck.models.base import Model
from elbocheck.models.variational.exact import log_joint

LOG_2PI = float(np.log(2.0 * np.pi))


def lower_factor(factor: np.ndarray) -> np.ndarray:
    """Lower triangular C with positive diagonal and C Cᵀ = F Fᵀ, from any square F (…, D, D), by QR of Fᵀ.

    Never by F Fᵀ itself, which would square the condition number.
    """
    triangular = np.swapaxes(np.linalg.qr(np.swapaxes(factor, -1, -2), mode="r"), -1, -2)
    signs = np.sign(np.diagonal(triangular, axis1=-2, axis2=-1))
    return np.tril(triangular * signs[..., None, :])


def upper_factor(factor: np.ndarray) -> np.ndarray:
    """Upper triangular U with positive diagonal and U Uᵀ = F Fᵀ, from any square F (…, D, D)."""
    return np.flip(lower_factor(np.flip(factor, axis=(-2, -1))), axis=(-2, -1))


def packed(matrices: Array) -> Array:
    """The elements below the diagonal of (…, D, D), row by row: (…, D (D − 1)/2)."""
    return matrices[(..., *np.tril_indices(matrices.shape[-1], -1))]


def unpacked(elements: Array, size: int) -> Array:
    """The inverse of `packed`: strictly lower triangular (…, D, D)."""
    matrices = np.zeros((*elements.shape[:-1], size, size), elements.dtype)
    matrices[(..., *np.tril_indices(size, -1))] = elements
    return matrices


def triangular(params: Mapping[str, Any]) -> Array:
    """C with precision C Cᵀ from its log diagonal (…, D) and its packed elements below."""
    diagonal = np.exp(params["precision_log_diagonal"])
    size = diagonal.shape[-1]
    return unpacked(params["precision_lower"], size) + diagonal[..., None] * np.eye(size)


def matrices(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as the catalogue has them: below the diagonal a square matrix, half of which does not exist."""
    if "precision_lower" not in params:
        return dict(params)
    lower = unpacked(params["precision_lower"], params["precision_log_diagonal"].shape[-1])
    return {**params, "precision_lower": lower}


def mixture_evidence(model: Model, params: Mapping[str, Any], x: np.ndarray) -> float:
    """(1/N) Σ_n log Σ_c π_c p(x_n | c) of a mixture of the catalogue, in nats."""
    joint = log_joint(model, matrices(params), fixed_arrays(x, len(params["logits"])))
    return float(np.mean(logsumexp(np.asarray(joint), axis=1)))


def gaussian_evidence(params: Mapping[str, Any], x: np.ndarray) -> float:
    """(1/N) Σ_n log N(x_n; μ, W Wᵀ + diag σ_d²), in nats, by the Cholesky factor of the D × D covariance."""
    noise = np.exp(params["log_variance"]) + np.zeros(x.shape[1])
    cholesky = np.linalg.cholesky(params["loadings"] @ params["loadings"].T + np.diag(noise))
    whitened = np.linalg.solve(cholesky, (x - params["mean"]).T)
    log_determinant = 2.0 * np.sum(np.log(np.diagonal(cholesky)))
    return float(-0.5 * (x.shape[1] * LOG_2PI + log_determinant + np.mean(np.sum(whitened**2, axis=0))))
