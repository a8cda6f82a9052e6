"""Ball backend: every result is an interval that provably contains the true value, at a chosen precision (Arb).

Derivatives come from Taylor polynomials along directions: t¹ gives the gradient, t² along e_i and e_i + e_j the Hessian
by polarisation, H_ij = c(e_i + e_j) − c(e_i) − c(e_j) with f(x + t v) = … + c(v) t².
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import ctx

from elbocheck.backends.balls.arrays import Balls, Objects, balls, boxed, objects
from elbocheck.backends.base import Function

DIRECTIONS = 128
"""Directions evaluated at once: what they share is computed once, what they do not fills memory."""


@dataclass(frozen=True)
class BallBackend:
    """Enclosures of values, gradients and Hessians with `bits` bits of precision.

    Functions take (vector, fixed), numbers (which are exact) or object arrays of `flint.arb`, and return object arrays
    of `flint.arb`; a box of parameters gives what encloses all values, gradients or Hessians in it.
    """

    bits: int = 192
    """Precision."""

    name: str = "ball"
    """Name in reports."""

    def value(self, function: Function) -> Function:
        """The function; any tree of arrays may be returned."""

        def run(vector: Any, fixed: Any) -> Any:
            with ctx.workprec(self.bits):
                return unwrapped(function(Balls(objects(vector)), wrapped(fixed)))

        return run

    def gradient(self, function: Function, columns: np.ndarray) -> Function:
        """(F, ∂F along `columns`) of a scalar function."""

        def run(vector: Any, fixed: Any) -> tuple[Any, Objects]:
            with ctx.workprec(self.bits):
                vector = objects(vector)
                value, first, _ = _taylor(function, vector, wrapped(fixed), _identity(vector.size, columns), 1)
                return value, first

        return run

    def value_gradient_hessian(self, function: Function, columns: np.ndarray) -> Function:
        """(F, ∇F along `columns`, ∇²F along `columns` (C, C)) of a scalar function."""

        def run(vector: Any, fixed: Any) -> tuple[Any, Objects, Objects]:
            with ctx.workprec(self.bits):
                vector = objects(vector)
                single = _identity(vector.size, columns)
                i, j = np.tril_indices(len(columns), -1)
                value, first, second = _taylor(
                    function, vector, wrapped(fixed), np.concatenate([single, single[i] + single[j]]), 2
                )
                own = second[: len(columns)]
                hessian = np.empty((len(columns),) * 2, dtype=object)
                hessian[np.diag_indices(len(columns))] = own * 2
                hessian[i, j] = hessian[j, i] = second[len(columns) :] - own[i] - own[j]
                return value, first[: len(columns)], hessian

        return run


def _identity(size: int, columns: np.ndarray) -> np.ndarray:
    return np.eye(size)[columns]


def _taylor(
    function: Function, vector: Objects, fixed: Any, directions: np.ndarray, order: int
) -> tuple[Any, Objects, Objects]:
    """(value, t¹, t²) of the function along directions (B, P)."""
    first, second, value = [], [], None
    for begin in range(0, max(len(directions), 1), DIRECTIONS):
        some = objects(directions[begin : begin + DIRECTIONS])
        result = function(Balls(vector, some, None, order), fixed)
        zeros = objects(np.zeros(len(some)))
        value = result.v[()] if value is None else value
        first.append(zeros if result.d is None else result.d.reshape(-1))
        second.append(zeros if result.h is None else result.h.reshape(-1))
    return value, np.concatenate(first), np.concatenate(second)


def wrapped(tree: Any) -> Any:
    """Every array of a tree as exact balls; integers and booleans, too."""
    return _mapped(lambda leaf: leaf if isinstance(leaf, Balls) else balls(leaf), tree)


def unwrapped(tree: Any) -> Any:
    """Every array of balls in a tree as an object array of `flint.arb`."""
    return _mapped(lambda leaf: boxed(leaf.v) if isinstance(leaf, Balls) else leaf, tree)


def _mapped(function: Any, tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _mapped(function, value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(_mapped(function, value) for value in tree)
    return None if tree is None else function(tree)
