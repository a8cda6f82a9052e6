"""NumPy backend: plain NumPy and SciPy, derivatives by complex step; nothing is compiled, nothing is shared with JAX.

∂f/∂θ_j = Im f(θ + ih e_j) / h for an h whose square underflows: no difference is taken, so the derivative is as exact
as the value. All columns are one evaluation over a batch of points. Second derivatives are differences of that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbocheck.backends.base import Cost, Function, machine_epsilon
from elbocheck.backends.batch import Batch

STEPS = {"float64": 2.0**-560, "float32": 2.0**-76}
"""h of the complex step: h² underflows to zero, and derivatives far below rounding are still normal numbers."""
LANES, CACHE = 128, 2**14
"""Most points evaluated at once: enough to hide NumPy's cost per call; and elements of the largest fixed array times
points, few enough for the cache."""


@dataclass(frozen=True)
class NumpyBackend:
    """Values and complex-step derivatives by NumPy in `dtype` ("float64" or "float32").

    A Hessian takes P²/64 times as long as a value, so searches go without. Without a compiler padding buys nothing.
    """

    dtype: str = "float64"
    """Floating-point type of values and derivatives."""

    name: str = "numpy"
    """Name of its library."""

    @property
    def eps(self) -> float:
        return machine_epsilon(self.dtype)

    @property
    def cost(self) -> Cost:
        """The Hessian is one of differences of fourth order, with truncation and rounding of eps^(4/5) each.

        The factor 100 is for derivatives of higher order and terms of the bound that are larger than the Hessian.
        """
        error = 100.0 * self.eps ** (4.0 / 5.0)
        return Cost(padded=False, cheap_hessians=False, share=6, hessian_error=error)

    def error_of(self, derived: Function) -> float:
        return 0.0

    def value(self, function: Function) -> Function:
        return lambda *arguments: tree_map(self._real, function(*tree_map(self._lone, arguments)))

    def jacobian(self, function: Function, mode: str) -> Function:
        def run(vector: Any, fixed: Any) -> Any:
            vector = np.asarray(vector, dtype=self.dtype)
            inputs, identity, parts, auxiliary = tree_map(self._lone, fixed), np.eye(vector.size), [], None
            some = lanes(inputs)
            for begin in range(0, max(vector.size, 1), some):
                directions = identity[begin : begin + some]
                values, auxiliary = function(Batch(self._stepped(vector, directions)), inputs)
                count = len(directions)
                parts.append(tree_map(lambda leaf, count=count: self._columns(leaf, count), values))
            joined = parts[0] if len(parts) == 1 else tree_map(lambda *leaves: np.concatenate(leaves, axis=-1), *parts)
            return joined, tree_map(self._real, auxiliary)

        return run

    def value_gradient_hessian(self, function: Function, columns: np.ndarray) -> Function:
        """As the protocol says; steps of half `self.eps`^(1/5) in the vector, whose elements should be of order one."""
        slopes = self.jacobian(lambda *arguments: (function(*arguments),) * 2, mode="forward")

        def run(vector: Any, fixed: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            vector = np.asarray(vector, dtype=self.dtype)
            inputs, size = tree_map(self._lone, fixed), vector.size
            gradient, value = slopes(vector, fixed)
            hessian = np.zeros((size, size), dtype=self.dtype)
            rows, along = (columns[index] for index in np.tril_indices(len(columns)))
            pairs = lanes(inputs) // 4
            for begin in range(0, len(rows), pairs):
                some = slice(begin, begin + pairs)
                second = self._differences(function, inputs, vector, rows[some], along[some])
                hessian[rows[some], along[some]] = hessian[along[some], rows[some]] = second
            return value, gradient, hessian

        return run

    def _differences(
        self, function: Function, inputs: Any, vector: np.ndarray, rows: np.ndarray, along: np.ndarray
    ) -> np.ndarray:
        """∂²f/∂θ_row ∂θ_along for pairs of elements, from central differences at h and 2h without their h² error."""
        step, identity = 0.5 * self.eps ** (1.0 / 5.0), np.eye(vector.size, dtype=self.dtype)
        points = np.stack([vector + factor * step * identity[rows] for factor in (1, -1, 2, -2)])
        values = function(Batch(self._stepped(np.concatenate(points), np.tile(identity[along], (4, 1)))), inputs).data
        slopes = np.broadcast_to(values.imag / STEPS[self.dtype], 4 * len(rows)).reshape(4, -1)
        at = points[:, np.arange(len(rows)), rows]
        taken = at[[0, 2]] - at[[1, 3]]  # what rounding made of 2h and 4h
        near, far = (slopes[[0, 2]] - slopes[[1, 3]]) / taken
        ratio = (taken[1] / taken[0]) ** 2
        return near + (near - far) / (ratio - 1.0)

    def _stepped(self, points: np.ndarray, directions: np.ndarray) -> np.ndarray:
        data = np.empty(directions.shape, np.result_type(self.dtype, np.complex64))
        data.real, data.imag = points, STEPS[self.dtype] * directions
        return data

    def _lone(self, leaf: Any) -> Batch:
        leaf = np.asarray(leaf)
        return Batch((leaf.astype(self.dtype, copy=False) if leaf.dtype.kind == "f" else leaf)[None])

    def _real(self, leaf: Any) -> np.ndarray:
        """A result as an array: the first lane's, as real parts are equal in all."""
        return self._checked(leaf.data[0].real) if isinstance(leaf, Batch) else np.asarray(leaf)

    def _columns(self, leaf: Batch, size: int) -> np.ndarray:
        """Derivatives (*shape, P) of a result."""
        if not np.iscomplexobj(leaf.data):
            return np.zeros((*leaf.shape, size), dtype=self.dtype)
        tangents = np.broadcast_to(leaf.data.imag / STEPS[self.dtype], (size, *leaf.shape))
        return self._checked(np.ascontiguousarray(np.moveaxis(tangents, 0, -1)))

    def _checked(self, array: np.ndarray) -> np.ndarray:
        if array.dtype.kind == "f" and array.dtype != np.dtype(self.dtype):
            raise TypeError(
                f"a result of shape {array.shape} is {array.dtype}, the backend computes in {self.dtype}: "
                "a constant of another type entered; make it with dtype= or xp.astype"
            )
        return array


def lanes(fixed: Any) -> int:
    """Points to evaluate at once, by the size of the largest fixed array."""
    sizes = [1]
    tree_map(lambda leaf: sizes.append(leaf.size), fixed)
    return max(4, min(LANES, CACHE // max(sizes)))


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The tree (dictionaries, tuples, lists) with `function` applied to every leaf, of several alike trees at once."""
    if isinstance(tree, dict):
        found = {key: tree_map(function, value, *(other[key] for other in others)) for key, value in tree.items()}
        return type(tree)(found)
    if isinstance(tree, (tuple, list)):
        return type(tree)(tree_map(function, *values) for values in zip(tree, *others, strict=True))
    return None if tree is None else function(tree, *others)
