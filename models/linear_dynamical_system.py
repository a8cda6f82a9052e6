"""Linear dynamical system: x_1 ~ N(m, P), x_t | x_{t−1} ~ N(A x_{t−1}, Q), y_t | x_t ~ N(c·x_t, R); P, Q diagonal.

A datum is a sequence of up to D times; a value that is missing is written 0. The exact smoothing posterior is one
Gaussian over all times; factors need no more of it than the moments of neighbours, which sigma points give exactly.
"""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.families import Normal
from elbocheck.models.base import Data, Model, Params, Starts, Theory, Variational
from elbocheck.models.hmm import pooled_scale
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_matrix
from elbocheck.models.variational.exact import conditioned, no_parameters

MISSING, SHARE = 0.0, 0.15
"""What stands for a missing value, and how many of simulated ones are."""


def observed(fixed: Arrays) -> Array:
    """1 where a value is there and 0 where it is missing, (N, D)."""
    xp = namespace(fixed["x"]).xp
    return fixed["exists_D"] * xp.astype(fixed["x"] != MISSING, fixed["x"].dtype)


def _after_the_first(fixed: Arrays) -> tuple[Array, Array]:
    """(1 at the first time (D,), 1 at existing times after it)."""
    xp = namespace(fixed["x"]).xp
    first = xp.astype(xp.arange(fixed["x"].shape[1]) == 0, fixed["x"].dtype)
    return first, fixed["exists_D"] * (1.0 - first)


def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """−1 on the logs of P, Q and R; m, A and c need not be stationary."""
    z, before, exists = latents["z"], latents["before"], fixed["exists_K"]
    xp = namespace(z).xp
    (first, later), emission = _after_the_first(fixed), params["emission"]
    return (
        Factor(
            "start",
            Normal(params["start_mean"], xp.exp(params["log_start"])),
            z,
            parameters=("start_mean", "log_start"),
            beta={"log_start": -xp.ones_like(params["log_start"])},
            where=first[:, None] * exists,
        ),
        Factor(
            "transition",
            Normal(xp.matmul(before, xp.matrix_transpose(params["transition"])), xp.exp(params["log_drift"])),
            z,
            parameters=("transition", "log_drift"),
            beta={"log_drift": -xp.ones_like(params["log_drift"])},
            where=later[:, None] * exists,
        ),
        Factor(
            "y",
            Normal(xp.sum(emission * z, axis=-1), xp.exp(params["log_variance"])),
            fixed["x"][:, None, :],
            parameters=("emission", "log_variance"),
            beta={"log_variance": -xp.ones_like(params["log_variance"])},
            where=observed(fixed)[:, None, :],
        ),
    )


def _each(times: Array, block: Array) -> Array:
    """A (K, K) block for each pair of times, times (…, D, D) -> (…, D, K, D, K)."""
    return times[..., :, None, :, None] * block[:, None, :]


def joint_precision(params: Arrays, fixed: Arrays) -> tuple[Array, Array]:
    """(precision times mean (N, DK), precision (N, DK, DK)) of all states given a sequence.

    What does not exist is independent of the rest, with variance 1 and mean 0.
    """
    x, exists, there = fixed["x"], fixed["exists_K"], observed(fixed)
    xp, (data, length), count = namespace(x).xp, x.shape, exists.shape[0]
    (first, later), one = _after_the_first(fixed), xp.eye(count, dtype=x.dtype)
    start, drift = (exists * xp.exp(-params[name]) + 1.0 - exists for name in ("log_start", "log_drift"))
    transition = params["transition"] * exists[:, None] * exists
    scaled = drift[:, None] * transition  # Q⁻¹ A
    emission = params["emission"] * exists
    noise = xp.exp(-params["log_variance"])
    times = xp.eye(length, dtype=x.dtype)
    back = xp.astype(xp.arange(length)[:, None] == xp.arange(length)[None, :] + 1, x.dtype) * later[:, None]
    before = xp.sum(back, axis=0)  # 1 at times that another one follows
    same = _each(times * first, one * start) + _each(times * later, one * drift)
    same = same + _each(times * (1.0 - first - later), one)
    same = same + _each(times * before, xp.matmul(xp.matrix_transpose(transition), scaled))
    neighbours = _each(back, scaled) + _each(xp.matrix_transpose(back), xp.matrix_transpose(scaled))
    seen = _each(times * there[:, None, :], noise * emission[:, None] * emission)
    size = length * count
    precision = xp.reshape(same - neighbours + seen, (data, size, size))
    shift = x[..., None] * (noise * emission) + first[:, None] * (start * params["start_mean"] * exists)
    return xp.reshape(shift, (data, size)), precision


def smoothing(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """p(x_1 … x_T | y): points of whole paths, and the same one time before (any state before the first)."""
    xp, (data, length) = namespace(fixed["x"]).xp, fixed["x"].shape
    count = fixed["exists_K"].shape[0]
    exists = xp.reshape(fixed["exists_D"][:, None] * fixed["exists_K"], (length * count,))
    points, weights, entropy = conditioned(*joint_precision(params, fixed), exists)
    path = xp.reshape(points * exists, (data, points.shape[1], length, count))
    before = xp.concat([xp.zeros_like(path[:, :, :1, ...]), path[:, :, :-1, ...]], axis=2)
    return WeightedPoints({"z": path, "before": before}, weights, entropy, optimal=True)


def _with_gaps(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Some values missing, the first and the last one of no sequence."""
    ends = np.isin(np.arange(x.shape[1]), (0, x.shape[1] - 1))
    return np.where(ends | (rng.random(x.shape) > SHARE), x, MISSING)


def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """States that remember, of the size of the data."""
    size = 2 * np.log(pooled_scale(x, data_weights)[0])
    return {
        "start_mean": 0.3 * rng.normal(size=count),
        "log_start": size + 0.5 * rng.normal(size=count),
        "transition": 0.6 * np.eye(count) + 0.2 * rng.normal(size=(count, count)),
        "log_drift": size - 0.7 + 0.5 * rng.normal(size=count),
        "emission": 1.0 + 0.3 * rng.normal(size=count),
        "log_variance": np.asarray(size - 1.0 + 0.5 * rng.normal()),
    }


def truth(
    rng: np.random.Generator, data: int, times: int, count: int, matched: bool = True
) -> tuple[np.ndarray, Params]:
    """Sequences of the model, and parameters near its own; some values are missing.

    `matched`: with its mean and covariance, where there are enough; in small samples the best P, Q or R often is 0.
    """
    memory = np.array([0.9, -0.7, 0.1])[:count]
    mean, emission = rng.normal(size=count), 1.0 + 0.2 * rng.normal(size=count)
    start, drift, noise = rng.uniform(3.0, 5.0, size=count), rng.uniform(1.5, 2.0, size=count), rng.uniform(3.0, 5.0)
    powers = memory ** np.arange(times)[:, None]  # (T, K)
    response = np.array([[memory ** (t - s) * (t >= s) for s in range(times)] for t in range(times)])  # (T, T, K)
    shocks = np.concatenate([start[None], np.tile(drift, (times - 1, 1))])
    covariance = np.einsum("tsk,sk,usk,k->tu", response, shocks, response, emission**2) + noise * np.eye(times)
    x = rng.normal(size=(data, times))
    if matched and data > times:
        x = x - x.mean(axis=0)
        x = np.linalg.solve(np.linalg.cholesky(x.T @ x / data), x.T).T
    x = powers @ (mean * emission) + x @ np.linalg.cholesky(covariance).T
    return _with_gaps(rng, x), {
        "start_mean": mean,
        "log_start": np.log(start) + 0.2 * rng.normal(size=count),
        "transition": np.diag(memory),
        "log_drift": np.log(drift) + 0.2 * rng.normal(size=count),
        "emission": emission,
        "log_variance": np.asarray(np.log(noise) + 0.2 * rng.normal()),
    }


LINEAR_DYNAMICAL_SYSTEM = Model(
    name="linear-dynamical-system",
    title="linear dynamical system, missing values",
    blocks=(
        Block("start_mean", ("K",)),
        Block("log_start", ("K",)),
        Block("transition", ("K", "K")),
        Block("log_drift", ("K",)),
        Block("emission", ("K",)),
        Block("log_variance"),
    ),
    factors=factors,
    data=Data(
        check=check_matrix,
        simulate=lambda rng, data, times, count: truth(rng, data, times, max(count, 1), matched=False)[0],
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
SMOOTHING = Variational(
    name="exact",
    title="exact smoothing posterior",
    blocks=(),
    points=smoothing,
    initial=no_parameters,
    optimal=True,
)
CELLS = (
    Cell(
        LINEAR_DYNAMICAL_SYSTEM,
        SMOOTHING,
        (64, 5, 1),
        frozen=("emission", "transition"),
        least=(60, 5, 1),
        evaluations=80,
    ),
)
"""The theorem needs P, Q and R alone. With A trained, or two states in a scalar y, problems often end at R = 0."""
