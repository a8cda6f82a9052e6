"""A part of the bound at other parameters: one block ignored, doubled, inverted, in another order, or another's.

Such a mistake has the value that the declared part has at the parameters so changed, to rounding at every point,
whatever the part is: no formula of it need be known.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.bound.trees import covers
from elbocheck.diagnosis.influence import Part, sizes_of, with_q
from elbocheck.diagnosis.probes import Probe
from elbocheck.diagnosis.suspects.base import Suspect
from elbocheck.diagnosis.vanishing import explicit_owner
from elbocheck.errors import ElbocheckError

MOST_SIZE = 4096
"""Blocks with more elements are left alone."""
MOST_SECONDS = 8.0
"""In which no further block is begun."""
CLOSE = 1e-6
"""Relative to the deviation: what is farther off at the first point is not tried at the others."""
RANK = 4
"""Formulas that are known say more."""


def suspects_of_parameters(points: Sequence[Probe], known: Sequence[Part], blocks: Sequence[str]) -> Iterator[Suspect]:
    """Every part, and the whole bound, with one of the `blocks` changed."""
    problem, excess, deadline = points[0].problem, points[0].excess, time.perf_counter() + MOST_SECONDS
    for block in blocks:
        where = problem.layout.slices[block]
        if where.stop - where.start > MOST_SIZE or time.perf_counter() > deadline:
            continue
        names = [*_changes(problem, block)]
        without, twice = (_moved(problem, block, name) for name in (names[0], names[2]))  # 0 and 2 times the block
        linear = {key for key, size in twice.items() if abs(size + without.get(key, np.nan)) <= CLOSE * abs(size)}
        for name in names:
            here = _moved(problem, block, name)
            multiples = linear if name in names[:5] else ()  # of a term like any other: it fits by accident
            hits = [k for k, size in here.items() if abs(size - excess) <= CLOSE * abs(excess) and k not in multiples]
            if not hits:
                continue
            there = [here, *(_moved(one.problem, block, name) for one in points[1:])]
            for key in hits:
                sizes = tuple(one.get(key, np.nan) for one in there)
                kind, factor, _ = key if key[0] else ("value", _owner(problem, known, block), "")
                yield Suspect(f"as it would be with {name}", kind, factor, sizes, rank=RANK)


def _owner(problem: Problem, known: Sequence[Part], block: str) -> str:
    """The one factor that a block is a parameter of, as declared or while q is held; empty if there is none."""
    named = [f.name for f in problem.declaration.factors if any(covers(one, block) for one in f.parameters)]
    owners = named or [one.factor for one in known if block in one.held]
    return owners[0] if len(owners) == 1 else explicit_owner(problem, block)


def _moved(problem: Problem, block: str, name: str) -> dict[tuple[str, str, str], float]:
    """(kind, factor, label) -> what the change adds to this part; the empty kind is the whole bound's."""
    vector = problem.vector.copy()
    changed = _changes(problem, block).get(name)
    if changed is None or not np.all(np.isfinite(changed)):
        return {}
    vector[problem.layout.slices[block]] = np.ravel(changed)
    try:
        before, at = sizes_of(problem, problem.declaration), problem.at(vector)
        after, held = sizes_of(at, at.declaration), sizes_of(problem, with_q(at.declaration, problem.declaration))
    except ElbocheckError:  # outside the domain of the code
        return {}
    found = {key: after[key][0] - size for key, (size, _) in before.items()}
    weight = problem.declaration.entropy_weight
    whole = sum(weight * size if key[0] == "entropy" else size for key, size in found.items())
    with_held = {(*key[:2], "q held"): held[key][0] - size for key, (size, _) in before.items() if key[0] == "value"}
    return {**found, **with_held, ("", "", ""): whole}


def _changes(problem: Problem, block: str) -> dict[str, np.ndarray]:
    """Name -> the block's elements after a usual mistake."""
    layout = problem.layout
    shapes = dict(zip(layout.names, layout.shapes, strict=True))
    shape = shapes[block]
    x = problem.vector[layout.slices[block]].reshape(shape)
    with np.errstate(all="ignore"):
        softplus = np.logaddexp(0.0, x)
        found = {
            f"{block} = 0: it is ignored, a mean or a scale that is left out": np.zeros(shape),
            f"{block} = 1: it is ignored, a multiple that is left out": np.ones(shape),
            f"2 × {block}: the square of a scale or standard deviation, a variance, if it is a logarithm": 2.0 * x,
            f"½ × {block}: the root of a scale or variance, a standard deviation, if it is a logarithm": 0.5 * x,
            f"−{block}: its sign, or the inverse, a precision for a variance or a rate for a scale": -x,
            f"the square of {block}": x**2,
            f"the absolute value of {block}": np.abs(x),
            f"the exponential of {block}, taken twice": np.exp(x),
            f"the logarithm of {block}: its exponential is left out": np.log(x),
            f"the exponential for the softplus of {block}, the scale": np.log(np.expm1(np.exp(x))),
            f"the softplus for the exponential of {block}, the scale": np.log(softplus),
        }
        for axis, size in enumerate(shape):
            if size > 1:
                of = f"along axis {axis}" if len(shape) > 1 else ""
                found[f"{block} in reversed order {of}".strip()] = np.flip(x, axis)
                found[f"{block} shifted by one index {of}".strip()] = np.roll(x, 1, axis)
                found[f"{block} shifted back by one index {of}".strip()] = np.roll(x, -1, axis)
                first, mean = np.take(x, [0], axis), x.mean(axis, keepdims=True)
                found[f"the first index of {block} for all {of}".strip()] = np.broadcast_to(first, shape)
                found[f"the mean of {block} for all {of}".strip()] = np.broadcast_to(mean, shape)
        if len(shape) > 1 and shape[-1] == shape[-2]:
            found[f"{block} transposed"] = np.swapaxes(x, -1, -2)
        for other in layout.names:
            if other != block and shapes[other] == shape:
                found[f"{other} in place of {block}"] = problem.vector[layout.slices[other]].reshape(shape)
    return found
