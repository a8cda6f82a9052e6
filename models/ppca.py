"""Probabilistic PCA: z ~ N(0, I), x | z ~ N(W z + μ, σ² I), constant base measures, fixed prior."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Normal
from elbocheck.models.base import Data, Model, Params, Starts, Theory
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_matrix, data_scale, rotations
from elbocheck.models.variational.exact import EXACT_GAUSSIAN
from elbocheck.models.variational.gaussian import DIAGONAL_GAUSSIAN, FULL_GAUSSIAN, SCALED_GAUSSIAN


def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """β moves σ² alone for x; the prior has no parameters and is covered by rescaling z (THEORY section 5)."""
    z, x = latents["z"], fixed["x"][:, None, :]
    loadings, log_variance = params["loadings"], params["log_variance"]
    xp = namespace(z).xp
    mean = xp.matmul(z, xp.matrix_transpose(loadings)) + params["mean"]
    return (
        Factor(
            "z",
            Normal(xp.zeros_like(z[:1, :1, ...]), xp.ones_like(z[:1, :1, ...])),
            z,
            rescaling={"loadings": -loadings},
            where=fixed["exists_K"],
        ),
        Factor(
            "x",
            Normal(mean, xp.exp(log_variance)),
            x,
            parameters=("loadings", "mean", "log_variance"),
            beta={"log_variance": -xp.ones_like(log_variance)},
            where=fixed["exists_D"],
        ),
    )


def gaussian_posterior(params: Arrays, fixed: Arrays) -> tuple[Array, Array]:
    """p(z | x) = N(P⁻¹ h, P⁻¹), P = I + WᵀW/σ², h = Wᵀ(x − μ)/σ²; returns (h (N, K), P (K, K))."""
    loadings = params["loadings"]
    xp = namespace(loadings).xp
    scaled = loadings * xp.exp(-params["log_variance"])
    precision = xp.eye(loadings.shape[-1], dtype=loadings.dtype) + xp.matmul(xp.matrix_transpose(scaled), loadings)
    return xp.matmul(fixed["x"] - params["mean"], scaled), precision


def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """Loadings and noise of the size of the data's scale."""
    scale = data_scale(x, data_weights)
    return {
        "loadings": rng.normal(size=(x.shape[1], count)) * scale[:, None],
        "mean": data_weights @ x + 0.3 * scale * rng.normal(size=x.shape[1]),
        "log_variance": np.asarray(np.log(np.mean(scale**2)) + rng.normal(scale=0.5)),
    }


def collapsed(params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """Latents without loadings; the closed-form saddles leave out eigenvectors in the same way."""
    held = np.broadcast_to(subset, params["loadings"].shape)
    return {**params, "loadings": np.where(held, 0.0, params["loadings"])}, {"loadings": held}


def simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Linear Gaussian data with loadings of decreasing length."""
    loadings = rng.normal(size=(count, observed)) * 2.0 / np.arange(1, count + 1)[:, None]
    return rng.normal(size=(data, count)) @ loadings + 0.7 * rng.normal(size=(data, observed))


PPCA = Model(
    name="ppca",
    title="probabilistic PCA",
    blocks=(
        Block("loadings", ("D", "K"), degree=1),
        Block("mean", ("D",), degree=1),
        Block("log_variance", (), log_degree=2),
    ),
    factors=factors,
    gaussian_posterior=gaussian_posterior,
    data=Data(
        check=check_matrix,
        units="affine",
        simulate=simulate,
    ),
    starts=Starts(
        initial=initial,
        collapsed=collapsed,
        single_datum_frozen=("mean",),
        spreads=(0.0, 2.0, 4.0),  # beyond, the condition of the posterior's precision (1e13) enters the rounding
    ),
    theory=Theory(
        row="PPCA",
        families=("normal", "normal"),
        constant_base_measure=True,
        marginal_symmetries=rotations("loadings"),
    ),
)
CELLS = (
    Cell(PPCA, EXACT_GAUSSIAN, (16, 5, 3)),
    Cell(PPCA, FULL_GAUSSIAN, (8, 4, 2)),
    Cell(PPCA, DIAGONAL_GAUSSIAN, (10, 4, 3)),
    Cell(PPCA, SCALED_GAUSSIAN, (10, 4, 3)),
)
