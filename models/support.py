"""Validation of data, natural scales of data, and latent states: what several models share."""

from __future__ import annotations

import numpy as np

from elbocheck.errors import InputError


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
