"""β by least squares on forward products of the natural parameters: over candidates, and over all elements.

No Jacobian of many rows is formed: what is left of a system is taken over all rows by one product (THEORY section 10).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, lsmr

from elbocheck.candidates import Part, direction
from elbocheck.problem import Problem

ROWS = 512
"""Elements of each natural parameter that least squares look at; what is left of the system is taken over all."""
DENSE, MOST_PRODUCTS, MOST_PARAMETERS = 128, 200, 1_000_000
"""Elements of β up to which the system is dense; most products of LSMR; most elements that are solved for at all."""


@dataclass
class Columns:
    """Tangents of all natural parameters along candidates, as columns of a least-squares system."""

    problem: Problem
    parts: list[Part]
    found: dict[str, list[np.ndarray]]
    eta: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, block: str, kinds: Sequence[str]) -> None:
        """One product for each new candidate."""
        for kind in kinds:
            part = (block, kind, 1.0)
            along = direction([part], self.problem.layout, self.problem.vector)
            if part in self.parts or not np.all(np.isfinite(along)):
                continue
            rows = self.problem.program.natural(ROWS)(self.problem.vector, self.problem.fixed, along)
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
    """β (P,) of one factor by least squares; `residual`: relative; `missed`: see `Direction`."""

    beta: np.ndarray
    residual: float
    missed: float


def solve(problem: Problem, name: str, blocks: Sequence[str]) -> Solved | None:
    """β of one factor by least squares over all elements of some blocks; None where there are too many."""
    columns = np.flatnonzero(problem.layout.mask(blocks))
    if not 0 < columns.size <= MOST_PARAMETERS:
        return None
    rows = max(ROWS, 4 * columns.size)
    run, vector, fixed = problem.program.natural(rows), problem.vector, problem.fixed

    def forward(values: np.ndarray) -> np.ndarray:
        whole = np.zeros(vector.size)
        whole[columns] = np.ravel(values)
        return np.asarray(run(vector, fixed, whole)[name]["tangent"])

    everything = run(vector, fixed, np.zeros(vector.size))
    target = np.asarray(everything[name]["eta"])
    if columns.size <= DENSE:
        matrix = np.stack([forward(np.eye(columns.size)[k]) for k in range(columns.size)], axis=1)
        lengths = np.where(np.any(matrix != 0.0, axis=0), np.linalg.norm(matrix, axis=0), 1.0)
        values = np.linalg.lstsq(matrix / lengths, target, rcond=None)[0] / lengths
    else:
        values = _lsmr(problem, name, columns, rows, forward, target, everything)
    beta = np.zeros(vector.size)
    beta[columns] = values
    checked = run(vector, fixed, beta)[name]
    residual = float(np.linalg.norm(checked["tangent"] - target)) / max(float(np.linalg.norm(target)), 1e-300)
    missed = float(checked["missed"]) + 16.0 * problem.program.backend.eps * float(checked["hidden"])
    return Solved(beta, residual, missed)


def _lsmr(
    problem: Problem,
    name: str,
    columns: np.ndarray,
    rows: int,
    forward: Callable[[np.ndarray], np.ndarray],
    target: np.ndarray,
    zeros: Mapping[str, Any],
) -> np.ndarray:
    back = problem.program.natural_back(rows)

    def backward(weights: np.ndarray) -> np.ndarray:
        every = {other: np.zeros(np.shape(one["eta"])) for other, one in zeros.items()}
        return np.asarray(back(problem.vector, problem.fixed, {**every, name: np.ravel(weights)}))[columns]

    system = LinearOperator((target.size, columns.size), matvec=forward, rmatvec=backward, dtype=float)
    values, left = np.zeros(columns.size), target
    for _ in range(2):  # restarted on what is left, for the last digits
        step = lsmr(system, left, atol=1e-16, btol=1e-16, conlim=0.0, maxiter=MOST_PRODUCTS)[0]
        values = values + step
        left = target - system.matvec(values)
        if float(np.linalg.norm(left)) > 1e-3 * float(np.linalg.norm(target)):
            break
    return np.asarray(values)
