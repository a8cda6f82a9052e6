"""PyTorch code that was not written for elbocheck: `torch.autograd` on the functions as they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.autograd import forward_ad

from elbocheck.backends.base import Cost, Function, in_columns, machine_epsilon
from elbocheck.backends.numpy import tree_map
from elbocheck.backends.torch_trigamma import exact_trigamma


@dataclass(frozen=True)
class EagerTorchBackend:
    """Values and derivatives of any differentiable PyTorch code, on the `device` of its parameters."""

    dtype: str = "float64"
    """Floating-point type of values and derivatives."""

    device: str = "cpu"
    """Where tensors are made, in the words of PyTorch."""

    name: str = "torch"
    """Name of its library."""

    @property
    def eps(self) -> float:
        return machine_epsilon(self.dtype)

    @property
    def cost(self) -> Cost:
        return Cost(padded=True, cheap_hessians=False, share=6)

    def _tensor(self, leaf: Any) -> torch.Tensor:
        tensor = leaf if isinstance(leaf, torch.Tensor) else torch.tensor(np.asarray(leaf), device=self.device)
        return tensor.to(getattr(torch, self.dtype)) if tensor.is_floating_point() else tensor

    def error_of(self, derived: Function) -> float:
        return 0.0

    def value(self, function: Function) -> Function:
        def run(*arguments: Any) -> Any:
            with torch.no_grad():
                return tree_map(_array, function(*tree_map(self._tensor, arguments)))

        return run

    def jacobian(self, function: Function, mode: str) -> Function:
        exact = exact_trigamma()

        def run(vector: Any, fixed: Any) -> Any:
            with exact():
                point = self._tensor(vector).requires_grad_()
                value, auxiliary = function(point, tree_map(self._tensor, fixed))
                return tree_map(lambda leaf: self._rows(leaf, point), value), tree_map(_array, auxiliary)

        return run

    def _rows(self, leaf: Any, point: torch.Tensor) -> np.ndarray:
        rows = np.zeros((*np.shape(leaf), point.numel()), dtype=self.dtype)
        if isinstance(leaf, torch.Tensor) and leaf.requires_grad:
            flat = rows.reshape(-1, point.numel())
            for index, element in enumerate(leaf.reshape(-1)):
                (row,) = torch.autograd.grad(element, point, retain_graph=True, allow_unused=True)
                flat[index] = 0.0 if row is None else _array(row)
        return rows

    def value_gradient_hessian(self, function: Function, columns: np.ndarray) -> Function:
        exact = exact_trigamma()

        def all_three(vector: Any, fixed: Any) -> Any:
            with exact():
                return derivatives(vector, fixed)

        def derivatives(vector: Any, fixed: Any) -> Any:
            point = self._tensor(vector).requires_grad_()
            value = function(point, tree_map(self._tensor, fixed))
            (gradient,) = torch.autograd.grad(value, point, create_graph=True)
            rows = np.zeros((len(columns), point.numel()), dtype=self.dtype)
            for index, column in enumerate(columns):
                if gradient.requires_grad:
                    (row,) = torch.autograd.grad(gradient[column], point, retain_graph=True, allow_unused=True)
                    rows[index] = 0.0 if row is None else _array(row)
            return _array(value), _array(gradient), rows

        return in_columns(all_three, columns)

    def gradient(self, function: Function, unpack: Function) -> Function:
        exact = exact_trigamma()

        def run(vector: Any, fixed: Any) -> Any:
            with exact():
                return derivatives(vector, fixed)

        def derivatives(vector: Any, fixed: Any) -> Any:
            # by blocks: the derivative of a slice is a vector of all parameters, mostly zeros
            blocks = {name: one.requires_grad_() for name, one in unpack(self._tensor(vector)).items()}
            value, more = function(dict(blocks), tree_map(self._tensor, fixed))
            with torch.no_grad():
                terms = tree_map(_array, more())
            del more
            slopes: Any = [None] * len(blocks)
            if isinstance(value, torch.Tensor) and value.requires_grad:
                slopes = torch.autograd.grad(value, list(blocks.values()), allow_unused=True)
            flat = [
                np.zeros(block.numel()) if slope is None else _array(slope).reshape(-1)
                for block, slope in zip(blocks.values(), slopes, strict=True)
            ]
            return _array(value), np.concatenate(flat), terms

        return run

    def pushforward(self, function: Function, finish: Function) -> Function:
        exact = exact_trigamma()

        def run(vector: Any, fixed: Any, direction: Any) -> Any:
            with exact():
                return derivatives(vector, fixed, direction)

        def derivatives(vector: Any, fixed: Any, direction: Any) -> Any:
            inputs = tree_map(self._tensor, fixed)
            try:
                return self._forward(function, finish, self._tensor(vector), inputs, self._tensor(direction))
            except NotImplementedError:  # an operation without a forward derivative
                return self._twice_back(function, finish, self._tensor(vector), inputs, self._tensor(direction))

        return run

    def _forward(self, function: Function, finish: Function, point: Any, fixed: Any, direction: Any) -> Any:
        with torch.no_grad(), forward_ad.dual_level(), warnings.catch_warnings():
            # PyTorch itself scripts some forward derivatives when the first is taken, and warns of that
            warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
            found, more = function(forward_ad.make_dual(point, direction), fixed)
            values, tangents, plain = tree_map(_primal, found), tree_map(_tangent, found), tree_map(_primal, more())
            return tree_map(_array, finish(values, tangents, lambda: plain))

    def _twice_back(self, function: Function, finish: Function, point: Any, fixed: Any, direction: Any) -> Any:
        """J v as the derivative of wᵀJ v in w: two reverse passes, for operations that have no forward derivative."""
        point = point.requires_grad_()
        found, more = function(point, fixed)

        def tangent(leaf: torch.Tensor) -> torch.Tensor:
            if not leaf.requires_grad:
                return torch.zeros_like(leaf)
            weights = torch.zeros_like(leaf).requires_grad_()
            (back,) = torch.autograd.grad(leaf, point, weights, create_graph=True, allow_unused=True)
            if back is None or not back.requires_grad:
                return torch.zeros_like(leaf)
            (along,) = torch.autograd.grad(back @ direction, weights, retain_graph=True, allow_unused=True)
            return torch.zeros_like(leaf) if along is None else along

        tangents = tree_map(tangent, found)
        with torch.no_grad():
            return tree_map(_array, finish(tree_map(torch.Tensor.detach, found), tangents, more))

    def pullback(self, function: Function) -> Function:
        exact = exact_trigamma()

        def run(vector: Any, fixed: Any, weights: Any) -> Any:
            with exact():
                return derivatives(vector, fixed, weights)

        def derivatives(vector: Any, fixed: Any, weights: Any) -> Any:
            point = self._tensor(vector).requires_grad_()
            found = function(point, tree_map(self._tensor, fixed))
            moving = [name for name, one in found.items() if one.requires_grad]
            seeds = [self._tensor(weights[name]) for name in moving]
            slope = None
            if moving:
                (slope,) = torch.autograd.grad([found[name] for name in moving], point, seeds, allow_unused=True)
            return np.zeros(point.numel()) if slope is None else _array(slope)

        return run

    def depends(self, function: Function, vector: Any, fixed: Any) -> Any:
        found, _ = function(self._tensor(vector).requires_grad_(), tree_map(self._tensor, fixed))
        return tree_map(lambda leaf: bool(getattr(leaf, "requires_grad", False)), found)


def _primal(leaf: Any) -> Any:
    return forward_ad.unpack_dual(leaf).primal if isinstance(leaf, torch.Tensor) else leaf


def _tangent(leaf: Any) -> Any:
    tangent = forward_ad.unpack_dual(leaf).tangent if isinstance(leaf, torch.Tensor) else None
    return torch.zeros_like(torch.as_tensor(_primal(leaf))) if tangent is None else tangent


def _array(leaf: Any) -> np.ndarray:
    return leaf.detach().cpu().numpy() if isinstance(leaf, torch.Tensor) else np.asarray(leaf)


def under_test(parameters: Iterable[Any]) -> EagerTorchBackend:
    """The backend for PyTorch code of others, on the device of its first tensor."""
    return EagerTorchBackend(
        device=next((str(one.device) for one in parameters if isinstance(one, torch.Tensor)), "cpu")
    )


def placed(array: np.ndarray, like: Any) -> torch.Tensor:
    """A NumPy array as a tensor that shares its memory, where `like` is."""
    tensor = torch.from_numpy(array)
    return tensor.to(like.device) if isinstance(like, torch.Tensor) else tensor


def constant(array: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """A NumPy array as a tensor beside `like`; of floating point, as PyTorch's special functions take no integers."""
    array = np.asarray(array, dtype=float) if array.dtype.kind in "iu" else np.asarray(array)
    return torch.asarray(array, device=like.device)
