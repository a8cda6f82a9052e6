"""Gaussian mixtures with full, diagonal, spherical and tied covariances, constant base measures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import MultivariateNormal, Normal
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_matrix, data_scale
from elbocheck.models.variational.exact import EXACT
from elbocheck.models.variational.table import ARBITRARY, RESPONSIBILITIES
from elbocheck.models.variational.truncated import TRUNCATED

Initial = Callable[[np.random.Generator, np.ndarray, np.ndarray, int], Params]
MEANS = Block("means", ("K", "D"), degree=1)


def _triangular(log_diagonal: Array, lower: Array) -> Array:
    """C = lower + diag(exp(log_diagonal)), the Cholesky factor of the precision."""
    xp = namespace(log_diagonal).xp
    size = log_diagonal.shape[-1]
    identity = xp.astype(xp.eye(size), log_diagonal.dtype)
    below = xp.astype(xp.arange(size)[:, None] > xp.arange(size)[None, :], log_diagonal.dtype)
    return lower * below + identity * xp.exp(log_diagonal)[..., None, :]


def _full(params: Arrays, fixed: Arrays) -> MultivariateNormal:
    factor = _triangular(params["precision_log_diagonal"], params["precision_lower"])
    return MultivariateNormal(params["means"][None, ...], factor[None, ...], where=fixed["exists_D"])


def _tied(params: Arrays, fixed: Arrays) -> MultivariateNormal:
    factor = _triangular(params["precision_log_diagonal"], params["precision_lower"])
    return MultivariateNormal(params["means"][None, ...], factor[None, None, ...], where=fixed["exists_D"])


def _diagonal(params: Arrays, fixed: Arrays) -> Normal:
    return Normal(params["means"][None, ...], namespace(params["means"]).xp.exp(params["log_variances"])[None, ...])


def _spherical(params: Arrays, fixed: Arrays) -> Normal:
    variances = namespace(params["means"]).xp.exp(params["log_variances"])
    return Normal(params["means"][None, ...], variances[None, :, None])


def _beta_precision(params: Arrays) -> dict[str, Array]:
    """Scaling the precision by 1 + ε scales its Cholesky factor by 1 + ε/2 (THEORY section 4: −L/2 for covariances)."""
    diagonal = params["precision_log_diagonal"]
    return {
        "precision_log_diagonal": 0.5 * namespace(diagonal).xp.ones_like(diagonal),
        "precision_lower": 0.5 * params["precision_lower"],
    }


def _beta_log_variances(params: Arrays) -> dict[str, Array]:
    """−1 for log σ² (THEORY section 4)."""
    return {"log_variances": -namespace(params["log_variances"]).xp.ones_like(params["log_variances"])}


def _means(rng: np.random.Generator, x: np.ndarray, weights: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(means near random data, the data's scale per dimension)."""
    scale = data_scale(x, weights)
    chosen = x[rng.integers(len(x), size=count)]
    return 0.7 * chosen + 0.3 * (weights @ x) + 0.3 * scale * rng.normal(size=chosen.shape), scale


def _initial_precision(shared: bool) -> Initial:
    def initial(rng: np.random.Generator, x: np.ndarray, weights: np.ndarray, count: int) -> Params:
        means, scale = _means(rng, x, weights, count)
        size = x.shape[1]
        leading = () if shared else (count,)
        lower = np.tril(rng.normal(scale=0.3, size=(*leading, size, size)), -1) / scale[:, None]
        return {
            "means": means,
            "precision_log_diagonal": rng.normal(scale=0.3, size=(*leading, size)) - np.log(scale),
            "precision_lower": lower,
        }

    return initial


def _initial_diagonal(rng: np.random.Generator, x: np.ndarray, weights: np.ndarray, count: int) -> Params:
    means, scale = _means(rng, x, weights, count)
    return {"means": means, "log_variances": 2 * np.log(scale) + rng.normal(scale=0.5, size=means.shape)}


def _initial_spherical(rng: np.random.Generator, x: np.ndarray, weights: np.ndarray, count: int) -> Params:
    means, scale = _means(rng, x, weights, count)
    return {"means": means, "log_variances": np.log(np.mean(scale**2)) + rng.normal(scale=0.5, size=count)}


def _precision_blocks(*leading: str) -> tuple[Block, ...]:
    return (
        Block("precision_log_diagonal", (*leading, "D"), log_degree=-1),
        Block("precision_lower", (*leading, "D", "D"), degree=-1, strictly_lower=True),
    )


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Overlapping clusters: far apart, responsibilities would be 0 or 1 to rounding, at infinity of their logits."""
    centres = 1.4 * rng.normal(size=(max(count, 1), observed)) * (count > 0)
    return centres[rng.integers(max(count, 1), size=data)] + rng.normal(size=(data, observed))


def _simplex(observed: int) -> int:
    """A covariance matrix is positive definite from D + 1 points in general position; one more against roundness."""
    return observed + 2


GMM_FULL = mixture(
    name="gmm-full",
    title="Gaussian mixture, full covariances",
    blocks=(MEANS, *_precision_blocks("K")),
    component=_full,
    beta=_beta_precision,
    initial=_initial_precision(shared=False),
    check_data=check_matrix,
    family="multivariate normal",
    constant_base_measure=True,
    vector_event=True,
    units="affine",
    theory="Gaussian mixture",
    simulate=_simulate,
    distinct_data=_simplex,
)
GMM_TIED = mixture(
    name="gmm-tied",
    title="Gaussian mixture, tied covariance",
    blocks=(MEANS, *_precision_blocks()),
    component=_tied,
    beta=_beta_precision,
    initial=_initial_precision(shared=True),
    check_data=check_matrix,
    family="multivariate normal",
    constant_base_measure=True,
    vector_event=True,
    units="affine",
    theory="Gaussian mixture",
    simulate=_simulate,
    distinct_data=_simplex,
    tied=("precision_log_diagonal", "precision_lower"),
)
GMM_DIAGONAL = mixture(
    name="gmm-diagonal",
    title="Gaussian mixture, diagonal covariances",
    blocks=(MEANS, Block("log_variances", ("K", "D"), log_degree=2)),
    component=_diagonal,
    beta=_beta_log_variances,
    initial=_initial_diagonal,
    check_data=check_matrix,
    family="normal",
    constant_base_measure=True,
    units="affine",
    theory="Gaussian mixture",
    simulate=_simulate,
    single_datum_frozen=("means",),
)
GMM_SPHERICAL = mixture(
    name="gmm-spherical",
    title="Gaussian mixture, spherical covariances",
    blocks=(MEANS, Block("log_variances", ("K",), log_degree=2)),
    component=_spherical,
    beta=_beta_log_variances,
    initial=_initial_spherical,
    check_data=check_matrix,
    family="normal",
    constant_base_measure=True,
    units="affine",
    theory="Gaussian mixture",
    simulate=_simulate,
    single_datum_frozen=("means",),
)
CELLS = (
    *(
        Cell(model, variational, (24, 3, 3) if variational.optimal else (12, 3, 3))
        for model in (GMM_FULL, GMM_DIAGONAL, GMM_SPHERICAL, GMM_TIED)
        for variational in (EXACT, RESPONSIBILITIES, ARBITRARY)
    ),
    Cell(GMM_TIED, TRUNCATED, (24, 3, 3), least=(16, 2, 1), evaluations=100),
)
