"""What correct targets are written with: array functions of one library, charts, and one bound written twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import scipy.special

from elbocheck.backends.libraries import LIBRARIES, TORCH
from elbocheck.backends.namespace import double_precision
from elbocheck.bound.factors import Declaration

Array = Any
Params = Mapping[str, Array]
Rows = Any
"""Indices of data, or a slice."""
EVERY = slice(None)
CHARTS = ("log", "softplus", "squared", "raw")
LARGEST_NAIVE = 300.0
"""log(1 + exp(u)), as many people write it, overflows for u > 709."""


@dataclass(frozen=True)
class Tools:
    """Functions of one array library, as its users call them. `xp`: NumPy itself, jax.numpy, or torch.

    `complex_step`: NumPy code that continues to complex numbers (no logaddexp, no Cholesky factors of LAPACK, no
    gammaln); otherwise NumPy code is free to do what does not. `stable`: the same without log(1 + exp(x)) as it is.
    """

    library: str
    xp: Any
    gammaln: Callable[[Array], Array]
    log_i0: Callable[[Array], Array]
    complex_step: bool = False
    stable: bool = False

    def constant(self, array: Any) -> Array:
        """A known array in float64: a tensor for torch; JAX code closes over NumPy arrays, which have no precision."""
        array = np.asarray(array, dtype=float)
        return TORCH.array(array, None) if self.library == "torch" else array

    def rows(self, rows: Rows) -> Any:
        """Indices that arrays of this library take."""
        return rows if isinstance(rows, slice) else np.asarray(rows).copy()  # torch takes no reversed views

    def log_sum_exp(self, x: Array, axis: int = -1) -> Array:
        """log Σ exp(x) along one axis, which goes."""
        if self.library == "torch":
            return self.xp.logsumexp(x, axis)
        top = self.xp.max(self.xp.real(x), axis=axis, keepdims=True)
        return self.xp.squeeze(top, axis) + self.xp.log(self.xp.sum(self.xp.exp(x - top), axis=axis))

    def log_softmax(self, x: Array) -> Array:
        """x minus log Σ exp(x), along the last axis."""
        return x - self.log_sum_exp(x)[..., None]

    def softplus(self, x: Array) -> Array:
        """log(1 + exp(x)); where complex steps should be taken as log1p(exp(x)), which overflows at 709."""
        if self.stable:
            positive = np.real(x) > 0.0
            return np.where(positive, x, 0.0) + np.log1p(np.exp(np.where(positive, -x, x)))
        if self.complex_step:
            return np.log1p(np.exp(x))
        return self.xp.logaddexp(x, self.xp.zeros_like(x))

    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + exp(−x))."""
        return 1.0 / (1.0 + self.xp.exp(-x))

    def cholesky(self, matrix: Array) -> Array:
        """Lower Cholesky factor (..., H, H); written out where complex steps should be taken."""
        if not self.complex_step:
            return self.xp.linalg.cholesky(matrix)
        size, columns = matrix.shape[-1], list[list[Array]]()
        zero = 0.0 * matrix[..., 0, 0]
        for j in range(size):
            done = sum((column[j] * column[j] for column in columns), zero)
            pivot = np.sqrt(matrix[..., j, j] - done)
            column = [zero] * j + [pivot]
            for i in range(j + 1, size):
                column.append((matrix[..., i, j] - sum((c[i] * c[j] for c in columns), zero)) / pivot)
            columns.append(column)
        return np.stack([np.stack(column, axis=-1) for column in columns], axis=-1)

    def log_det(self, matrix: Array) -> Array:
        """log det of a positive definite matrix (..., D, D)."""
        if self.complex_step:
            return np.log(np.linalg.det(matrix))
        return self.xp.linalg.slogdet(matrix)[1]

    def mean(self, values: Array, weights: Array | None, rows: Rows) -> Array:
        """Nats per datum from values (N,): their mean over `rows`, or with `weights` summing to 1."""
        return self.xp.mean(values) if weights is None else self.xp.sum(values * weights[rows])


@cache
def tools(library: str) -> Tools:
    """The tools of "jax", "numpy", "numpy-differences" or "torch"."""
    if library == "numpy":
        return Tools("numpy", np, scipy.special.loggamma, _complex_log_i0, complex_step=True)
    if library == "numpy-differences":
        return Tools("numpy", np, scipy.special.gammaln, lambda x: np.log(scipy.special.i0e(x)) + x)
    with double_precision():
        found = LIBRARIES[library].namespace()
    xp = found.xp
    return Tools(library, xp, xp.lgamma if library == "torch" else found.gammaln, lambda x: xp.log(xp.i0(x)))


def _complex_log_i0(x: Array) -> Array:
    return np.log(scipy.special.iv(0, x))


@dataclass(frozen=True)
class Chart:
    """A positive number v from an unconstrained one u."""

    name: str
    """Of v(u): "log" exp(u), "softplus" log(1 + exp(u)), "squared" u², "raw" u itself."""

    def value(self, t: Tools, u: Array) -> Array:
        """v(u)."""
        if self.name == "log":
            return t.xp.exp(u)
        if self.name == "softplus":
            return t.softplus(u)
        return u * u if self.name == "squared" else u

    def slope(self, u: np.ndarray) -> np.ndarray:
        """dv/du."""
        if self.name == "log":
            return np.exp(u)
        if self.name == "softplus":
            return 1.0 / (1.0 + np.exp(-u))
        return 2.0 * u if self.name == "squared" else np.ones_like(u)

    def inverse(self, v: np.ndarray) -> np.ndarray:
        """u(v) for v > 0."""
        if self.name == "log":
            return np.log(v)
        if self.name == "softplus":
            return v + np.log(-np.expm1(-v))
        return np.sqrt(v) if self.name == "squared" else v

    def fitting(self, t: Tools, v: np.ndarray) -> Chart:
        """Itself, or the logarithm where log1p(exp(u)) would overflow beside the value."""
        overflows = self.name == "softplus" and t.complex_step and not t.stable and np.max(v) > LARGEST_NAIVE
        return Chart("log") if overflows else self


@dataclass(frozen=True)
class Written:
    """One bound, written twice: by hand, and with `elbocheck.families`."""

    params: dict[str, np.ndarray]
    """Block -> array; blocks are called "part.name"."""

    value: Callable[[Params, Rows], Array]
    """(params, rows) -> the bound on these rows, by hand, nats per datum."""

    declare: Callable[[Params], Declaration]
    """params -> all of it."""

    exact: bool = False
    """Whether the value is (1/N) log p(x)."""

    grad: Callable[[Params], Params] | None = None
    """params -> ∂value/∂params by hand, of NumPy arrays; None where nobody wrote it."""
