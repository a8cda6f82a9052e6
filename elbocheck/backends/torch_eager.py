"""PyTorch code that was not written for elbocheck: `torch.autograd` on the functions as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from elbocheck.backends.base import Function, in_columns, machine_epsilon
from elbocheck.backends.numpy import tree_map


@dataclass(frozen=True)
class EagerTorchBackend:
    """Values and reverse-mode derivatives of any differentiable PyTorch code, on the CPU."""

    dtype: str = "float64"
    name: str = "torch"
    padded: bool = True
    cheap_hessians: bool = False
    hessian_error: float = 0.0
    share: int = 6

    @property
    def eps(self) -> float:
        return machine_epsilon(self.dtype)

    def _tensor(self, leaf: Any) -> torch.Tensor:
        tensor = leaf if isinstance(leaf, torch.Tensor) else torch.tensor(np.asarray(leaf))
        return tensor.to(getattr(torch, self.dtype)) if tensor.is_floating_point() else tensor

    def error_of(self, derived: Function) -> float:
        return 0.0

    def value(self, function: Function) -> Function:
        def run(*arguments: Any) -> Any:
            with torch.no_grad():
                return tree_map(_array, function(*tree_map(self._tensor, arguments)))

        return run

    def jacobian(self, function: Function, mode: str) -> Function:
        def run(vector: Any, fixed: Any) -> Any:
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
                flat[index] = 0.0 if row is None else row.numpy()
        return rows

    def value_gradient_hessian(self, function: Function, columns: np.ndarray) -> Function:
        def all_three(vector: Any, fixed: Any) -> Any:
            point = self._tensor(vector).requires_grad_()
            value = function(point, tree_map(self._tensor, fixed))
            (gradient,) = torch.autograd.grad(value, point, create_graph=True)
            rows = np.zeros((len(columns), point.numel()), dtype=self.dtype)
            for index, column in enumerate(columns):
                if gradient.requires_grad:
                    (row,) = torch.autograd.grad(gradient[column], point, retain_graph=True, allow_unused=True)
                    rows[index] = 0.0 if row is None else row.numpy()
            return _array(value), _array(gradient), rows

        return in_columns(all_three, columns)


def _array(leaf: Any) -> np.ndarray:
    return leaf.detach().numpy() if isinstance(leaf, torch.Tensor) else np.asarray(leaf)
