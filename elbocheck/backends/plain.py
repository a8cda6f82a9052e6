"""Black-box NumPy code as a backend: functions that know nothing of elbocheck, evaluated one point at a time.

Derivatives by complex step where the code continues analytically (plain NumPy mostly does), which is exact to
rounding; else by extrapolated central differences (scipy.differentiate), whose own error estimate must keep the
promise `DIFFERENCE_ERROR`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import differentiate

from elbocheck.backends.base import Function, machine_epsilon
from elbocheck.backends.numpy import STEPS, tree_map
from elbocheck.errors import InputError

DIFFERENCE_ERROR = 1e-9
"""Promised error of a derivative by differences, relative to the function's size and slope per unit of a parameter."""
FIRST_STEP, SHRINK, TRIES = 2.0**-5, 2.0**-5, 4
"""First step of differences, relative to a parameter (or to 1); a step out of the domain is shrunk, so many times."""


@dataclass(frozen=True)
class PlainBackend:
    """Values and derivatives of black-box NumPy functions, float64 only.

    `analytic`: whether a complex step may be taken, see `continues`.
    """

    analytic: bool
    dtype: str = "float64"
    name: str = "numpy"
    padded: bool = True
    cheap_hessians: bool = False
    share: int = 6

    @property
    def eps(self) -> float:
        return machine_epsilon(self.dtype)

    @property
    def derivative_error(self) -> float:
        return 0.0 if self.analytic else DIFFERENCE_ERROR

    @property
    def hessian_error(self) -> float:
        """Of central differences of first derivatives with their best step, see `NumpyBackend.hessian_error`."""
        return 100.0 * float(max(self.eps, self.derivative_error) ** (2.0 / 3.0))

    def value(self, function: Function) -> Function:
        return lambda *arguments: tree_map(_real, function(*arguments))

    def jacobian(self, function: Function, mode: str) -> Function:
        derive = complex_step if self.analytic else differences

        def run(vector: Any, fixed: Any) -> Any:
            vector = np.asarray(vector, dtype=float)
            value, auxiliary = function(vector, fixed)
            flat, rebuild = _flat(value)
            columns = derive(lambda point: _flat(function(point, fixed)[0])[0], vector, flat)
            return rebuild(columns), tree_map(_real, auxiliary)

        return run

    def value_gradient_hessian(self, function: Function, columns: np.ndarray) -> Function:
        slopes = self.jacobian(lambda vector, fixed: (function(vector, fixed),) * 2, mode="forward")
        step = float(max(self.eps, self.derivative_error) ** (1.0 / 3.0))

        def run(vector: Any, fixed: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            vector = np.asarray(vector, dtype=float)
            gradient, value = slopes(vector, fixed)
            hessian = np.zeros((vector.size, vector.size))
            for column in columns:
                moved = step * np.eye(vector.size)[column]
                ahead, behind = (slopes(vector + sign * moved, fixed)[0] for sign in (1, -1))
                hessian[column] = (ahead - behind) / (2.0 * step)
            return value, gradient, hessian

        return run


def complex_step(function: Callable[[np.ndarray], np.ndarray], vector: np.ndarray, value: np.ndarray) -> np.ndarray:
    """∂f/∂θ (R, P) by Im f(θ + ih e_j) / h."""
    step = STEPS["float64"]
    columns = np.zeros((value.size, vector.size))
    for j in range(vector.size):
        moved = vector.astype(complex)
        moved.imag[j] = step
        columns[:, j] = np.imag(function(moved)) / step
    return columns


def differences(function: Callable[[np.ndarray], np.ndarray], vector: np.ndarray, value: np.ndarray) -> np.ndarray:
    """∂f/∂θ (R, P) by extrapolated central differences; raises `InputError` where they miss their promise."""
    columns, size = np.zeros((value.size, vector.size)), float(np.abs(value).max(initial=0.0))
    for j in range(vector.size):
        unit = np.abs(vector[j]) or 1.0
        columns[:, j], error = directional(function, vector, np.eye(vector.size)[j] * unit)
        allowed = DIFFERENCE_ERROR * (size + float(np.abs(columns[:, j]).max(initial=0.0)))
        if not error <= allowed:
            raise InputError(
                f"differences of values give derivatives to {error:.1e} only (element {j} of the parameters), where "
                f"{allowed:.1e} is needed: the code is not smooth there, or rounds in single precision"
            )
        columns[:, j] /= unit
    return columns


def directional(
    function: Callable[[np.ndarray], np.ndarray], vector: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, float]:
    """(df(θ + t·direction)/dt at 0, (R,), estimated error of the worst element) from values of f alone."""
    size = np.atleast_1d(function(vector)).size

    def along(t: np.ndarray) -> np.ndarray:
        points = np.reshape(t, (size, -1))[0]
        values = np.stack([np.ravel(function(vector + point * direction)) for point in points], axis=-1)
        return np.asarray(values, dtype=float).reshape(t.shape)

    step = FIRST_STEP
    for _ in range(TRIES):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # steps out of the domain give NaN, and are shrunk
            found = differentiate.derivative(
                along, np.zeros(size), preserve_shape=True, initial_step=step, tolerances={"atol": 0.0, "rtol": 0.0}
            )
        if np.all(np.isfinite(found.df)) and np.all(np.isfinite(found.error)):
            return np.asarray(found.df), float(np.max(found.error, initial=0.0))
        step *= SHRINK
    return np.full(size, np.nan), float("inf")


def continues(function: Callable[[np.ndarray], np.ndarray], vector: np.ndarray) -> bool:
    """Whether a complex step through `function` agrees with differences of its values, along a random direction."""
    direction = np.random.default_rng(0).normal(size=vector.size) * np.where(vector == 0.0, 1.0, np.abs(vector))
    step = STEPS["float64"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an imaginary part that is discarded
            exact = np.imag(np.ravel(function(vector + 1j * step * direction))) / step
    except Exception:  # whatever code raises that was not written for complex numbers
        return False
    approximate, error = directional(function, vector, direction)
    size = float(np.abs(np.ravel(function(vector))).max(initial=0.0)) + float(np.abs(approximate).max(initial=0.0))
    return bool(np.abs(exact - approximate).max(initial=0.0) <= 10.0 * error + 1e-7 * size)


def _real(leaf: Any) -> np.ndarray:
    return np.asarray(np.real(leaf))


def _flat(tree: Any) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    """(all numbers of a tree of arrays, their derivatives (R, P) -> a tree of (*shape, P))."""
    parts: list[np.ndarray] = []
    tree_map(lambda leaf: parts.append(np.asarray(leaf)), tree)
    flat = np.concatenate([part.reshape(-1) for part in parts]) if parts else np.zeros(0)

    def rebuild(columns: np.ndarray) -> Any:
        ends = iter(np.cumsum([part.size for part in parts]))
        return tree_map(
            lambda leaf: columns[(end := next(ends)) - np.size(leaf) : end].reshape((*np.shape(leaf), -1)), tree
        )

    return flat, rebuild
