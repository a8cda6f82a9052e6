"""What a backend supplies; nothing above this floor knows which one runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Function = Callable[..., Any]


@dataclass(frozen=True)
class Cost:
    """What a backend's work costs, and what its cheapest derivatives are worth: budgets follow from it."""

    padded: bool
    """Whether one program of a cell's capacity should serve all smaller problems: where compiling is dear."""

    cheap_hessians: bool
    """Whether a Hessian costs a few gradients, so that a search may take one at every step."""

    share: int
    """How many times fewer problems that need a search this backend can afford."""

    hessian_error: float = 0.0
    """Error of a Hessian relative to its largest eigenvalue, beyond rounding: 0 for automatic differentiation."""

    directional: bool = False
    """Whether there are derivatives along directions only, each for the price of a few values."""


@dataclass(frozen=True)
class Kept:
    """A function of the catalogue, whose executables may be kept."""

    function: Function
    """The function."""

    key: str
    """Tells it from every other function that this source makes."""

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


@dataclass(frozen=True)
class Trace:
    """What a function does, read off without computing it."""

    dtype: np.dtype[Any]
    """Type of its result."""

    constants: tuple[bytes, ...]
    """Every number that it has taken up: two traces of one function have the same."""


class Backend(Protocol):
    """Compilation and derivatives of one array library in one floating-point type.

    Every method takes a function of a flat vector and a dictionary of fixed arrays, `(vector, fixed) -> value`, and
    returns a function of the same arguments that takes and returns NumPy arrays.
    """

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str:
        """Name on the command line and in reports."""
        ...

    @property
    def dtype(self) -> str:
        """Floating-point type, "float64" or "float32"."""
        ...

    @property
    def eps(self) -> float:
        """Machine epsilon of `dtype`."""
        ...

    @property
    def cost(self) -> Cost:
        """What the work costs."""
        ...

    def error_of(self, derived: Function) -> float:
        """Relative error, beyond rounding, of what a function made by `jacobian` returned last: 0 but for differences.

        Relative to the function's size and to its slope times the parameter.
        """
        ...

    def value(self, function: Function) -> Function:
        """The compiled function; any tree of arrays may be returned."""
        ...

    def value_gradient_hessian(self, function: Function, columns: np.ndarray) -> Function:
        """(scalar, (P,), (P, P)) of a scalar function; rows of the Hessian outside `columns` are zero.

        The vector is in natural units: where differences are taken, steps are the same for every element.
        """
        ...

    def jacobian(self, function: Function, mode: str) -> Function:
        """(Jacobians, auxiliary) of `function -> (tree of arrays, auxiliary)`; `mode` "forward" or "reverse"."""
        ...


class TargetBackend(Backend, Protocol):
    """A backend for code of others, which is differentiated in few directions: no Jacobian of many rows or columns.

    Functions return arrays, and a function without arguments for more that nothing is differentiated for.
    """

    def gradient(self, function: Function, unpack: Function) -> Function:
        """`(blocks, fixed) -> (scalar, more)` as `(vector, fixed) -> (scalar, gradient (P,), more)`.

        `unpack(vector)` are the named blocks, in their order; the gradient is None where `cost.directional`.
        """
        ...

    def pushforward(self, function: Function, finish: Function) -> Function:
        """`(vector, fixed) -> (tree, more)` as `(vector, fixed, direction) -> finish(tree, its tangent, more)`."""
        ...

    def pullback(self, function: Function) -> Function:
        """`(vector, fixed) -> {name: array}` as `(vector, fixed, weights alike) -> Σ weights · ∂array/∂θ, (P,)`."""
        ...

    def depends(self, function: Function, vector: Any, fixed: Any) -> Any:
        """Which arrays of the tree that `function` returns can change with the vector: a tree of booleans."""
        ...


def machine_epsilon(dtype: str) -> float:
    """Machine epsilon of a floating-point type given by name."""
    return float(np.finfo(np.dtype(dtype)).eps)


def in_columns(compiled: Function, columns: np.ndarray) -> Function:
    """The rows (C, P) of the Hessian that `compiled` returns after (value, gradient) in their places of (P, P)."""

    def run(vector: np.ndarray, fixed: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        value, gradient, rows = compiled(vector, fixed)
        hessian = np.zeros((gradient.size, gradient.size), dtype=gradient.dtype)
        hessian[columns] = rows
        return value, gradient, hessian

    return run
