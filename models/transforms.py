"""Transformations of a sample that leave the identity alone: the axes of the blocks say how each array moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elbocheck.bound.layout import DATA, LATENT, STATES
from elbocheck.models.base import Params
from elbocheck.models.sample import Sample


def _take(sample: Sample, axis: str, order: np.ndarray) -> Params:
    """Every block with `order` applied along each occurrence of the named axis."""
    result = {}
    for block in sample.cell.blocks:
        value = np.asarray(sample.params[block.name])
        for position, name in enumerate(block.axes):
            if name == axis:
                value = np.take(value, order, axis=position)
        result[block.name] = value
    return result


def permute_data(sample: Sample, order: np.ndarray) -> Sample:
    """The same data in another order (a permutation of N), with q's parameters following."""
    return replace(
        sample, x=sample.x[order], data_weights=sample.data_weights[order], params=_take(sample, DATA, order)
    )


def repeat_datum(sample: Sample, index: int, share: float) -> Sample:
    """Datum `index` split in two equal data: `share` of its weight stays, the rest goes to the copy."""
    order = np.append(np.arange(len(sample.x)), index)
    weights = sample.data_weights[order]
    weights[index] *= share
    weights[-1] *= 1.0 - share
    return replace(sample, x=sample.x[order], data_weights=weights, params=_take(sample, DATA, order))


def relabel_latents(sample: Sample, order: np.ndarray) -> Sample:
    """Latents (units or components) under other names: `order` a permutation of K."""
    params = _take(sample, LATENT, order)
    states = sample.cell.model.states
    if states is not None:
        table = states(sample.latents)
        # state m of the relabelled model is the old state whose latents, reordered, read the same
        image = table.reshape(len(table), sample.latents, -1)[:, order].reshape(table.shape)
        moved = [int(np.flatnonzero((image == state).all(axis=1))[0]) for state in table]
        params.update(
            {
                block.name: np.take(sample.params[block.name], moved, axis=block.axes.index(STATES))
                for block in sample.cell.blocks
                if STATES in block.axes
            }
        )
    relabelled = sample.cell.variational.relabelled
    if relabelled is not None:
        params.update(relabelled(sample.params, order))
    return replace(sample, params=params)


def rescale_data(sample: Sample, factor: float) -> tuple[Sample, float]:
    """(continuous data multiplied by `factor` > 0 with parameters following, shift of F and S: −D log factor)."""
    params = {
        block.name: np.asarray(sample.params[block.name]) * factor**block.degree + block.log_degree * np.log(factor)
        for block in sample.cell.blocks
    }
    shift = -sample.x.shape[1] * float(np.log(factor))
    return replace(sample, x=sample.x * factor, params=params), shift
