"""Mistakes in a declaration, told as such before anything is computed: shapes, weights, supports.

A declaration that is wrong makes every later message wrong: it would blame the code for what was said about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from elbocheck.backends.namespace import double_precision, plain
from elbocheck.bound.factors import Declaration, Factor, log_density_of
from elbocheck.bound.problem import Problem
from elbocheck.bound.terms import weights_of
from elbocheck.errors import DeclarationError
from elbocheck.families.support import outside_support

CLOSE = 1e-8
"""What weights may miss a sum of 1 by, from rounding."""


def check_declaration(problem: Problem) -> None:
    """Raises `DeclarationError` with the first mistake in what `factors(params)` returns at the problem's point."""
    with double_precision():
        for mistake in mistakes(problem.declaration):
            raise DeclarationError(f"{problem.label}: the declaration is wrong: {mistake}")


def mistakes(declaration: Declaration) -> Iterator[str]:
    """What is wrong with a resolved declaration, one sentence each, the most basic first."""
    entropy, shares = _numbers(declaration.entropy), _numbers(declaration.data_weights)
    weights = _numbers(declaration.weights)
    for name, array in (("weights", weights), ("entropy", entropy), ("data_weights", shares)):
        if array.size == 0:
            yield f"{name} is empty, of shape {array.shape}"
            return
        if not np.all(np.isfinite(array)):
            return  # for those who look for NaN
    if shares.ndim != 1:
        yield f"data_weights must have the shape (N,); got {shares.shape}"
        return
    data = len(shares)
    yield from _of_weights("weights", weights, data)
    if entropy.ndim > 1 or (entropy.ndim == 1 and len(entropy) not in (1, data)):
        yield (
            f"the entropy of q must have the shape ({data},), one number for each datum; got {entropy.shape}"
            + (" (drop the last axis, or every datum gets the entropies of all)" if entropy.shape[1:] == (1,) else "")
        )
    if np.any(shares < 0.0) or abs(shares.sum() - 1.0) > CLOSE * data:
        yield f"data_weights must not be negative and sum to 1; they sum to {shares.sum():.9g} (divide them by that)"
    for factor in declaration.factors:
        yield from _of_factor(factor, declaration, data)


def _of_weights(name: str, weights: np.ndarray, data: int) -> Iterator[str]:
    if weights.ndim not in (2, 3):
        yield f"{name} must have the shape (N, M): data, points of q; got {weights.shape}"
        return
    sums = weights.sum(1)
    if weights.shape[0] not in (1, data) or not np.all(np.abs(sums - 1.0) <= CLOSE * weights.shape[1]):
        turned = weights.ndim == 2 and np.all(np.abs(weights.sum(0) - 1.0) <= CLOSE * len(weights))
        if turned and (weights.shape[1] == data or weights.shape[0] == data != 1):
            yield f"{name} seem to be transposed: the shape is {weights.shape}, their columns sum to 1, not their rows"
        elif weights.shape[0] not in (1, data):
            yield f"{name} have {weights.shape[0]} rows for {data} data"
        else:
            row = int(np.argmax(np.abs(sums - 1.0).reshape(len(sums), -1).max(1)))
            yield (
                f"{name} of the points of q must sum to 1 for every datum; in row {row} they sum to "
                f"{np.ravel(sums[row])[0]:.9g}"
            )
    elif np.any(weights < 0.0):
        yield f"{name} of the points of q must not be negative; the smallest is {weights.min():.3g}"


def _of_factor(factor: Factor, declaration: Declaration, data: int) -> Iterator[str]:
    what = f"factor {factor.name!r}"
    value = _numbers(factor.value)
    if value.size == 0:
        yield f"the value of {what} is empty, of shape {value.shape}"
        return
    weights = _numbers(weights_of(factor, declaration))
    if factor.weights is not None:
        yield from _of_weights(f"the weights of {what}", weights, data)
    shape, points = tuple(np.shape(log_density_of(factor))), weights.shape[1] if weights.ndim > 1 else 1
    if shape[0] not in (1, data) or shape[1] not in (1, points):
        axes = f"({data} or 1 data, {points}{' or 1' if points > 1 else ''} points of q, *elements)"
        hint = ""
        if shape[0] in (1, data):
            hint = "; elements need an axis of their own: value[:, None, ...], parameters[None, None, ...]"
        elif shape[1] == data:
            hint = "; data and points seem to be transposed"
        yield f"the log density of {what} has the shape {shape}; expected {axes}{hint}"
        return
    wrong = outside_support(factor.distribution, _present(factor, value))
    if wrong:
        family = type(factor.distribution).__name__
        yield f"the value of {what}, {family}, {wrong}"


def _present(factor: Factor, value: np.ndarray) -> np.ndarray:
    """The values that exist; what is masked stands for nothing."""
    if factor.where is None:
        return value
    events = int(factor.distribution.event_ndim)
    where = np.asarray(_numbers(factor.where) > 0)
    shape = np.broadcast_shapes(where.shape, value.shape[: value.ndim - events])
    whole = np.broadcast_to(value, (*shape, *value.shape[value.ndim - events :]))
    return np.asarray(whole[np.broadcast_to(where, shape)])


def _numbers(array: Any) -> np.ndarray:
    return plain(array).astype(float)
