"""What a backend supplies; nothing above this floor knows which one runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

Function = Callable[..., Any]


class Backend(Protocol):
    """Compilation and derivatives of one array library in one floating-point type.

    Every method takes a function of a flat vector and a dictionary of fixed arrays, `(vector, fixed) -> value`, and
    returns a function of the same arguments that takes and returns NumPy arrays.
    """

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

    def value(self, function: Function) -> Function:
        """The compiled function; any tree of arrays may be returned."""
        ...

    def value_gradient_hessian(self, function: Function, columns: np.ndarray) -> Function:
        """(scalar, (P,), (P, P)) of a scalar function; rows of the Hessian outside `columns` are zero."""
        ...

    def jacobian(self, function: Function, mode: str) -> Function:
        """(Jacobians, auxiliary) of `function -> (tree of arrays, auxiliary)`; `mode` "forward" or "reverse"."""
        ...


def machine_epsilon(dtype: str) -> float:
    """Machine epsilon of a floating-point type given by name."""
    return float(np.finfo(np.dtype(dtype)).eps)
