"""Named parameter blocks and their flat vector.

Solvers work on one vector, models on named arrays; `Layout` goes back and forth, and the axis names of each block
say how it is padded, permuted, duplicated and rescaled, so that no other code knows a model's parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from elbocheck.backends.namespace import Array, namespace

Arrays = Mapping[str, Array]
Sizes = Mapping[str, int]

DATA, OBSERVED, LATENT, STATES = "N", "D", "K", "M"
"""Axis names: data, observed dimensions, latents (units or components), enumerated latent states."""


@dataclass(frozen=True)
class Block:
    """One named array of parameters, in a chart without constraints (logits, log variances, log diagonals)."""

    name: str
    """Unique in a bound."""

    axes: tuple[str, ...] = ()
    """Names of its axes, for example ("D", "K"); () for a scalar."""

    degree: int = 0
    """When the data are multiplied by s the block is multiplied by s**degree (1 for means, −1 for precisions)."""

    log_degree: int = 0
    """When the data are multiplied by s, log_degree·log s is added (2 for log variances)."""

    strictly_lower: bool = False
    """Whether the last two axes are a matrix of which only the part below the diagonal exists."""

    constant: bool = False
    """Whether it is never trained and never part of a direction β (noise of Monte Carlo samples)."""

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        return tuple(sizes[axis] for axis in self.axes)

    def exists(self, masks: Arrays, sizes: Sizes) -> np.ndarray:
        """Boolean array of the block's shape: the elements that exist, given one mask per axis name."""
        result = np.ones(self.shape(sizes), dtype=bool)
        for position, axis in enumerate(self.axes):
            shape = [1] * len(self.axes)
            shape[position] = -1
            result &= np.asarray(masks[axis], dtype=bool).reshape(shape)
        return np.tril(result, -1) if self.strictly_lower else result

    def unit(self, scale: np.ndarray, sizes: Sizes) -> np.ndarray:
        """Natural unit of each element: the data's scale per dimension (D,), to the power `degree`."""
        shape = self.shape(sizes)
        if not self.degree:
            return np.ones(shape)
        if OBSERVED not in self.axes:
            return np.full(shape, float(np.exp(np.mean(np.log(scale)))) ** self.degree)
        along = [1] * len(self.axes)
        along[self.axes.index(OBSERVED)] = -1
        return np.broadcast_to(scale.reshape(along) ** self.degree, shape)


@dataclass(frozen=True)
class Layout:
    """Order and shapes of the blocks in the flat vector."""

    names: tuple[str, ...]
    """Of the blocks, in their order."""

    shapes: tuple[tuple[int, ...], ...]
    """Of the blocks, in the same order."""

    absent: tuple[int, ...] = ()
    """Elements that no problem trains (upper parts of triangular blocks, constant blocks): no Hessian columns."""

    @classmethod
    def of_blocks(cls, blocks: Sequence[Block], sizes: Sizes) -> Layout:
        """The layout of blocks at the given sizes."""
        layout = cls(tuple(block.name for block in blocks), tuple(block.shape(sizes) for block in blocks))
        everywhere = {axis: np.ones(size, dtype=bool) for axis, size in sizes.items()}
        exists = layout.pack({block.name: block.exists(everywhere, sizes) & (not block.constant) for block in blocks})
        return cls(layout.names, layout.shapes, tuple(int(index) for index in np.flatnonzero(exists == 0)))

    @property
    def present(self) -> np.ndarray:
        """Indices of the elements that can be trained."""
        return np.setdiff1d(np.arange(self.size), np.array(self.absent, dtype=int))

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Layout:
        return cls(tuple(params), tuple(np.shape(value) for value in params.values()))

    @cached_property
    def slices(self) -> dict[str, slice]:
        ends = np.cumsum([0, *(int(np.prod(shape)) for shape in self.shapes)])
        return {name: slice(int(a), int(b)) for name, a, b in zip(self.names, ends[:-1], ends[1:], strict=True)}

    @property
    def size(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def unpack(self, vector: Array) -> dict[str, Array]:
        """Named arrays from a vector (P,) of any array library; arrays that are named already stay."""
        if isinstance(vector, dict):
            return vector
        if isinstance(vector, np.ndarray):
            return {
                name: vector[part].reshape(shape)
                for (name, part), shape in zip(self.slices.items(), self.shapes, strict=True)
            }
        xp = namespace(vector).xp
        return {
            name: xp.reshape(vector[part], shape)
            for (name, part), shape in zip(self.slices.items(), self.shapes, strict=True)
        }

    def pack(self, params: Arrays) -> np.ndarray:
        """The vector (P,) of named NumPy arrays; blocks that are missing are zero."""
        pieces = [
            np.broadcast_to(np.asarray(params.get(name, 0.0)), shape).reshape(-1)
            for name, shape in zip(self.names, self.shapes, strict=True)
        ]
        return np.concatenate(pieces) if pieces else np.zeros(0)

    def mask(self, names: Sequence[str]) -> np.ndarray:
        """Boolean (P,): the elements of the named blocks."""
        return (
            self.pack(
                {name: np.ones(shape) for name, shape in zip(self.names, self.shapes, strict=True) if name in names}
            )
            > 0
        )
