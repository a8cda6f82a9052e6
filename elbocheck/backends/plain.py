"""Black-box NumPy code as a backend: functions that know nothing of elbocheck, evaluated one point at a time.

Derivatives by complex step where a function continues analytically (plain NumPy mostly does), which is exact to
rounding; else by extrapolated central differences, whose estimated error enters all bounds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbocheck.backends.base import Cost, Function, machine_epsilon
from elbocheck.backends.numpy import STEPS, tree_map
from elbocheck.errors import InputError, TargetError, TimeoutExceeded

ROUNDINGS = 8
"""Roundings that a value is taken to carry; code that rounds more shows it in the change of its differences."""
USELESS = 1e-4
"""Error of differences, relative to the function's size and slope per unit of a parameter, that is refused."""
TYPICAL = 1e-9
"""The same error for functions that are smooth and computed in double precision."""
AGREE = 1e-12
"""Relative difference from differences, beyond ten times their error, that a complex step may have."""
REAL_PARTS = 64
"""Roundings by which the real part at a complex step may differ from the value, of the largest number returned."""
LEVELS = 8
"""Steps of extrapolated differences, two evaluations each."""
FIRST_STEP, SHRINK, TRIES = 2.0**-5, 2.0**-5, 4
"""First step of differences, relative to a parameter (or to 1); a step out of the domain is shrunk, so many times."""


class Derived:
    """The Jacobian of one function. `exact`: whether complex steps can be taken, tried at the first call; `error`: of
    the last call's derivatives, see `differences`."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.exact: bool | None = None
        self.error = 0.0

    def __call__(self, vector: Any, fixed: Any) -> Any:
        vector = np.asarray(vector, dtype=float)
        value, auxiliary = self.function(vector, fixed)
        flat, rebuild = _flat(value)

        def numbers(point: np.ndarray) -> np.ndarray:
            return _flat(self.function(point, fixed)[0])[0]

        if self.exact is None:
            self.exact = continues(numbers, vector)
        if self.exact:
            columns = complex_step(numbers, vector, flat)
        else:
            columns, self.error = differences(numbers, vector, flat)
        return rebuild(columns), tree_map(_real, auxiliary)


class Along:
    """The derivative of a tree of arrays along a direction, for a few evaluations.

    `exact`: whether complex steps are taken, tried at the first call; a step whose real part is not the function's
    value is not believed, and differences are taken instead. `error`: of the last call's tangents, the largest.
    """

    def __init__(self, function: Function, finish: Function) -> None:
        self.function, self.finish = function, finish
        self.exact: bool | None = None
        self.error = 0.0

    def __call__(self, vector: Any, fixed: Any, direction: Any) -> Any:
        vector, direction = np.asarray(vector, dtype=float), np.asarray(direction, dtype=float)
        tree, more = self.function(vector, fixed)
        value, rebuild = _flat(tree)

        def numbers(point: np.ndarray) -> np.ndarray:
            return _flat(self.function(point, fixed)[0])[0]

        if self.exact is None:
            self.exact = continues(numbers, vector)
        found = stepped(numbers, vector, direction, value) if self.exact else None
        self.error = 0.0
        if found is None:
            found, self.error = directional(numbers, vector, direction)
        tangents = tree_map(lambda leaf: leaf[..., 0], rebuild(found[:, None]))
        return tree_map(_real, self.finish(tree_map(_real, tree), tangents, lambda: tree_map(_real, more())))


def stepped(
    function: Callable[[np.ndarray], np.ndarray], vector: np.ndarray, direction: np.ndarray, value: np.ndarray
) -> np.ndarray | None:
    """Im f(θ + ihv) / h; None unless the real part is f(θ) to rounding (`log1p` of a small complex number is not)."""
    step = STEPS["float64"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            moved = np.ravel(function(vector + 1j * step * direction))
    except Exception:  # whatever code raises that was not written for complex numbers
        return None
    off = np.abs(np.real(moved) - value)
    within = REAL_PARTS * np.finfo(float).eps * np.abs(value).max(initial=0.0)
    if not (np.all(np.isfinite(moved)) and np.all(off <= np.maximum(within, REAL_PARTS * np.finfo(float).tiny))):
        return None
    return np.asarray(np.imag(moved) / step)


@dataclass(frozen=True)
class PlainBackend:
    """Values and derivatives of black-box NumPy functions, float64 only."""

    dtype: str = "float64"
    """Floating-point type of values and derivatives."""

    name: str = "numpy"
    """Name of its library."""

    @property
    def eps(self) -> float:
        return machine_epsilon(self.dtype)

    @property
    def cost(self) -> Cost:
        """The Hessian is one of central differences of first derivatives; 100 as in `NumpyBackend`."""
        error = 100.0 * float(TYPICAL ** (2.0 / 3.0))
        return Cost(padded=True, cheap_hessians=False, share=6, hessian_error=error, directional=True)

    def gradient(self, function: Function, unpack: Function) -> Function:
        def run(vector: Any, fixed: Any) -> Any:
            value, more = function(np.asarray(vector, dtype=float), fixed)
            return _real(value), None, tree_map(_real, more())

        return run

    def pushforward(self, function: Function, finish: Function) -> Along:
        return Along(function, finish)

    def depends(self, function: Function, vector: Any, fixed: Any) -> Any:
        """By the values at a point beside this one."""
        vector = np.asarray(vector, dtype=float)
        spread = np.random.default_rng(0).normal(size=vector.size) * np.where(vector == 0.0, 1.0, np.abs(vector))
        here, there = (function(point, fixed)[0] for point in (vector, vector + 2.0**-7 * spread))
        return tree_map(lambda one, other: bool(np.any(one != other)), here, there)

    def error_of(self, derived: Function) -> float:
        return derived.error if isinstance(derived, Derived) else 0.0

    def value(self, function: Function) -> Function:
        return lambda *arguments: tree_map(_real, function(*arguments))

    def jacobian(self, function: Function, mode: str) -> Function:
        return Derived(function)

    def value_gradient_hessian(self, function: Function, columns: np.ndarray) -> Function:
        slopes = self.jacobian(lambda vector, fixed: (function(vector, fixed),) * 2, mode="forward")

        def run(vector: Any, fixed: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            vector = np.asarray(vector, dtype=float)
            gradient, value = slopes(vector, fixed)
            step = float(max(self.eps, self.error_of(slopes)) ** (1.0 / 3.0))
            hessian = np.zeros((vector.size, vector.size))
            for column in columns:
                moved = step * np.eye(vector.size)[column]
                ahead, behind = (slopes(vector + sign * moved, fixed)[0] for sign in (1, -1))
                hessian[column] = (ahead - behind) / (2.0 * step)
            return value, gradient, hessian

        return run


def under_test(parameters: Iterable[Any]) -> PlainBackend:
    """The backend for NumPy code of others."""
    return PlainBackend()


def complex_step(function: Callable[[np.ndarray], np.ndarray], vector: np.ndarray, value: np.ndarray) -> np.ndarray:
    """∂f/∂θ (R, P) by Im f(θ + ih e_j) / h."""
    step = STEPS["float64"]
    columns = np.zeros((value.size, vector.size))
    for j in range(vector.size):
        moved = vector.astype(complex)
        moved.imag[j] = step
        columns[:, j] = np.imag(function(moved)) / step
    return columns


def differences(
    function: Callable[[np.ndarray], np.ndarray], vector: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, float]:
    """(∂f/∂θ (R, P) by extrapolated central differences, their error).

    The error is relative to max |f| + max |∂f/∂θ_j| |θ_j|, for a parameter θ_j = 0 with 1 in its place. Raises
    `InputError` where it makes the result useless.
    """
    columns, size, worst = np.zeros((value.size, vector.size)), float(np.abs(value).max(initial=0.0)), 0.0
    for j in range(vector.size):
        unit = np.abs(vector[j]) or 1.0
        columns[:, j], error = directional(function, vector, np.eye(vector.size)[j] * unit)
        relative = error / max(size + float(np.abs(columns[:, j]).max(initial=0.0)), np.finfo(float).tiny)
        if not relative <= USELESS:
            raise InputError(
                f"differences of values give derivatives to {relative:.0e} only (element {j} of the parameters): the "
                "code is not smooth there, rounds in single precision, or leaves its domain"
            )
        worst = max(worst, relative)
        columns[:, j] /= unit
    return columns, worst


def directional(
    function: Callable[[np.ndarray], np.ndarray], vector: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, float]:
    """(df(θ + t·direction)/dt at 0, (R,), estimated error of the worst element) from values of f alone."""
    value = np.atleast_1d(function(vector))
    noise, step = ROUNDINGS * np.finfo(float).eps * float(np.abs(value).max(initial=0.0)), FIRST_STEP
    found, least = np.full(value.size, np.nan), float("inf")

    def along(t: float) -> np.ndarray:
        try:
            return np.ravel(function(vector + t * direction))
        except TimeoutExceeded:
            raise
        except (TargetError, ArithmeticError, ValueError):  # a matrix without root, a step out of the domain
            return np.full(value.size, np.nan)

    for _ in range(TRIES):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # steps out of the domain give NaN, and are shrunk
            best, error = _extrapolated(along, step, noise)
        worst = float(np.max(error, initial=0.0)) if np.all(np.isfinite(error)) else float("inf")
        if worst < least or not value.size:
            found, least = best, worst
        if least <= USELESS * (float(np.abs(value).max(initial=0.0)) + float(np.abs(found).max(initial=0.0))):
            break
        step *= SHRINK
    return found, least


def _extrapolated(along: Callable[[float], np.ndarray], step: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """(derivative at 0, estimated error) of each element, from central differences at `LEVELS` steps, halved each time.

    C. J. F. Ridders, Advances in Engineering Software 4, 1982: of the table of extrapolations the entry that differs
    least from its neighbours. The number of evaluations is always the same, where `scipy.differentiate` stops when its
    error grows, which is a matter of rounding.
    """
    table: list[np.ndarray] = []
    plain: list[np.ndarray] = []
    sizes = [step * 0.5**level for level in range(LEVELS)]
    best, error, finest = np.zeros(0), np.zeros(0), np.zeros(0)
    for level, size in enumerate(sizes):
        row = [np.asarray((along(size) - along(-size)) / (2.0 * size), dtype=float)]
        plain.append(row[0])
        for order, coarser in enumerate(table, start=1):
            row.append(row[-1] + (row[-1] - coarser) / (4.0**order - 1.0))
        if not level:
            best, error, finest = row[0], np.full(row[0].shape, np.inf), np.full(row[0].shape, size)
        for order in range(1, len(row)):
            off = np.maximum(np.abs(row[order] - row[order - 1]), np.abs(row[order] - table[order - 1])) + noise / size
            better = off < error
            best, error = np.where(better, row[order], best), np.where(better, off, error)
            finest = np.where(better, size, finest)
        table = row
    return best, error + _roughness(plain, best, sizes) / finest


def _roughness(plain: list[np.ndarray], best: np.ndarray, sizes: list[float]) -> np.ndarray:
    """Noise of the values, seen where plain differences do not approach the best one as their steps shrink.

    Estimates of noise can agree by chance, of single precision even exactly.
    """
    found, before = np.zeros(best.shape), np.full(best.shape, np.inf)
    for one, size in zip(plain, sizes, strict=True):
        off = np.abs(one - best)
        found = np.maximum(found, np.where(off > 0.5 * before, off * size, 0.0))
        before = off
    return found


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
    known = error <= USELESS * size  # else nothing would be compared
    return bool(known and np.abs(exact - approximate).max(initial=0.0) <= 10.0 * error + AGREE * size)


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
