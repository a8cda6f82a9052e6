"""β by least squares on forward products of the natural parameters: over candidates, and over all elements.

No Jacobian of many rows is formed: what is left of a system is taken over all rows by one product (THEORY section 10).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, lsmr

from elbocheck.bound.candidates import Part, direction
from elbocheck.bound.problem import Problem

ROWS = 512
"""Elements of each natural parameter that least squares look at; what is left of the system is taken over all."""
DENSE, MOST_PRODUCTS, MOST_PARAMETERS, MOST_RESCALED = 128, 200, 1_000_000, 20_000
"""Elements of β up to which the system is dense; most products of LSMR; most elements that are solved for at all, and
for a fixed prior, where a product is one of the whole bound."""


@dataclass
class Columns:
    """Tangents of all natural parameters along candidates, as columns of a least-squares system."""

    problem: Problem
    """At the point."""

    parts: list[Part]
    """The candidates."""

    found: dict[str, list[np.ndarray]]
    """Factor -> its columns, one for each candidate."""

    eta: dict[str, np.ndarray] = field(default_factory=dict)
    """Factor -> its natural parameters, flat."""

    def add(self, block: str, kinds: Sequence[str]) -> None:
        """One product for each new candidate."""
        for kind in kinds:
            part = (block, kind, 1.0)
            along = direction([part], self.problem.layout, self.problem.vector)
            if part in self.parts or not np.all(np.isfinite(along)):
                continue
            rows = self.problem.compiled.natural(ROWS)(self.problem.vector, self.problem.fixed, along)
            self.parts.append(part)
            for name, row in rows.items():
                self.eta[name] = np.asarray(row["eta"])
                self.found.setdefault(name, []).append(np.asarray(row["tangent"]))

    def constant(self, name: str) -> bool:
        """Whether a natural parameter other than 0 does not move along any candidate."""
        moving = np.any(np.abs(self.found[name]) > 0.0, axis=0)
        return bool(np.any(~moving & (np.abs(self.eta[name]) > 0.0)))

    def solve(self, name: str) -> tuple[tuple[Part, ...], float]:
        """(the combination, its relative residual)."""
        target, matrix = self.eta[name], np.stack(self.found[name], axis=1)
        lengths, size = np.linalg.norm(matrix, axis=0), float(np.linalg.norm(target))
        used = np.flatnonzero(lengths > 0.0)
        if not size or not used.size:
            return (), 1.0 if size else 0.0
        if used.size >= target.size:  # any combination would do
            return (), 1.0
        times = np.linalg.lstsq(matrix[:, used] / lengths[used], target, rcond=1e-12)[0] / lengths[used]
        neat = np.round(8.0 * times) / 8.0
        times = np.where(np.abs(times - neat) <= 1e-7, neat, times)
        residual = float(np.linalg.norm(matrix[:, used] @ times - target)) / size
        parts = [(*self.parts[k][:2], float(one)) for k, one in zip(used, times, strict=True) if one]
        return tuple(parts), residual


@dataclass(frozen=True, eq=False)
class Solved:
    """β of one factor by least squares."""

    beta: np.ndarray
    """(P,)."""

    residual: float
    """What is left of the system, relative to its right side."""

    missed: float
    """See `Direction`."""


@dataclass(frozen=True, eq=False)
class System:
    """(∂a/∂θ) v = aim for the arrays of one factor and some elements of v, in products only."""

    problem: Problem
    """At the point."""

    name: str
    """Of the factor."""

    columns: np.ndarray
    """Integers: the elements of v that may differ from 0."""

    run: Callable[..., Any]
    """(vector, fixed, v) -> of each factor, "tangent" = (∂a/∂θ) v and "eta" = aim."""

    back: Callable[..., Any]
    """(vector, fixed, weights) -> the transposed product."""

    def whole(self, values: np.ndarray) -> np.ndarray:
        whole = np.zeros(self.problem.vector.size)
        whole[self.columns] = np.ravel(values)
        return whole

    def along(self, values: np.ndarray) -> Any:
        return self.run(self.problem.vector, self.problem.fixed, self.whole(values))

    @cached_property
    def still(self) -> Any:
        return self.along(np.zeros(self.columns.size))

    @cached_property
    def aim(self) -> np.ndarray:
        return np.asarray(self.still[self.name]["eta"])

    def forward(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(self.along(values)[self.name]["tangent"])

    def backward(self, weights: np.ndarray) -> np.ndarray:
        every = {other: np.zeros(np.shape(one["eta"])) for other, one in self.still.items()}
        pulled = self.back(self.problem.vector, self.problem.fixed, {**every, self.name: np.ravel(weights)})
        return np.asarray(pulled)[self.columns]

    def missed_by(self, tangent: np.ndarray) -> float:
        """‖(∂a/∂θ) v − aim‖ / ‖aim‖."""
        return float(np.linalg.norm(np.asarray(tangent) - self.aim)) / max(float(np.linalg.norm(self.aim)), 1e-300)

    def solution(self) -> np.ndarray:
        """Of least squares and least norm: dense while there are few elements, else by LSMR."""
        size = self.columns.size
        if size <= DENSE:
            matrix = np.stack([self.forward(one) for one in np.eye(size)], axis=1)
            lengths = np.where(np.any(matrix != 0.0, axis=0), np.linalg.norm(matrix, axis=0), 1.0)
            return np.asarray(np.linalg.lstsq(matrix / lengths, self.aim, rcond=None)[0] / lengths)
        system = LinearOperator((self.aim.size, size), matvec=self.forward, rmatvec=self.backward, dtype=float)
        values, left = np.zeros(size), self.aim
        for _ in range(2):  # restarted on what is left, for the last digits
            step = lsmr(system, left, atol=1e-16, btol=1e-16, conlim=0.0, maxiter=MOST_PRODUCTS)[0]
            values = values + step
            left = self.aim - system.matvec(values)
            if float(np.linalg.norm(left)) > 1e-3 * float(np.linalg.norm(self.aim)):
                break
        return np.asarray(values)


def solve(problem: Problem, name: str, blocks: Sequence[str]) -> Solved | None:
    """β of one factor by least squares over all elements of some blocks; None where there are too many."""
    columns = np.flatnonzero(problem.layout.mask(blocks))
    if not 0 < columns.size <= MOST_PARAMETERS:
        return None
    compiled, rows = problem.compiled, max(ROWS, 4 * columns.size)
    system = System(problem, name, columns, compiled.natural(rows), compiled.natural_back(rows))
    values = system.solution()
    checked = system.along(values)[name]
    missed = float(checked["missed"]) + 16.0 * compiled.backend.eps * float(checked["hidden"])
    return Solved(system.whole(values), system.missed_by(checked["tangent"]), missed)


def rescaling(problem: Problem, name: str, degree: int) -> Solved | None:
    """β of a fixed prior of this degree by least squares over all elements; None where there are too many."""
    columns = np.flatnonzero(problem.free_mask)
    if not 0 < columns.size <= MOST_RESCALED:
        return None
    compiled, rows = problem.compiled, max(ROWS, 4 * columns.size)
    system = System(problem, name, columns, compiled.rescaled(rows), compiled.rescaled_back(rows))
    values = _snapped(system.solution(), problem.vector[columns])
    return Solved(system.whole(values) / degree, system.missed_by(system.forward(values)), 0.0)


def _snapped(values: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Elements that multiply their parameter, or shift it, by whole numbers do so exactly."""
    for exact in (own, np.ones_like(own)):
        times = np.round(np.divide(values, exact, out=np.zeros_like(values), where=exact != 0.0))
        near = np.abs(values - times * exact) <= 1e-9 * np.maximum(np.abs(exact), 1e-3)
        values = np.where(near, times * exact, values)
    return values
