"""Where a deviation vanishes: a block that is used wrongly does no harm where it is 0 or 1.

A variance for a standard deviation is right at σ = 1, a weight that is left out at w = 1, one that is squared at both:
a deviation that is nothing there, whatever the other parameters are, is of how this block enters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from elbocheck.backends.namespace import double_precision, plain
from elbocheck.bound.decomposition import decompose
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import natural_size
from elbocheck.diagnosis.influence import owners_of
from elbocheck.diagnosis.probes import Probe
from elbocheck.errors import ElbocheckError
from elbocheck.families.base import parts_of

POINTS = 3
"""Points at which the deviation must vanish."""
MOST_BLOCKS = 12
"""Blocks that are tried."""
MOVE, LINEAR = 0.3, 1e-9
"""How far a block is moved, in its natural size; relative residual of what is linear in the latents."""


def vanishing_block(points: list[Probe], blocks: list[str]) -> tuple[str, str]:
    """(the one block without which there is no deviation, the factor that it is a parameter of, empty if unknown)."""
    found = []
    for block in blocks[:MOST_BLOCKS] if len(points) >= POINTS else ():
        values = [value for value in (1.0, 0.0) if all(_vanishes(one, block, value) for one in points[-POINTS:])]
        values = [value for value in values if not _decouples(points[-1].problem, block, value, blocks)]
        if values:
            found.append((block, values[0]))
    ones = [one for one in found if one[1] == 1.0]  # at 0 a product vanishes, whatever is wrong with the other part
    if len(found) != 1 and len(ones) != 1:
        return "", ""
    (block, value) = found[0] if len(found) == 1 else ones[0]
    problem = points[-1].problem
    owner = owners_of(problem).get(block) or explicit_owner(problem, block)
    return f"{block} = {value:g}", owner


def _vanishes(point: Probe, block: str, value: float) -> bool:
    vector = point.problem.vector.copy()
    vector[point.problem.layout.slices[block]] = value
    try:
        there = Probe(at := point.problem.at(vector), decompose(at))
    except ElbocheckError:  # outside the domain of the code
        return False
    return bool(abs(there.excess) <= there.noise and abs(point.excess) > 1e3 * there.noise)


def _decouples(problem: Problem, block: str, value: float, blocks: list[str]) -> bool:
    """Whether the declared bound no longer depends on some other block there, so that nothing of it can be wrong."""
    vector, slices = problem.vector.copy(), problem.layout.slices
    vector[slices[block]] = value
    try:
        here = decompose(problem.at(vector))
        for other in blocks:
            if other == block:
                continue
            moved = vector.copy()
            moved[slices[other]] += MOVE * natural_size(problem)[slices[other]]
            if abs(decompose(problem.at(moved)).declared - here.declared) <= 4 * here.elbo_rounding:
                return True
    except ElbocheckError:
        return True
    return False


def explicit_owner(problem: Problem, block: str) -> str:
    """The one Gaussian factor whose mean, as a function of the latents, or variance a block changes; else empty.

    Where q is a function of all parameters every mean moves with every block. Means that are linear in the latents
    are told from that: as a function they are fitted, and compared at the same latents.
    """
    moved = problem.vector.copy()
    where = problem.layout.slices[block]
    moved[where] += MOVE * natural_size(problem)[where]
    try:
        here, there = problem.declaration, problem.at(moved).declaration
    except ElbocheckError:
        return ""
    owners = []
    with double_precision():
        before, after = _latents(here), _latents(there)
        for one, other in zip(here.factors, there.factors, strict=True):
            changed = _changes(one, other, before, after)
            if changed is None:
                return ""
            if changed:
                owners.append(one.name)
    return owners[0] if len(owners) == 1 else ""


def _latents(declaration: Declaration) -> np.ndarray:
    """(N · M, 1 + latents): all values at points of q, and 1."""
    values = [plain(f.value) for f in declaration.factors if np.ndim(f.value) > 1 and np.shape(f.value)[1] > 1]
    if not values:
        return np.ones((1, 1))
    rows = max(one.shape[0] for one in values)
    wide = [np.broadcast_to(one, (rows, *one.shape[1:])).reshape((rows * one.shape[1], -1)) for one in values]
    if len({len(one) for one in wide}) != 1:
        return np.ones((1, 1))
    return np.concatenate([np.ones((len(wide[0]), 1)), *wide], axis=1)


def _changes(one: Factor, other: Factor, before: np.ndarray, after: np.ndarray) -> bool | None:
    """Whether two factors differ as functions of the latents; None if that cannot be told."""
    first: Any = one.distribution
    second: Any = other.distribution
    if not parts_of(first).mean_and_variance:
        return None
    if not np.array_equal(plain(first.variance), plain(second.variance)):
        return True if np.ndim(first.variance) < 2 or np.shape(first.variance)[1] == 1 else None
    means = plain(first.mean), plain(second.mean)
    if means[0].ndim < 2 or means[0].shape[1] == 1:
        return not np.array_equal(*means)
    if len(before) < 2 * before.shape[1] or any(m.shape[0] * m.shape[1] != len(before) for m in means):
        return None
    told = []
    for mean, latents in zip(means, (before, after), strict=True):
        flat = mean.reshape((len(latents), -1))
        weights = np.linalg.lstsq(latents, flat, rcond=None)[0]
        if np.abs(latents @ weights - flat).max() > LINEAR * (1.0 + np.abs(flat).max()):
            return None
        told.append(before @ weights)
    return bool(np.abs(told[0] - told[1]).max() > 1e-6 * (1.0 + np.abs(told[0]).max()))
