"""Where values of a family lie; a family names its support in `support`, and one that names none is not checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

CLOSE = 1e-9
"""What sums of probabilities may miss 1 by, from rounding."""


def _whole(u: np.ndarray) -> np.ndarray:
    return np.asarray(u == np.round(u))


def _sums_to_one(u: np.ndarray) -> np.ndarray:
    return np.abs(u.sum(-1) - 1.0) <= CLOSE * u.shape[-1]


def _positive_definite(u: np.ndarray) -> np.ndarray:
    """Symmetric to rounding, with eigenvalues above 0; (*batch, D, D) -> (*batch,)."""
    if u.shape[-1] != u.shape[-2]:
        return np.zeros(u.shape[:-2], bool)
    finite = np.all(np.isfinite(u), axis=(-2, -1))
    u = np.where(finite[..., None, None], u, 0.0)
    size = np.abs(u).max(axis=(-2, -1), initial=0.0)
    symmetric = np.abs(u - np.swapaxes(u, -1, -2)).max(axis=(-2, -1), initial=0.0) <= CLOSE * size
    return finite & symmetric & np.all(np.linalg.eigvalsh(u) > 0.0, axis=-1)


def _over_precision(u: np.ndarray) -> np.ndarray:
    """(*batch, D + 1, D): a vector in the first row, a positive definite matrix below."""
    if u.shape[-2] != u.shape[-1] + 1:
        return np.zeros(u.shape[:-2], bool)
    return np.asarray(np.all(np.isfinite(u[..., 0, :]), axis=-1) & _positive_definite(u[..., 1:, :]))


SUPPORTS: Mapping[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "real": ("real numbers", np.isfinite),
    "positive": ("positive numbers", lambda u: u > 0.0),
    "nonnegative": ("numbers that are not negative", lambda u: u >= 0.0),
    "unit": ("numbers between 0 and 1", lambda u: (u > 0.0) & (u < 1.0)),
    "binary": ("0 or 1", lambda u: (u == 0.0) | (u == 1.0)),
    "count": ("whole numbers from 0", lambda u: (u >= 0.0) & _whole(u)),
    "number of trials": ("whole numbers from 1", lambda u: (u >= 1.0) & _whole(u)),
    "one-hot": (
        "one-hot rows (as many columns as states, one of them 1)",
        lambda u: np.all((u == 0.0) | (u == 1.0), axis=-1) & _sums_to_one(u),
    ),
    "counts": ("rows of whole numbers from 0", lambda u: np.all((u >= 0.0) & _whole(u), axis=-1)),
    "simplex": ("rows of positive numbers that sum to 1", lambda u: np.all(u > 0.0, axis=-1) & _sums_to_one(u)),
    "positive definite": ("symmetric positive definite matrices", _positive_definite),
    "mean and precision": (
        "pairs of a real and a positive number",
        lambda u: np.full(u.shape[:-1], u.shape[-1] == 2) & np.all(np.isfinite(u), axis=-1) & (u[..., -1] > 0.0),
    ),
    "mean over precision": ("a vector above a symmetric positive definite matrix", _over_precision),
    "vector": ("vectors of real numbers", lambda u: np.all(np.isfinite(u), axis=-1)),
}
"""Name -> (what it is called, which values (*batch, *event) lie in it (*batch,))."""


def outside_support(distribution: Any, value: Any) -> str:
    """What is wrong with values of a family, with the first of them; "" if nothing is, or nothing is known."""
    name = getattr(distribution, "support", "")
    if name not in SUPPORTS:
        return ""
    array, (what, inside) = np.asarray(value, dtype=float), SUPPORTS[name]
    if distribution.event_ndim and array.ndim < distribution.event_ndim:
        return f"needs {what}; got {array}"
    right = np.broadcast_to(inside(array), array.shape[: array.ndim - distribution.event_ndim])
    if np.all(right):
        return ""
    where = tuple(int(k) for k in np.argwhere(~right)[0])
    return f"needs {what}; got {array[where]} at {where}"
