"""Functions on complex NumPy arrays x + iy whose imaginary part is a tangent times a tiny h: what a complex step needs.

f(x + iy) = f(x) + iy f'(x) + O(y²), and y² is below the smallest number, so this is f's analytic continuation exactly.
Products, sums and matrix inverses are NumPy's own; here is what NumPy and SciPy do not continue (abs, comparisons,
cholesky, functions of real arguments) or continue with a loss of digits (log1p). Real arrays take the plain functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import array_api_compat.numpy
import numpy as np
from scipy import special

Unary = Callable[[np.ndarray], np.ndarray]


def join(real: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    """real + i·tangent, without the multiplication, which would turn 0·∞ into a real part."""
    result = np.empty(np.broadcast_shapes(np.shape(real), np.shape(tangent)), np.result_type(real.dtype, np.complex64))
    result.real, result.imag = real, tangent
    return result


def continued(function: Unary, derivative: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Unary:
    """The continuation of a real function, given `derivative(x, f(x))`; real arrays go to the function itself."""

    def of(x: np.ndarray) -> np.ndarray:
        if x.dtype.kind != "c":
            return function(x)
        value = function(x.real)
        return join(value, x.imag * derivative(x.real, value))

    return of


def _expit_slope(x: np.ndarray, value: np.ndarray) -> np.ndarray:
    """σ(x)(1 − σ(x)), with its relative accuracy in both tails."""
    tail = np.exp(-np.abs(x))
    return tail / ((1 + tail) * (1 + tail))


def _trigamma(x: np.ndarray) -> np.ndarray:
    return special.polygamma(1, x).astype(x.dtype, copy=False)


UNARY: dict[str, Unary] = {
    "exp": continued(np.exp, lambda x, value: value),
    "expm1": continued(np.expm1, lambda x, value: np.exp(x)),
    "log": continued(np.log, lambda x, value: 1 / x),
    "log1p": continued(np.log1p, lambda x, value: 1 / (1 + x)),
    "sqrt": continued(np.sqrt, lambda x, value: 0.5 / value),
    "sin": continued(np.sin, lambda x, value: np.cos(x)),
    "cos": continued(np.cos, lambda x, value: -np.sin(x)),
    "sinh": continued(np.sinh, lambda x, value: np.cosh(x)),
    "cosh": continued(np.cosh, lambda x, value: np.sinh(x)),
    "tanh": continued(np.tanh, lambda x, value: 1 / np.cosh(np.minimum(np.abs(x), 40)) ** 2),
    "abs": continued(np.abs, lambda x, value: np.sign(x)),
    "expit": continued(special.expit, _expit_slope),
    "gammaln": continued(special.gammaln, lambda x, value: special.digamma(x)),
    "digamma": continued(special.digamma, lambda x, value: _trigamma(x)),
    "erf": continued(special.erf, lambda x, value: 2 / math.sqrt(math.pi) * np.exp(-x * x)),
}
"""Elementwise functions of the array API and of `Namespace`, by name; abs has the slope 0 at 0."""


def power(base: np.ndarray, exponent: np.ndarray | float) -> np.ndarray:
    """base ** exponent for a real exponent."""
    if np.iscomplexobj(exponent):
        raise TypeError("an exponent that depends on parameters has no continuation here; write exp(exponent * log(·))")
    if np.ndim(base) == 0 or base.dtype.kind != "c":
        return np.asarray(base**exponent)
    slope = exponent * base.real ** np.where(exponent == 0, 0, exponent - 1).astype(base.real.dtype)
    return join(base.real**exponent, base.imag * slope)


def logaddexp(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """log(e^one + e^other) without overflow."""
    value = np.logaddexp(one.real, other.real)
    if one.dtype.kind != "c" and other.dtype.kind != "c":
        return value
    ahead = one.real - other.real
    return join(value, one.imag * special.expit(ahead) + other.imag * special.expit(-ahead))


def cholesky(matrix: np.ndarray) -> np.ndarray:
    """Lower L with L Lᵀ = A (no conjugation): dL = L Φ(L⁻¹ dA L⁻ᵀ), Φ the lower triangle with half the diagonal.

    Raises `numpy.linalg.LinAlgError` where the real part is not positive definite.
    """
    root = np.linalg.cholesky(matrix.real)
    if matrix.dtype.kind != "c":
        return root
    inverse = np.linalg.inv(root)
    inner = inverse @ matrix.imag @ np.swapaxes(inverse, -1, -2)
    size = matrix.shape[-1]
    return join(root, root @ (np.tril(inner) * (1 - 0.5 * np.eye(size, dtype=root.dtype))))


@cache
def complex_xp() -> Any:
    """The array API over plain complex arrays: NumPy's, with what it does not continue taken from here."""
    own = {name: function for name, function in UNARY.items() if hasattr(array_api_compat.numpy, name)}
    plain = {name: getattr(array_api_compat.numpy, name) for name in dir(array_api_compat.numpy) if name[0] != "_"}
    linear = {name: getattr(np.linalg, name) for name in ("inv", "solve")}
    continued_ones = {name: _of_any(function) for name, function in own.items()}
    two = {"logaddexp": lambda one, other: logaddexp(np.asarray(one), np.asarray(other))}
    matrices = SimpleNamespace(**linear, cholesky=cholesky, diagonal=_diagonal)
    return SimpleNamespace(**{**plain, **continued_ones, **two, "linalg": matrices})


def _diagonal(matrix: np.ndarray) -> np.ndarray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def _of_any(function: Unary) -> Callable[[Any], np.ndarray]:
    return lambda x: function(np.asarray(x))
