"""Gaussian process regression: f_n ~ N(0, s K), y_n | f_n ~ N(f_n, σ²I), exact q; s and σ² are learned.

A datum is a function, observed at D inputs that all data share. The inputs, and with them the length scale of the
kernel, are given: the theorem needs s and σ² alone.
"""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.families import MultivariateNormal, Normal
from elbocheck.models.base import Data, Model, Params, Starts, Theory, Variational
from elbocheck.models.hmm import pooled_scale
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_matrix
from elbocheck.models.variational.exact import conditioned, no_parameters


def positions(log_gaps: Array) -> Array:
    """Inputs in units of the length scale (D,), from the logs of the gaps between neighbours."""
    xp, size = namespace(log_gaps).xp, log_gaps.shape[0]
    earlier = xp.astype(xp.arange(size)[:, None] >= xp.arange(size)[None, :], log_gaps.dtype)
    return xp.matmul(earlier, xp.exp(log_gaps)[:, None])[:, 0]


def kernel(one: Array, other: Array) -> Array:
    """Matérn kernel of smoothness 3/2, (1 + r) e⁻ʳ with r = |t − t'|, of inputs (A,) and (B,): (A, B)."""
    xp = namespace(one, other).xp
    apart = one[:, None] - other[None, :]
    distance = xp.where(apart < 0, -apart, apart)
    return (1.0 + distance) * xp.exp(-distance)


def only_existing(matrix: Array, exists: Array) -> Array:
    """A covariance (A, A) of existing elements (A,), and of independent ones of variance 1 for the others."""
    identity = namespace(matrix).xp.eye(matrix.shape[0], dtype=matrix.dtype)
    return matrix * exists[:, None] * exists + identity * (1.0 - exists)


def prior(params: Arrays, fixed: Arrays) -> MultivariateNormal:
    """N(0, s K) over the existing inputs, batch shape (1, 1)."""
    exists, log_signal = fixed["exists_D"], params["log_signal"]
    xp, inputs = namespace(log_signal).xp, positions(params["log_gaps"])
    unit = MultivariateNormal.from_covariance(xp.zeros_like(inputs), only_existing(kernel(inputs, inputs), exists))
    factor = unit.precision_cholesky * xp.exp(-0.5 * log_signal)
    return MultivariateNormal(xp.zeros_like(inputs)[None, None, :], factor[None, None, ...], exists)


def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """−1 on log s multiplies the natural parameters of f, −1 on log σ² those of y."""
    f, log_noise = latents["f"], params["log_variance"]
    xp = namespace(f).xp
    return (
        Factor(
            "f",
            prior(params, fixed),
            f,
            parameters=("log_signal",),
            beta={"log_signal": -xp.ones_like(params["log_signal"])},
        ),
        Factor(
            "y",
            Normal(f, xp.exp(log_noise)),
            fixed["x"][:, None, :],
            parameters=("log_variance",),
            beta={"log_variance": -xp.ones_like(log_noise)},
            where=fixed["exists_D"],
        ),
    )


def exact_function(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n = p(f | y_n) = N(P⁻¹ y_n/σ², P⁻¹) with P = (sK)⁻¹ + I/σ²."""
    factor, exists = prior(params, fixed).precision_cholesky[0, 0, ...], fixed["exists_D"]
    xp = namespace(factor).xp
    noise = xp.exp(-params["log_variance"]) * exists
    precision = xp.matmul(factor, xp.matrix_transpose(factor)) + xp.eye(exists.shape[0], dtype=factor.dtype) * noise
    points, weights, entropy = conditioned(fixed["x"] * noise, precision, exists)
    return WeightedPoints({"f": points * exists}, weights, entropy, optimal=True)


def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """Inputs about half a length scale apart; signal and noise of the size of the data."""
    size = 2 * np.log(pooled_scale(x, data_weights)[0])
    return {
        "log_gaps": np.asarray(0.3 * rng.normal(size=x.shape[1]) - 0.7),
        "log_signal": np.asarray(size + 0.5 * rng.normal()),
        "log_variance": np.asarray(size - 1.0 + 0.5 * rng.normal()),
    }


def truth(rng: np.random.Generator, data: int, observed: int, count: int) -> tuple[np.ndarray, Params]:
    """Functions of the process with noise, and parameters near the ones that they were drawn from."""
    log_gaps, signal, noise = 0.3 * rng.normal(size=observed) - 0.7, rng.uniform(1.0, 4.0), rng.uniform(0.3, 1.0)
    inputs = positions(log_gaps)
    f = rng.normal(size=(data, observed)) @ np.linalg.cholesky(signal * kernel(inputs, inputs)).T
    return f + np.sqrt(noise) * rng.normal(size=f.shape), {
        "log_gaps": log_gaps,
        "log_signal": np.asarray(np.log(signal) + 0.3 * rng.normal()),
        "log_variance": np.asarray(np.log(noise) + 0.3 * rng.normal()),
    }


GAUSSIAN_PROCESS = Model(
    name="gaussian-process",
    title="Gaussian process regression",
    blocks=(
        Block("log_gaps", ("D",), constant=True),
        Block("log_signal", (), log_degree=2),
        Block("log_variance", (), log_degree=2),
    ),
    factors=factors,
    data=Data(
        check=check_matrix,
        simulate=lambda rng, data, observed, count: truth(rng, data, observed, count)[0],
        scale=pooled_scale,
        units="scale",
    ),
    starts=Starts(
        initial=initial,
        collapsed=lambda params, subset: (params, {}),
        truth=truth,
        spreads=(0.0, 1.0, 2.0),  # beyond, inputs fall together and the condition of K enters the rounding
    ),
    theory=Theory(
        row="",
        families=("multivariate normal", "normal"),
        constant_base_measure=True,
    ),
)
EXACT_FUNCTION = Variational(
    name="exact",
    title="exact posterior over functions",
    blocks=(),
    points=exact_function,
    initial=no_parameters,
    optimal=True,
)
CELLS = (Cell(GAUSSIAN_PROCESS, EXACT_FUNCTION, (12, 5, 1), frozen=("log_gaps",), least=(8, 4, 1)),)
