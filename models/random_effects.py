"""Random effects: z_n ~ N(μ, diag τ²), y_n | z_n ~ N(Z z_n, σ²I); the design Z is given, its first column is 1.

A datum is a group of D responses, with an intercept of its own (K = 1) and slopes of its own (K > 1). Fixed effects are
μ; it, τ² and σ² are learned.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Normal
from elbocheck.models.base import Data, Model, Params, Starts, Theory
from elbocheck.models.hmm import pooled_scale
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_matrix
from elbocheck.models.variational.exact import EXACT_GAUSSIAN
from elbocheck.models.variational.gaussian import FULL_GAUSSIAN


def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """−1 on log τ² multiplies the natural parameters of z, μ/τ² among them, −1 on log σ² those of y."""
    z, design, log_spreads = latents["z"], params["design"], params["log_spreads"]
    xp = namespace(z).xp
    return (
        Factor(
            "z",
            Normal(params["mean"][None, None, :], xp.exp(log_spreads)[None, None, :]),
            z,
            parameters=("mean", "log_spreads"),
            beta={"log_spreads": -xp.ones_like(log_spreads)},
            where=fixed["exists_K"],
        ),
        Factor(
            "y",
            Normal(xp.matmul(z, xp.matrix_transpose(design)), xp.exp(params["log_variance"])),
            fixed["x"][:, None, :],
            parameters=("log_variance",),
            beta={"log_variance": -xp.ones_like(params["log_variance"])},
            where=fixed["exists_D"],
        ),
    )


def gaussian_posterior(params: Arrays, fixed: Arrays) -> tuple[Array, Array]:
    """p(z | y) = N(P⁻¹ h, P⁻¹), P = diag τ⁻² + ZᵀZ/σ², h = μ/τ² + Zᵀy/σ²; returns (h (N, K), P (K, K))."""
    design, exists = params["design"], fixed["exists_K"]
    xp = namespace(design).xp
    scaled = design * xp.exp(-params["log_variance"]) * exists
    precisions = exists * xp.exp(-params["log_spreads"]) + 1.0 - exists
    prior = xp.eye(exists.shape[0], dtype=design.dtype) * precisions
    pull = exists * xp.exp(-params["log_spreads"]) * params["mean"]
    return xp.matmul(fixed["x"], scaled) + pull, prior + xp.matmul(xp.matrix_transpose(scaled), design * exists)


def _design(rng: np.random.Generator, observed: int, count: int) -> np.ndarray:
    return np.concatenate([np.ones((observed, 1)), rng.normal(size=(observed, count - 1))], axis=1)


def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """Noise and effects of the size of the data."""
    size = 2 * np.log(pooled_scale(x, data_weights)[0])
    return {
        "design": _design(rng, x.shape[1], count),
        "mean": 0.3 * rng.normal(size=count),
        "log_spreads": size - np.log(count) + 0.5 * rng.normal(size=count),
        "log_variance": np.asarray(size - 1.0 + 0.5 * rng.normal()),
    }


def truth(rng: np.random.Generator, data: int, observed: int, count: int) -> tuple[np.ndarray, Params]:
    """Data of the model, and parameters near the ones that they were drawn from."""
    design, mean = _design(rng, observed, count), rng.normal(size=count)
    spreads, noise = rng.uniform(1.5, 4.0, size=count), rng.uniform(0.3, 1.0)
    z = mean + np.sqrt(spreads) * rng.normal(size=(data, count))
    return z @ design.T + np.sqrt(noise) * rng.normal(size=(data, observed)), {
        "design": design,
        "mean": mean,
        "log_spreads": np.log(spreads) + 0.3 * rng.normal(size=count),
        "log_variance": np.asarray(np.log(noise) + 0.3 * rng.normal()),
    }


RANDOM_EFFECTS = Model(
    name="random-effects",
    title="random intercepts and slopes of groups",
    blocks=(
        Block("design", ("D", "K"), constant=True),
        Block("mean", ("K",)),
        Block("log_spreads", ("K",)),
        Block("log_variance"),
    ),
    factors=factors,
    gaussian_posterior=gaussian_posterior,
    data=Data(
        check=check_matrix,
        simulate=lambda rng, data, observed, count: truth(rng, data, observed, max(count, 1))[0],
        scale=pooled_scale,
    ),
    starts=Starts(
        initial=initial,
        collapsed=lambda params, subset: (params, {}),
        truth=truth,
        spreads=(0.0, 1.0, 2.0),
    ),
    theory=Theory(
        row="",
        families=("normal", "normal"),
        constant_base_measure=True,
    ),
)
SIZES, LEAST, GIVEN = (20, 6, 2), (14, 5, 1), ("design",)
FREE = replace(FULL_GAUSSIAN, collapsed=None)
CELLS = (
    Cell(RANDOM_EFFECTS, replace(EXACT_GAUSSIAN, collapsed=None), SIZES, frozen=GIVEN, least=LEAST),
    Cell(RANDOM_EFFECTS, FREE, SIZES, frozen=GIVEN, least=LEAST),
)
