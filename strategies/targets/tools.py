"""What correct targets are written with: array functions of one library, charts, and one bound written twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import scipy.special

from elbocheck.backends.libraries import JAX, TORCH
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


def by_largest(xp: Any, x: Array, axis: int) -> Array:
    """log Σ exp(x) along one axis, which goes; the largest term is taken out first."""
    top = xp.max(xp.real(x), axis=axis, keepdims=True)
    return xp.squeeze(top, axis) + xp.log(xp.sum(xp.exp(x - top), axis=axis))


def as_it_is(array: np.ndarray) -> Array:
    """A known array where NumPy's will do."""
    return array


@dataclass(frozen=True)
class Tools:
    """Functions of one array library, as its users call them."""

    library: str
    """Name of the array library."""

    xp: Any
    """Its functions: NumPy itself, jax.numpy, or torch."""

    gammaln: Callable[[Array], Array]
    """log Γ(x)."""

    log_i0: Callable[[Array], Array]
    """log I₀(x), of the modified Bessel function."""

    known: Callable[[np.ndarray], Array] = as_it_is
    """Float64 array -> what code closes over; JAX takes NumPy's, which have no precision of their own."""

    log_sum: Callable[[Any, Array, int], Array] = by_largest
    """(xp, x, axis) -> log Σ exp(x) along the axis, which goes."""

    complex_step: bool = False
    """Whether it is NumPy code that continues to complex numbers.

    It has no logaddexp, no Cholesky factors of LAPACK and no gammaln of real numbers; other NumPy code may have them.
    """

    stable: bool = False
    """Whether log(1 + exp(x)) is never written as it is, which overflows; for code that continues."""

    def constant(self, array: Any) -> Array:
        """A known array in float64."""
        return self.known(np.asarray(array, dtype=float))

    def rows(self, rows: Rows) -> Any:
        """Indices that arrays of this library take."""
        return rows if isinstance(rows, slice) else np.asarray(rows).copy()  # torch takes no reversed views

    def log_sum_exp(self, x: Array, axis: int = -1) -> Array:
        """log Σ exp(x) along one axis, which goes."""
        return self.log_sum(self.xp, x, axis)

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
    with double_precision():
        return MADE[library]()


def _complex_log_i0(x: Array) -> Array:
    return np.log(scipy.special.iv(0, x))


def _jax() -> Tools:
    found = JAX.namespace()
    return Tools("jax", found.xp, found.gammaln, lambda x: found.xp.log(found.xp.i0(x)))


def _torch() -> Tools:
    xp = TORCH.namespace().xp
    return Tools(
        "torch",
        xp,
        xp.lgamma,
        lambda x: xp.log(xp.i0(x)),
        known=lambda array: TORCH.array(array, None),
        log_sum=lambda xp, x, axis: xp.logsumexp(x, axis),
    )


MADE: Mapping[str, Callable[[], Tools]] = {
    "jax": _jax,
    "numpy": lambda: Tools("numpy", np, scipy.special.loggamma, _complex_log_i0, complex_step=True),
    "numpy-differences": lambda: Tools("numpy", np, scipy.special.gammaln, lambda x: np.log(scipy.special.i0e(x)) + x),
    "torch": _torch,
}
"""Name in choices -> what makes its tools, which alone imports the library."""


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
