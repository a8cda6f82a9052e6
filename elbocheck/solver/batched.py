"""Searches of many problems of one cell at once, on JAX in float64; see `lanes` for their steps.

All problems have one shape, so that two programs serve them all. A lane ends where the one-by-one search would, or
close to it, or not at all; `batched_certificate` judges, and what is not certified may be tried one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from elbocheck.bound.compiled import Compiled
from elbocheck.bound.problem import Problem
from elbocheck.solver.lanes import CHORD, CLIMB, ENOUGH, ENTRY, LOOSE, STEPS, Landscape, glide, look, where
from elbocheck.solver.precision import DOUBLE
from elbocheck.solver.start import Start

LOOKS, CLIMBS = 10, 14
"""Most Hessians of one stage of a search towards a maximum, and towards a saddle."""
NEW = 0.1
"""Least trust radius of an ascent after a look."""
GLIDES = 6
"""Calls of `glide` after one look, until the next is due."""
WIDTHS = ((8, 16), (2048, 4096))
"""Lanes of one call of `look` and of `glide`: what fits the caches of a processor, and what fills an accelerator."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Problems of one cell, stacked: what does not change while they are searched."""

    problems: tuple[Problem, ...]
    """With one compiled bound."""

    columns: np.ndarray
    """Integers (C,): the elements that some problem of the cell trains, a function of the cell."""

    fixed: dict[str, np.ndarray]
    """Name -> (L, …) arrays."""

    free: np.ndarray
    """Boolean (L, P)."""

    units: np.ndarray
    """(L, P)."""

    @classmethod
    def of(cls, problems: Sequence[Problem], columns: np.ndarray) -> Cohort:
        """Of problems for which `batches` holds."""
        names = problems[0].fixed
        return cls(
            tuple(problems),
            columns,
            {name: np.stack([np.asarray(one.fixed[name]) for one in problems]) for name in names},
            np.stack([one.free_mask for one in problems]),
            np.stack([one.unit_vector for one in problems]),
        )

    @property
    def compiled(self) -> Compiled:
        return self.problems[0].compiled

    def some(self, lanes: np.ndarray) -> Cohort:
        """Of some of the problems, or of the same one several times."""
        return Cohort(
            tuple(self.problems[lane] for lane in lanes),
            self.columns,
            {name: array[lanes] for name, array in self.fixed.items()},
            self.free[lanes],
            self.units[lanes],
        )


@dataclass(frozen=True, eq=False)
class Ends:
    """Where searches ended."""

    vectors: np.ndarray
    """(L, P)."""

    evaluations: np.ndarray
    """Integers (L,): gradients and Hessians."""

    displacements: np.ndarray
    """(L, P): how far they went, in chart units."""


def batches(compiled: Compiled) -> bool:
    """Whether problems of a compiled bound can be lanes: of the catalogue, on JAX, in float64."""
    backend = compiled.backend
    return compiled.catalogued and (backend.name, backend.dtype) == ("jax", "float64") and compiled.bound.elbo is None


def widths() -> tuple[int, int]:
    """Lanes of one call of `look` and of `glide`, here."""
    from elbocheck.backends.lanes import on_accelerator

    return WIDTHS[on_accelerator()]


Step = Callable[[dict[str, Any]], dict[str, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Programs:
    """The compiled steps of a landscape."""

    look: Step
    """See `lanes.look`."""
    glide: Step
    """See `lanes.glide`."""
    where: Step
    """See `lanes.where`."""


_made: dict[Any, Programs] = {}


def _programs(compiled: Compiled, columns: np.ndarray, optimum: Any) -> Programs:
    """Made once; the closed forms of the optimum that the starts of one bound bring along are all the same."""
    key = (compiled, columns.tobytes(), optimum is None)
    if key not in _made:
        from elbocheck.backends.lanes import over_lanes

        landscape = Landscape(compiled.bound, columns, optimum)
        narrow, wide = widths()
        _made[key] = Programs(
            over_lanes(partial(look, landscape), narrow),
            over_lanes(partial(glide, landscape), wide),
            over_lanes(partial(where, landscape), wide),
        )
    return _made[key]


def search(cohort: Cohort, starts: Sequence[Start]) -> Ends:
    """From one start of each problem. Stages with held or tied elements come first, as in `find_stationary_point`."""
    optimum = next((start.optimum for start in starts if start.optimum is not None), None)
    programs = _programs(cohort.compiled, cohort.columns, optimum)
    vectors = np.stack([np.asarray(start.vector, dtype=float) for start in starts])
    eliminated = np.stack([np.broadcast_to(start.eliminated, vectors.shape[1:]) for start in starts])
    moved, evaluations = np.zeros_like(vectors), np.zeros(len(starts), dtype=int)
    held = np.stack([np.broadcast_to(start.held, vectors.shape[1:]) for start in starts])
    staged = np.array([start.tied is not None for start in starts]) | np.any(held & cohort.free, axis=1)
    apart = np.broadcast_to(np.arange(vectors.shape[1]), vectors.shape)
    tied = np.stack([apart[0] if start.tied is None else start.tied for start in starts])
    index = np.array([start.index for start in starts])
    limits = np.array([min(start.limit, CLIMBS) if start.index else LOOKS for start in starts])
    for lanes, moving, labels in (
        (np.flatnonzero(staged), cohort.free & ~held, tied),
        (np.arange(len(starts)), cohort.free, apart),
    ):
        if not lanes.size:
            continue
        own = cohort.some(lanes)
        going = moving[lanes] & ~eliminated[lanes]
        state = _lanes(own, vectors[lanes], going, labels[lanes], eliminated[lanes], index[lanes])
        _settle(programs, state, limits[lanes])
        vectors[lanes] = programs.where(_only(state, PLACED))["vector"]
        evaluations[lanes] += state["evaluations"]
        apart_by = np.zeros(vectors[lanes].shape)
        change = np.take_along_axis(state["point"] - state["begin"], state["label"], axis=1) * state["moving"]
        apart_by[:, cohort.columns] = change
        moved[lanes] = np.where(np.abs(apart_by) > np.abs(moved[lanes]), apart_by, moved[lanes])
    return Ends(vectors, evaluations, moved)


PLACED = ("base", "units", "moving", "label", "eliminated", "free", "fixed", "point")
LOOKED = (*PLACED, "index", "entry")
GLIDED = (*PLACED, "begin", "value", "slope", "matrix", "bend", "mode", "radius")
"""What the programs take of a lane."""


def _lanes(
    cohort: Cohort,
    vectors: np.ndarray,
    moving: np.ndarray,
    labels: np.ndarray,
    eliminated: np.ndarray,
    index: np.ndarray,
) -> dict[str, Any]:
    """The lanes of one stage, at its begin."""
    columns, count = cohort.columns, len(vectors)
    position = np.full(vectors.shape[1], -1)
    position[columns] = np.arange(columns.size)
    label = np.tile(np.arange(columns.size), (count, 1))
    for lane in np.flatnonzero(np.any(labels != np.arange(vectors.shape[1]), axis=1)):
        own = np.flatnonzero(moving[lane])
        _, first, groups = np.unique(labels[lane][own], return_index=True, return_inverse=True)
        label[lane, position[own]] = position[own[first]][groups]
    point = vectors[:, columns] / cohort.units[:, columns]
    point = np.take_along_axis(point, label, axis=1)
    return {
        "base": vectors,
        "units": cohort.units,
        "moving": moving[:, columns].astype(float),
        "label": label,
        "eliminated": eliminated.astype(float),
        "free": cohort.free.astype(float),
        "fixed": cohort.fixed,
        "index": index,
        "point": point,
        "begin": point.copy(),
        "value": np.zeros(count),
        "slope": np.zeros(point.shape),
        "matrix": np.zeros((*point.shape, columns.size)),
        "radius": np.ones(count),
        "entry": np.full(count, LOOSE),
        "bend": np.zeros(point.shape),
        "mode": np.zeros(count, dtype=int),
        "evaluations": np.zeros(count, dtype=int),
    }


def _only(state: dict[str, Any], names: Sequence[str], lanes: np.ndarray | None = None) -> dict[str, Any]:
    """Some entries of some lanes."""

    def some(array: np.ndarray) -> np.ndarray:
        return array if lanes is None else array[lanes]

    return {
        name: {key: some(array) for key, array in state[name].items()} if name == "fixed" else some(state[name])
        for name in names
    }


def _settle(programs: Programs, state: dict[str, Any], limits: np.ndarray) -> None:
    """Look and glide until every lane has ended."""
    polished, looks = np.full(len(limits), np.inf), np.zeros(len(limits), dtype=int)
    begun = programs.where(_only(state, PLACED))
    active = np.flatnonzero(np.isfinite(begun["size"]) & (begun["size"] > ENOUGH))  # a held stage may have ended there
    while active.size:
        found = programs.look(_only(state, LOOKED, active))
        looks[active] += 1
        for name in ("value", "slope", "matrix", "bend", "mode"):
            state[name][active] = found[name]
        state["evaluations"][active] += 1
        chord = found["mode"] == CHORD
        climbing = active[found["mode"] == CLIMB]
        state["radius"][climbing] = np.maximum(state["radius"][climbing], NEW)  # a new Hessian is trusted again
        # a new Hessian that polishes no further than the last one is no help either
        over = ~found["fine"] | (chord & (found["size"] >= polished[active]) & (found["size"] <= DOUBLE.gradient))
        active = active[~over]
        ended = _glide(programs, state, active, polished)
        active = active[~ended[active] & (looks[active] < limits[active])]


def _glide(programs: Programs, state: dict[str, Any], lanes: np.ndarray, polished: np.ndarray) -> np.ndarray:
    """Glide until looks are due; boolean, of all lanes: which have come to their end."""
    ended = np.zeros(len(polished), dtype=bool)
    for _ in range(GLIDES):
        if not lanes.size:
            break
        near = np.linalg.norm(state["slope"][lanes], axis=1) < ENTRY
        found = programs.glide(_only(state, GLIDED, lanes))
        for name in ("point", "value", "slope", "matrix", "radius"):
            state[name][lanes] = found[name]
        state["evaluations"][lanes] += STEPS
        chord, done = state["mode"][lanes] == CHORD, found["done"]
        settled = done & (found["size"] <= ENOUGH)
        ended[lanes] = settled | found["ran_away"] | (~chord & (found["radius"] < DOUBLE.null))
        stuck = chord & done & ~settled
        _back_off(state, lanes[stuck], found["size"][stuck], polished)
        lanes = lanes[~done & ~near]
    return ended


def _back_off(state: dict[str, Any], lanes: np.ndarray, sizes: np.ndarray, polished: np.ndarray) -> None:
    """Polishing has ended above rounding: a new Hessian, whose cut is closer, and polishing from further down."""
    again = sizes < 0.3 * polished[lanes]
    state["entry"][lanes] = np.where(again, state["entry"][lanes], 0.01 * np.minimum(state["entry"][lanes], sizes))
    state["radius"][lanes] = np.where(again, state["radius"][lanes], 0.1)
    polished[lanes] = sizes
