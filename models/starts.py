"""Starts for one sample: ascent, redundant latents on purpose, and a climb to a saddle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, Protocol

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.compiled import Compiled
from elbocheck.bound.layout import Arrays
from elbocheck.models.base import Params
from elbocheck.models.mixture import merged
from elbocheck.solver.start import Start


class Searched(Protocol):
    """What starts need of a sample, which knows them."""

    @property
    def cell(self) -> Any:
        """Model, q, blocks, and how many evaluations an ascent may take."""

    @property
    def params(self) -> Params:
        """Random parameters, not padded."""

    @property
    def compiled(self) -> Compiled:
        """The compiled bound."""

    @property
    def latents(self) -> int:
        """K."""

    @property
    def seed(self) -> int:
        """Of what is random in the starts."""

    def fixed(self) -> Params:
        """Data, weights and masks."""

    def padded(self, params: Params) -> Params:
        """Parameters in the program's shapes."""


def starts(sample: Searched) -> tuple[Start, ...]:
    """Ascent from the sample's parameters; some latents made redundant; then all of them; then a search for index 1.

    With every latent redundant the model is its simplest (independent elements, one component), where a stationary
    point exists whenever the data allow any. The search is only for problems whose other starts ended in no saddle.
    """
    ascent = Start("ascent", _vector(sample, sample.params), limit=sample.cell.evaluations)
    if sample.cell.model.starts.truth is not None:  # q finds its way to a model near the truth first
        blocks = [block.name for block in sample.cell.model.blocks]
        ascent = replace(ascent, held=sample.compiled.bound.layout.mask(blocks))
    if sample.cell.variational.collapsed is None:
        return (ascent,)
    result = [ascent]
    rng = np.random.default_rng(sample.seed)
    if sample.latents > 1:
        subset = np.zeros(sample.latents, dtype=bool)
        subset[rng.permutation(sample.latents)[: rng.integers(1, sample.latents)]] = True
        partly = collapsed_start(sample, subset)
        if np.any(partly.held) or np.any(partly.vector != ascent.vector):  # one component alone is not redundant
            result.append(partly)
    result.append(
        collapsed_start(sample, np.ones(sample.latents, dtype=bool), missing="point" if len(result) > 1 else "")
    )
    if sample.latents > 1:
        result.append(Start("saddle", ascent.vector, index=1, limit=25, missing="saddle"))
    return tuple(profiled(sample, start) for start in result)


def profiled(sample: Searched, start: Start) -> Start:
    """The start with q's trained blocks eliminated, where they have a closed-form optimum."""
    cell, layout = sample.cell, sample.compiled.bound.layout
    best = cell.variational.optimum
    if best is None:
        return start

    def optimum(vector: Array, fixed: Arrays) -> Array:
        params = layout.unpack(vector)
        moved = {**params, **best(cell.model, params, fixed)}
        xp = namespace(vector).xp
        return xp.concat([xp.reshape(moved[name], (-1,)) for name in layout.names])

    return replace(start, optimum=optimum, eliminated=layout.mask(cell.variational.trained))


def collapsed_start(sample: Searched, subset: np.ndarray, missing: Literal["", "point"] = "") -> Start:
    """Start with the latents of boolean `subset` (K,) redundant."""
    model, variational = sample.cell.model, sample.cell.variational
    params, held = model.starts.collapsed(sample.params, subset)
    if variational.collapsed is not None:
        moved, more = variational.collapsed(model, params, subset)
        params, held = {**params, **moved}, {**held, **more}
    mask = _vector(sample, {name: value.astype(float) for name, value in held.items()}) > 0
    label, vector = "collapsed" if subset.all() else "partly collapsed", _vector(sample, params)
    return Start(label, vector, held=mask, tied=_tied(sample, vector, subset), missing=missing, limit=30)


def _tied(sample: Searched, vector: np.ndarray, subset: np.ndarray) -> np.ndarray | None:
    """Labels (P,) shared by elements that are equal and differ only in which latent of `subset` they belong to."""
    layout = sample.compiled.bound.layout
    own = np.arange(layout.size)
    labels = layout.unpack(own)
    for block in sample.cell.blocks:
        for axis in (axis for axis, name in enumerate(block.axes) if name == "K"):
            labels[block.name] = merged(labels[block.name], subset, axis)
    first = layout.pack(labels).astype(int)
    found = np.where(vector[first] == vector, first, own)
    return None if np.array_equal(found, own) else found


def _vector(sample: Searched, params: Params) -> np.ndarray:
    return sample.compiled.bound.layout.pack(sample.padded(params))
