"""The multivariate normal family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import MultivariateNormal
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers
from support.oracles.components import Component, Params


def precision_choleskys() -> np.ndarray:
    """Moderate, identity, condition 1e6 in general position (two scales), variances 1e-6 and 1e6, graded."""
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    ill = np.linalg.cholesky((rotation * np.array([1e-3, 1.0, 1e3])) @ rotation.T)
    moderate = np.array([[1.2, 0.0, 0.0], [-0.4, 0.7, 0.0], [0.3, 1.1, 2.0]])
    return np.stack([moderate, np.eye(3), ill, 1e-3 * ill, 1e3 * moderate, 1e-3 * moderate, np.diag([1e3, 1, 1e-3])])


CHOLESKYS = precision_choleskys()
VECTORS = np.random.default_rng(4).normal(size=(7, 3)) * np.array([1, 0, 1, 30, 1, 1e3, 1])[:, None]
DEVIATIONS = np.random.default_rng(5).normal(size=(5, 7, 3)) * np.array([0, 0.1, 1, 5, 1e3])[:, None, None]


def exact(member: Any) -> Exact:
    size = member.mean.shape[-1]
    mean, root = mp.matrix(numbers(member.mean)), mp.matrix(np.asarray(member.precision_cholesky).tolist())
    precision, log_2pi = root * root.T, size * mp.log(2 * mp.pi)
    log_determinant = mp.log(mp.det(precision))
    location, scale = np.asarray(member.mean, dtype=float), np.asarray(member.precision_cholesky, dtype=float)
    center, absolute = np.abs(location), np.abs(scale)
    inverse = np.abs(np.array((root**-1).tolist(), dtype=float))
    log_terms = np.abs(np.log(np.diag(absolute))).sum() + float(log_2pi) / 2

    def log_density(value: np.ndarray) -> Scaled:
        deviation = mp.matrix(numbers(value)) - mean
        result = (log_determinant - (deviation.T * precision * deviation)[0] - log_2pi) / 2
        return result, log_terms + ((np.abs(value - location) @ absolute) ** 2).sum() / 2

    def log_partition(eta: list[Number]) -> Number:
        first, second = mp.matrix(eta[:size]), mp.matrix(np.reshape(eta[size:], (size, size)).tolist())
        return (log_2pi - (first.T * mp.lu_solve(second, first))[0] / 2 - mp.log(mp.det(-2 * second))) / 2

    scales = {
        **dict.fromkeys(ENTROPIES, (log_terms + size / 2,)),
        "log_partition": [log_terms + ((center @ absolute) ** 2).sum() / 2],
        "natural_parameters": [*(absolute @ absolute.T @ center), *(absolute @ absolute.T).ravel() / 2],
        # error of a triangular inverse K = C⁻¹: |K| |C| |K| (Higham, Accuracy and Stability, section 14.2)
        "mean_statistics": [*center, *(np.outer(center, center) + inverse.T @ inverse @ absolute @ inverse).ravel()],
    }
    entropy = (size + log_2pi - log_determinant) / 2
    eta, condition = [*(precision * mean), *(-precision / 2)], np.linalg.cond(scale) ** 2
    return Exact(eta, log_partition, entropy, log_density, scales=scales, condition=condition)


CASE = Case(
    MultivariateNormal(VECTORS, CHOLESKYS),
    VECTORS + DEVIATIONS,
    exact,
    lambda m: scipy.stats.multivariate_normal(m.mean, np.linalg.inv(m.precision_cholesky @ m.precision_cholesky.T)),
    differentiated=(0, 2, 3, 6),
)


def precision_root(params: Params) -> np.ndarray:
    """Triangular C with precision C Cᵀ, (K or 1, D, D)."""
    log_diagonal = params["precision_log_diagonal"]
    root = np.exp(log_diagonal)[..., None] * np.eye(log_diagonal.shape[-1]) + np.tril(params["precision_lower"], -1)
    return root.reshape(-1, *root.shape[-2:])


def component_log_likelihood(x: np.ndarray, params: Params) -> np.ndarray:
    """scipy.stats wants a covariance, which is worse conditioned."""
    root = precision_root(params)
    white = np.einsum("...i,...ij->...j", x[:, None] - params["means"], root)
    return scipy.stats.norm.logpdf(white).sum(-1) + np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(-1)


def component_entropy(params: Params, observed: int) -> np.ndarray:
    root = precision_root(params)  # one, or one for each component
    one = 0.5 * observed * np.log(2 * np.pi * np.e) - np.linalg.slogdet(root)[1]
    return np.broadcast_to(one, len(params["logits"]))


MIXTURES = dict.fromkeys(("gmm-full", "gmm-tied"), Component(component_log_likelihood, component_entropy))
