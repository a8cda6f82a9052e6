"""The few numerical routines that the catalogue's hand-written code shares; plain NumPy, complex steps pass through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # a real array, or a complex one while a derivative is taken
Params = dict[str, Any]

TOLERANCE = 1e-14
"""Training stops where no parameter moves by more than this, relative to its size."""


def log_sum_exp(x: Array) -> Array:
    """log Σ exp(x) over the last axis, which stays."""
    top = x.real.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - top).sum(axis=-1, keepdims=True)) + top


def log_softmax(x: Array) -> Array:
    """Log probabilities over the last axis."""
    return x - log_sum_exp(x)


def softplus(x: Array) -> Array:
    """log(1 + e^x)."""
    top = np.maximum(np.real(x), 0.0)
    return np.log(np.exp(x - top) + np.exp(-top)) + top


def inverse_softplus(y: Array) -> Array:
    """x with log(1 + e^x) = y > 0."""
    return y + np.log(-np.expm1(-y))


def converge(step: Callable[[Params], Params], params: Params, limit: int = 1000) -> Params:
    """Repeats a training step until nothing moves any more, or `limit` times."""
    for _ in range(limit):
        moved = step(params)
        if all(np.all(abs(moved[k] - params[k]) <= TOLERANCE * (1 + abs(params[k]))) for k in params):
            return moved
        params = moved
    return params


def climb(value: Callable[[Params], Any], gradient: Callable[[Params], Params], params: Params, steps: int) -> Params:
    """Damped Newton ascent by at most `steps` steps, with curvature from differences of the gradient.

    Ends where no step of any damping raises the value, and then takes undamped steps while they shrink the gradient.
    """
    shapes = {name: np.shape(block) for name, block in params.items()}

    def pack(tree: Params) -> np.ndarray:
        return np.concatenate([np.reshape(tree[name], -1) for name in shapes])

    def unpack(vector: np.ndarray) -> Params:
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])[:-1]
        return {
            name: part.reshape(shape)
            for (name, shape), part in zip(shapes.items(), np.split(vector, ends), strict=True)
        }

    def slope(vector: np.ndarray) -> np.ndarray:
        return pack(gradient(unpack(vector)))

    def curvature(vector: np.ndarray) -> np.ndarray:
        rows = [slope(vector + h) - slope(vector - h) for h in 1e-5 * np.eye(vector.size)]
        return np.array([row + column for row, column in zip(rows, np.transpose(rows), strict=True)]) / 4e-5

    theta, damping = pack(params), 1.0
    for _ in range(steps):
        size, force, hessian = value(unpack(theta)), slope(theta), curvature(theta)
        while damping < 1e12:
            trial = theta + np.linalg.lstsq(damping * np.eye(theta.size) - hessian, force, rcond=None)[0]
            better = value(unpack(trial)) > size
            damping *= 0.1 if better else 10.0
            if better:
                theta = trial
                break
        else:
            break
    for _ in range(min(steps, 3)):
        force = slope(theta)
        trial = theta - np.linalg.pinv(curvature(theta), rcond=1e-8, hermitian=True) @ force
        if np.linalg.norm(slope(trial)) < np.linalg.norm(force) < 1e-4:
            theta = trial
    return unpack(theta)
