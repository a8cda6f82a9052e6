"""Cell (model × variational family × capacity) and Sample (one data set and parameters for it)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

import elbocheck.models as catalogue
from elbocheck.backends import get_backend
from elbocheck.backends.base import Backend
from elbocheck.bound.compiled import Compiled
from elbocheck.bound.definition import Bound
from elbocheck.bound.factors import Declaration
from elbocheck.bound.layout import DATA, LATENT, OBSERVED, STATES, Arrays, Block, Layout
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.bound.problem import Prepared, Problem
from elbocheck.errors import InputError
from elbocheck.executables import where_kept
from elbocheck.models.base import Model, Params, Variational
from elbocheck.models.starts import starts
from elbocheck.models.support import check_weights, data_scale

Capacity = tuple[int, int, int]
"""(N, D, K): the sizes that arrays are padded to; one compiled program serves all smaller problems."""


PointsFunction = Callable[[Model, Arrays, Arrays], WeightedPoints]


@dataclass(frozen=True)
class Cell:
    """One row of the catalogue: a model with a variational family."""

    model: Model
    """The model."""

    variational: Variational
    """The variational family."""

    capacity: Capacity
    """Largest (N, D, K)."""

    frozen: tuple[str, ...] = ()
    """Blocks of the model that training never moves."""

    suffix: str = ""
    """Of the name: tells the cell from the one that trains them."""

    least: Capacity = (1, 1, 1)
    """Smallest (N, D, K) of problems that are meant to be solvable."""

    evaluations: int = 35
    """Most evaluations of an ascent."""

    costly: bool = False
    """Whether a problem takes some ten times as long as most.

    A run draws a third as many.
    """

    chosen: Backend | None = None
    """The backend that its problems run on, see `on`; None: the default one."""

    def on(self, backend: Backend | None) -> Cell:
        """The same cell with problems that run on `backend`; None: the default one."""
        return replace(self, chosen=backend)

    @property
    def backend(self) -> Backend:
        """What its problems run on."""
        return get_backend() if self.chosen is None else self.chosen

    @property
    def name(self) -> str:
        return f"{self.model.name}/{self.variational.name}{self.suffix}"

    @property
    def posterior(self) -> str:
        """Name of the variational family, with the suffix of the cell."""
        return f"{self.variational.name}{self.suffix}"

    @property
    def out_of_scope(self) -> str:
        """Why the theorem does not apply; empty if it does."""
        return self.model.theory.out_of_scope or self.variational.out_of_scope

    @property
    def group(self) -> str:
        """Name of the cell's compiled program: equal for cells that share it."""
        return f"{self.model.name}/{self.variational.points.__name__}"

    @property
    def has_saddles(self) -> bool:
        """Whether q follows several latents made redundant, which makes saddles; a fixed q makes the bound concave."""
        return self.variational.collapsed is not None and self.capacity[2] > 1

    @property
    def grows_with_data(self) -> bool:
        """Whether q has trained parameters for every datum, so that a search is over as many as there are data."""
        return any(DATA in block.axes for block in self.variational.blocks if block.name in self.variational.trained)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return (*self.model.blocks, *self.variational.blocks)

    @property
    def parameters(self) -> int:
        """How many elements the parameters of its largest problems have."""
        return int(Layout.of_blocks(self.blocks, self.axis_sizes(self.capacity)).present.size)

    def program_at(self, capacity: Capacity) -> Compiled:
        """The program of arrays padded to `capacity`."""
        q = self.variational
        return program_for(self.model, q.points, q.blocks, tuple(q.axes.items()), capacity, self.backend)

    def axis_sizes(self, capacity: Capacity) -> dict[str, int]:
        """Axis name -> size, at a given (N, D, K)."""
        return axis_sizes(self.model, self.variational.axes, capacity)


def axis_sizes(model: Model, q_axes: Mapping[str, int], capacity: Capacity) -> dict[str, int]:
    """Axis name -> size; the states axis M follows from K."""
    data, observed, latents = capacity
    states = 0 if model.states is None else len(model.states(latents))
    return {DATA: data, OBSERVED: observed, LATENT: latents, STATES: states, **model.axes, **q_axes}


@cache
def program_for(
    model: Model,
    points: PointsFunction,
    q_blocks: tuple[Block, ...],
    q_axes: tuple[tuple[str, int], ...],
    capacity: Capacity,
    backend: Backend,
) -> Compiled:
    """One program per shape and backend, shared by cells that differ only in what is trained."""
    sizes = axis_sizes(model, dict(q_axes), capacity)
    blocks = (*model.blocks, *q_blocks)
    layout = Layout.of_blocks(blocks, sizes)

    def points_of(params: Arrays, fixed: Arrays) -> WeightedPoints:
        return points(model, params, fixed)

    def declare(params: Arrays, fixed: Arrays) -> Declaration:
        q = points_of(params, fixed)
        factors = model.factors(params, fixed, q.latents)
        return Declaration(factors, q.weights, q.entropy, fixed["data_weights"], q.rescaling, q.optimal)

    bound = Bound(layout, declare, points=points_of, factors=model.factors)
    return Compiled(bound, backend, catalogued=True, key=_key(model, points, q_blocks, q_axes, capacity))


def _key(model: Model, points: PointsFunction, q_blocks: Any, q_axes: Any, capacity: Capacity) -> str:
    """What tells a program of the catalogue from all others; empty for models and families that are not of it."""
    for cell in catalogue.cells() if where_kept() else ():
        q = cell.variational
        if (cell.model, q.points, q.blocks, tuple(q.axes.items())) == (model, points, q_blocks, q_axes):
            return f"{cell.name} at {capacity}"
    return ""


@dataclass(frozen=True, eq=False)
class Sample:
    """One data set with parameters for one cell, at its own sizes; `problem()` pads it to the cell's capacity.

    Raises `InputError` for data outside the model's support, unusable weights, parameters of a wrong shape, or sizes
    beyond the capacity.
    """

    cell: Cell
    """The cell."""

    x: np.ndarray
    """Data (N, D)."""

    data_weights: np.ndarray
    """(N,), summing to 1."""

    latents: int
    """K."""

    params: Params
    """Name -> unpadded array."""

    frozen: tuple[str, ...] = ()
    """Names of model blocks that training does not move."""

    label: str = "sample"
    """For messages."""

    seed: int = 0
    """For random starts."""

    def on(self, backend: Backend | None) -> Sample:
        """The same sample with a problem that runs on `backend`."""
        return replace(self, cell=self.cell.on(backend))

    def __repr__(self) -> str:
        return f"<{self.cell.name}, (N, D, K) = {self.sizes}: {self.label}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Hypothesis prints dataclasses field by field otherwise."""
        printer.text(repr(self))

    @classmethod
    def checked(
        cls,
        cell: Cell,
        x: np.ndarray,
        latents: int,
        params: Params,
        data_weights: np.ndarray | None = None,
        frozen: tuple[str, ...] = (),
        label: str = "sample",
        seed: int = 0,
    ) -> Sample:
        """A sample whose data, weights, sizes and parameter shapes have been validated."""
        x = np.asarray(x, dtype=float)
        cell.model.data.check(x)
        dtype = cell.backend.dtype
        if np.abs(x).max() > np.finfo(dtype).max:
            raise InputError(f"{label}: data up to {np.abs(x).max():.3g} do not fit into {dtype}; scale them")
        weights = np.full(len(x), 1.0 / len(x)) if data_weights is None else data_weights
        sample = cls(cell, x, check_weights(weights, len(x)), latents, params, frozen, label, seed)
        if any(size > most for size, most in zip(sample.sizes, cell.capacity, strict=True)):
            raise InputError(f"{label}: sizes (N, D, K) = {sample.sizes} exceed the capacity {cell.capacity}")
        sizes = cell.axis_sizes(sample.sizes)
        for block in cell.blocks:
            if block.name not in params:
                raise InputError(f"{label}: parameter block {block.name!r} of {cell.name} is missing")
            if np.shape(params[block.name]) != block.shape(sizes):
                raise InputError(
                    f"{label}: parameter block {block.name!r} has shape {np.shape(params[block.name])}, "
                    f"expected {block.shape(sizes)}"
                )
        return sample

    @property
    def sizes(self) -> Capacity:
        """(N, D, K) of this sample."""
        return (*self.x.shape, self.latents)

    @property
    def capacity(self) -> Capacity:
        """What arrays are padded to: the cell's capacity, or nothing where no program is compiled."""
        return self.cell.capacity if self.cell.backend.cost.padded else self.sizes

    @property
    def compiled(self) -> Compiled:
        """The program of this sample's problem."""
        return self.cell.program_at(self.capacity)

    def problem(self) -> Problem:
        """The padded problem of this sample."""
        model, capacity = self.cell.model, self.capacity
        sizes, own = self.cell.axis_sizes(capacity), self.cell.axis_sizes(self.sizes)
        masks = {axis: np.arange(sizes[axis]) < own[axis] for axis in sizes}
        scale = (model.data.scale or data_scale)(self.x, self.data_weights)
        # blocks without a dimension of the data go by the mean over those that exist
        absent = np.full(capacity[1] - own[OBSERVED], float(np.exp(np.mean(np.log(scale)))))
        scale = np.concatenate([scale, absent])
        frozen = {*self.frozen, *self.cell.frozen}
        trained = {block.name for block in model.blocks} - frozen | set(self.cell.variational.trained)
        return Problem(
            params=self.padded(self.params),
            free={b.name: b.exists(masks, sizes) & (b.name in trained) for b in self.cell.blocks},
            units={b.name: b.unit(scale, sizes) for b in self.cell.blocks},
            label=self.label,
            prepared=Prepared(self.compiled, self.fixed(), starts(self)),
        )

    def fixed(self) -> Params:
        """Padded data (as they are, and standardised), weights and masks of existing dimensions and latents."""
        capacity = self.capacity
        standardised = (self.x - self.data_weights @ self.x) / data_scale(self.x, self.data_weights)
        return {
            "x": padded(self.x, capacity[:2], self.cell.model.data.fill),
            "inputs": padded(standardised, capacity[:2]),
            "data_weights": padded(self.data_weights, capacity[:1]),
            "exists_D": padded(np.ones(self.x.shape[1]), capacity[1:2]),
            "exists_K": padded(np.ones(self.latents), capacity[2:]),
        }

    def padded(self, params: Params) -> Params:
        """Arrays of `capacity` with `params` in their leading corners; missing blocks are left out."""
        sizes = self.cell.axis_sizes(self.capacity)
        return {b.name: padded(params[b.name], b.shape(sizes)) for b in self.cell.blocks if b.name in params}

    def with_params(self, params: Mapping[str, np.ndarray]) -> Sample:
        """The same data at other (unpadded) parameters."""
        return replace(self, params={**self.params, **params})

    def unpadded(self, params: Mapping[str, np.ndarray]) -> Params:
        """Unpadded copies of padded parameter arrays."""
        own = self.cell.axis_sizes(self.sizes)
        return {
            block.name: np.array(params[block.name][tuple(slice(size) for size in block.shape(own))])
            for block in self.cell.blocks
        }


def random_sample(
    cell: Cell,
    x: np.ndarray,
    latents: int,
    seed: int,
    data_weights: np.ndarray | None = None,
    frozen: tuple[str, ...] = (),
    label: str = "sample",
    rng: np.random.Generator | None = None,
) -> Sample:
    """A validated sample at random starting parameters, reproducible from `seed`; or at numbers from `rng`."""
    rng = np.random.default_rng(seed) if rng is None else rng
    x = np.asarray(x, dtype=float)
    cell.model.data.check(x)
    weights = check_weights(np.ones(len(x)) if data_weights is None else data_weights, len(x))
    params = {
        **cell.model.starts.initial(rng, x, weights, latents),
        **cell.variational.initial(rng, cell.model, x, latents),
    }
    return Sample.checked(cell, x, latents, params, weights, frozen, label, seed)


def padded(value: np.ndarray, shape: tuple[int, ...], fill: float = 0.0) -> np.ndarray:
    """`value` in the leading corner of an array of `shape`, the rest being `fill`."""
    value = np.asarray(value, dtype=float)
    result = np.full(shape, fill)
    result[tuple(slice(size) for size in value.shape)] = value
    return result
