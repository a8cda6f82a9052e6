"""Which parts can make two parameters act on each other as the deviation makes them."""

from __future__ import annotations

import time

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import natural_size, read
from elbocheck.diagnosis.influence import Part, sizes_of
from elbocheck.diagnosis.probes import Probe
from elbocheck.errors import ElbocheckError

PAIRS = 12
"""Pairs of elements that are tried."""
STEP = 0.3
"""How far each is moved, in its natural size."""
SEEN, NONE = 1e-6, 1e-11
"""A second difference that is larger than the first, relative to the values it is of, is seen; below the second there
is none."""
MOST_SECONDS = 5.0
"""After which no further pair is tried."""


def that_interact(points: list[Probe], fits: list[Part], blocks: list[str]) -> list[Part]:
    """Those of the parts that have ∂²/∂θᵢ∂θⱼ ≠ 0 wherever the deviation has; all of them if none has.

    A prior that is a sum over latents does not make two of them act on each other, as a likelihood does.
    """
    problem, left = points[-1].problem, fits
    deadline = time.perf_counter() + MOST_SECONDS
    rng, size = np.random.default_rng(0), natural_size(problem)
    elements = np.concatenate([np.arange(problem.vector.size)[problem.layout.slices[name]] for name in blocks])
    elements = elements[np.asarray(problem.free_mask, dtype=bool)[elements]] if np.ndim(problem.free_mask) else elements
    if len(elements) < 2:
        return fits
    here = _values(problem, fits)
    for _ in range(PAIRS):
        if len(left) < 2 or time.perf_counter() > deadline:
            break
        i, j = rng.choice(elements, 2, replace=False)
        corners = [here]
        try:
            for both in ((i,), (j,), (i, j)):
                moved = problem.vector.copy()
                moved[list(both)] += STEP * size[list(both)]
                corners.append(_values(problem.at(moved), fits))
        except ElbocheckError:  # outside the domain of the code
            continue
        mixed = np.abs(corners[3] - corners[2] - corners[1] + corners[0])
        scale = np.abs(corners).max(axis=0) + 1e-300
        if not mixed[0] > SEEN * scale[0]:
            continue
        left = [one for one in left if mixed[1 + fits.index(one)] > NONE * (1.0 + scale[1 + fits.index(one)])]
    return left or fits


def _values(problem: Problem, fits: list[Part]) -> np.ndarray:
    """(the deviation, each of the parts)."""
    reading, sizes = read(problem), sizes_of(problem, problem.declaration)
    return np.array(
        [reading.elbo - reading.declared, *(sizes[one.kind, one.factor, one.label][0] for one in fits)], dtype=float
    )
