"""Validation of data, natural scales of data, and latent states: what several models share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.bound.layout import Arrays
from elbocheck.errors import InputError
from elbocheck.families.base import Distribution
from elbocheck.models.base import Symmetries


def check_matrix(x: np.ndarray) -> None:
    """Raise `InputError` unless x is a finite (N, D) array with N, D ≥ 1."""
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"data must be a non-empty (N, D) array; its shape is {x.shape}")
    bad = np.argwhere(~np.isfinite(x))
    if bad.size:
        row, column = bad[0]
        raise InputError(
            f"data must be finite; found {x[row, column]} at row {row}, column {column} ({len(bad)} such values)"
        )


def check_elements(x: np.ndarray, allowed: np.ndarray, requirement: str) -> None:
    """Raise `InputError` naming the first element of x that is not `allowed`."""
    check_matrix(x)
    bad = np.argwhere(~allowed)
    if bad.size:
        row, column = bad[0]
        raise InputError(
            f"{requirement}; found {x[row, column]:g} at row {row}, column {column} ({len(bad)} such values)"
        )


def check_binary(x: np.ndarray) -> None:
    """Data of Bernoulli observations are 0 or 1."""
    check_elements(x, (x == 0) | (x == 1), "binary data (0 or 1) are needed")


def check_counts(x: np.ndarray) -> None:
    """Data of Poisson observations are non-negative integers."""
    check_elements(x, (x >= 0) & (x == np.floor(x)), "counts (non-negative integers) are needed")


def check_symbols(symbols: int) -> Callable[[np.ndarray], None]:
    """Data of categorical observations are integers below `symbols`."""

    def check(x: np.ndarray) -> None:
        allowed = (x >= 0) & (x < symbols) & (x == np.floor(x))
        check_elements(x, allowed, f"symbols (integers from 0 to {symbols - 1}) are needed")

    return check


def check_positive(x: np.ndarray) -> None:
    """Data of densities on the positive half-line are positive."""
    check_elements(x, x > 0, "positive data are needed")


def check_nonzero(x: np.ndarray) -> None:
    """Data of centred scale families are not 0, where the likelihood of a component has no maximum."""
    check_elements(x, x != 0, "data different from 0 are needed")


def check_above(minimum: float) -> Callable[[np.ndarray], None]:
    """Data of a Pareto distribution lie above its known minimum."""
    return lambda x: check_elements(x, x > minimum, f"data above the known minimum {minimum:g} are needed")


def check_unit_interval(x: np.ndarray) -> None:
    """Data of beta distributions lie strictly between 0 and 1."""
    check_elements(x, (x > 0) & (x < 1), "data strictly between 0 and 1 are needed")


def check_simplex(x: np.ndarray) -> None:
    """Rows of Dirichlet observations are positive and sum to 1."""
    check_positive(x)
    _check_rows(x, 1.0, 1e-12)


def check_counts_to(trials: int) -> Callable[[np.ndarray], None]:
    """Data of binomial observations are integers from 0 to `trials`."""

    def check(x: np.ndarray) -> None:
        allowed = (x >= 0) & (x <= trials) & (x == np.floor(x))
        check_elements(x, allowed, f"counts (integers from 0 to {trials}) are needed")

    return check


def check_total(trials: int) -> Callable[[np.ndarray], None]:
    """Rows of multinomial observations are counts with sum `trials`."""

    def check(x: np.ndarray) -> None:
        check_counts(x)
        _check_rows(x, float(trials), 0.0)

    return check


def _check_rows(x: np.ndarray, total: float, tolerance: float) -> None:
    bad = np.flatnonzero(np.abs(x.sum(axis=1) - total) > tolerance)
    if bad.size:
        raise InputError(f"rows must sum to {total:g}; row {bad[0]} sums to {x[bad[0]].sum():.15g}")


def one_hot(symbols: int) -> Callable[[Array], Array]:
    """Integers below `symbols` -> one-hot vectors along a new last axis."""

    def encode(x: Array) -> Array:
        xp = namespace(x).xp
        return xp.astype(x[..., None] == xp.arange(symbols, dtype=x.dtype), x.dtype)

    return encode


def ones_like(params: Arrays, name: str) -> Array:
    """Ones of the shape of a block: β of a logarithm is a constant for each element."""
    return namespace(params[name]).xp.ones_like(params[name])


def shifts(name: str) -> Symmetries:
    """Adding a constant to all logits of a softmax changes nothing: one symmetry for each row of the last axis."""

    def tangents(params: Arrays) -> tuple[dict[str, Array], ...]:
        logits = params[name]
        rows = int(np.prod(logits.shape[:-1]))
        units = np.eye(rows)[:, :, None] * np.ones(logits.shape[-1])
        return tuple({name: zeros(logits) + unit.reshape(logits.shape)} for unit in units)

    return tangents


def rotations(name: str) -> Symmetries:
    """W -> W R of a block W (…, D, K) with standard normal latents: a generator for each pair of columns (and item)."""

    def tangents(params: Arrays) -> tuple[dict[str, Array], ...]:
        weights = params[name]
        xp, size = namespace(weights).xp, weights.shape[-1]
        items = np.eye(int(np.prod(weights.shape[:-2])))
        found = []
        for item in items:
            for i, j in zip(*np.triu_indices(size, 1), strict=True):
                turn = np.zeros((size, size))
                turn[i, j], turn[j, i] = 1.0, -1.0
                chosen = item.reshape((*weights.shape[:-2], 1, 1))
                found.append({name: chosen * xp.matmul(weights, xp.asarray(turn))})
        return tuple(found)

    return tangents


def together(*several: Symmetries) -> Symmetries:
    """The symmetries of all of them."""
    return lambda params: tuple(tangent for symmetries in several for tangent in symmetries(params))


def both_values(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Binary data with both values in every column, so that no logit is pushed to infinity.

    One pair of rows differs in every column, up to four pairs where there are many data; a single datum is left alone.
    """
    x, columns = np.array(x), np.arange(x.shape[1])
    for pair in range(min(max(len(x) // 8, 1), 4) if len(x) > 1 else 0):
        row = rng.integers(2, size=x.shape[1])
        x[2 * pair + row, columns] = 1.0 - x[2 * pair + 1 - row, columns]
    return x


def positive_count(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Counts that are not all zero in any column, so that no log rate is pushed to −∞."""
    return np.concatenate([np.maximum(x[:1], 1.0), x[1:]])


def every_symbol(symbols: int) -> Callable[[np.random.Generator, np.ndarray], np.ndarray]:
    """Symbols that all occur in every column, as far as there are data; changes the first rows."""

    def repair(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        x = np.array(x)
        for column in x.T:
            column[:symbols] = rng.permutation(symbols)[: len(column)]
        return x

    return repair


def check_weights(data_weights: np.ndarray, count: int) -> np.ndarray:
    """Weights normalised to sum 1; raises `InputError` for a wrong shape, negative, non-finite or all-zero weights."""
    weights = np.asarray(data_weights, dtype=float)
    if weights.shape != (count,):
        raise InputError(f"one weight per datum is needed: {count} data, weights of shape {weights.shape}")
    bad = np.flatnonzero(~np.isfinite(weights) | (weights < 0.0))
    if bad.size:
        raise InputError(f"weights must be finite and not negative; weight {bad[0]} is {weights[bad[0]]:g}")
    total = weights.sum()
    if total <= 0.0:
        raise InputError(f"all {count} weights are zero; at least one must be positive")
    return weights / total


def data_scale(x: np.ndarray, data_weights: np.ndarray) -> np.ndarray:
    """Natural unit of each column (D,): its weighted standard deviation, or a magnitude where that is zero."""
    mean = data_weights @ x
    deviation = np.sqrt(data_weights @ (x - mean) ** 2)
    floor = 1e-8 * np.abs(x).max(axis=0)
    usable = deviation > floor
    fallback = float(np.exp(np.mean(np.log(deviation[usable])))) if usable.any() else 0.0
    magnitude = np.abs(x).max(axis=0)
    fallback = fallback or float(magnitude.max()) or 1.0
    return np.where(usable, deviation, fallback)


def binary_states(count: int) -> np.ndarray:
    """All 2^K binary states (2^K, K), little-endian: the first 2^k states use only the first k units."""
    return ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype(float)


def component_states(count: int) -> np.ndarray:
    """One-hot states (K, K) of a mixture's component."""
    return np.eye(count)


def log_probability_beta(params: Arrays, distribution: Distribution) -> dict[str, Array]:
    """β of a natural parameter η = log σ(θ), θ being `logits_x`: dη/dθ = σ(−θ), so that β = η (1 + e^θ)."""
    logits = params["logits_x"]
    return {"logits_x": distribution.natural_parameters()[0] * (1.0 + namespace(logits).xp.exp(logits))}
