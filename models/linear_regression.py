"""Bayesian linear regression: w_n ~ N(0, αI), y_n | w_n ~ N(X w_n, σ²I), the features X given; α and σ² are learned.

A datum is a data set of D responses with weights of its own, so that α and σ² are shared by several regressions (with
N = 1: the evidence approximation).
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
    """−1 on log α multiplies the natural parameters of w, −1 on log σ² those of y."""
    z, features, log_noise = latents["z"], params["features"], params["log_variance"]
    xp = namespace(z).xp
    return (
        Factor(
            "w",
            Normal(xp.zeros_like(z[:1, :1, ...]), xp.exp(params["log_scale"]) + xp.zeros_like(z[:1, :1, ...])),
            z,
            parameters=("log_scale",),
            beta={"log_scale": -xp.ones_like(params["log_scale"])},
            where=fixed["exists_K"],
        ),
        Factor(
            "y",
            Normal(xp.matmul(z, xp.matrix_transpose(features)), xp.exp(log_noise)),
            fixed["x"][:, None, :],
            parameters=("log_variance",),
            beta={"log_variance": -xp.ones_like(log_noise)},
            where=fixed["exists_D"],
        ),
    )


def gaussian_posterior(params: Arrays, fixed: Arrays) -> tuple[Array, Array]:
    """p(w | y) = N(P⁻¹ h, P⁻¹), P = I/α + XᵀX/σ², h = Xᵀy/σ²; returns (h (N, K), P (K, K))."""
    features = params["features"]
    xp = namespace(features).xp
    scaled = features * xp.exp(-params["log_variance"])
    prior = xp.eye(features.shape[-1], dtype=features.dtype) * xp.exp(-params["log_scale"])
    return xp.matmul(fixed["x"], scaled), prior + xp.matmul(xp.matrix_transpose(scaled), features)


def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """Features of order one; noise and signal of the size of the data."""
    size = 2 * np.log(pooled_scale(x, data_weights)[0])
    return {
        "features": rng.normal(size=(x.shape[1], count)),
        "log_scale": np.asarray(size - np.log(count) + 0.5 * rng.normal()),
        "log_variance": np.asarray(size - 1.0 + 0.5 * rng.normal()),
    }


def truth(rng: np.random.Generator, data: int, observed: int, count: int) -> tuple[np.ndarray, Params]:
    """Data of the model, and parameters near the ones that they were drawn from."""
    features, scale, noise = rng.normal(size=(observed, count)), rng.uniform(1.0, 4.0), rng.uniform(0.3, 1.0)
    x = np.sqrt(scale) * rng.normal(size=(data, count)) @ features.T + np.sqrt(noise) * rng.normal(
        size=(data, observed)
    )
    return x, {
        "features": features,
        "log_scale": np.asarray(np.log(scale) + 0.3 * rng.normal()),
        "log_variance": np.asarray(np.log(noise) + 0.3 * rng.normal()),
    }


LINEAR_REGRESSION = Model(
    name="linear-regression",
    title="Bayesian linear regression, learned scales",
    blocks=(Block("features", ("D", "K"), constant=True), Block("log_scale"), Block("log_variance")),
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
        spreads=(0.0, 1.0, 3.0),  # of the features, too: beyond, the condition of the posterior enters the rounding
    ),
    theory=Theory(
        row="",
        families=("normal", "normal"),
        constant_base_measure=True,
    ),
)
FREE = replace(FULL_GAUSSIAN, collapsed=None)
SIZES, LEAST = (10, 6, 2), (6, 4, 1)
GIVEN = ("features",)
CELLS = (
    Cell(LINEAR_REGRESSION, replace(EXACT_GAUSSIAN, collapsed=None), SIZES, frozen=GIVEN, least=LEAST),
    Cell(LINEAR_REGRESSION, FREE, SIZES, frozen=GIVEN, least=LEAST),
    Cell(
        LINEAR_REGRESSION,
        replace(FREE, name="arbitrary", title="arbitrary Gaussian that nobody optimised", trained=(), optimum=None),
        SIZES,
        frozen=GIVEN,
        least=LEAST,
    ),
)
