"""Where a deviation is measured: points, blocks that it depends on, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import Reading, natural_size
from elbocheck.checks.blocks import block_directions, compared
from elbocheck.errors import TargetError, TimeoutExceeded

POINTS = 3
"""Parameter points beside the problem's own."""
MOST_EXACT = 64
"""Elements of a block whose slopes are taken one by one where derivatives are taken along directions."""


@dataclass(frozen=True)
class Probe:
    """One point at which the reported and the declared ELBO are compared."""

    problem: Problem
    """At the point."""

    terms: Decomposition
    """Of the problem there."""

    @property
    def excess(self) -> float:
        return self.terms.elbo - self.terms.declared

    @property
    def noise(self) -> float:
        return 4 * self.terms.elbo_rounding


def probes(problem: Problem) -> list[Probe]:
    """The problem at its own parameters and at some beside them."""
    if "probes" not in problem.memory:
        problem.memory["probes"] = problem.nearby(POINTS)[len(problem.beside) :]
    points = [problem, *problem.beside, *problem.memory["probes"]]
    found = []
    for at in points:
        try:
            found.append(Probe(at, decompose(at)))
        except TimeoutExceeded:
            raise
        except TargetError:  # outside the domain of the code
            if at is problem:
                raise
    return [one for one in found if np.isfinite(one.terms.elbo) and np.isfinite(one.terms.declared)]


def deviating(reading: Reading) -> dict[str, float]:
    """Block -> about ‖g − d‖ in it, in units of the parameters; blocks within rounding are left out."""
    off: dict[str, float] = {}
    slices = reading.problem.layout.slices
    typical = {name: float(np.sqrt(np.mean(natural_size(reading.problem)[w] ** 2))) for name, w in slices.items()}
    if reading.gradient is not None and reading.slope is not None:
        for one in compared(reading, reading.gradient, reading.slope):
            name = one.what.removeprefix("the gradient in ")
            if one.size > 4 * one.bound:
                off[name] = one.size / typical[name]
        return off
    for name, direction in block_directions(reading.problem):
        (code, error), (declared, more) = (reading.along(direction, side) for side in (False, True))
        if abs(code - declared) > 4 * reading.constant * (reading.scale + abs(code)) + 10.0 * (error + more):
            count = slices[name].stop - slices[name].start  # of a norm a random direction shows 1 / √count
            size = abs(code - declared) * float(np.sqrt(count)) / typical[name]
            off[name] = max(off.get(name, 0.0), size)
    return {name: _exactly_off(reading, slices[name], size) for name, size in off.items()}


def _exactly_off(reading: Reading, where: slice, size: float) -> float:
    """‖g − d‖ in a small block, element by element; else what it was estimated to be."""
    if where.stop - where.start > MOST_EXACT:
        return size
    units = [np.eye(1, reading.problem.vector.size, k)[0] for k in range(where.start, where.stop)]
    return float(np.linalg.norm([reading.along(one, False)[0] - reading.along(one)[0] for one in units]))


def place_of(kind: str, factor: str, component: int | None) -> str:
    """Where, in words."""
    if factor == "q":
        return "the entropy of q" if kind in ("entropy", "value") else "q"
    if not factor:
        return "the whole bound"
    return f"factor {factor}" if component is None else f"factor {factor}, component {component}"
