"""Stationary points: search, refinement and an independent certificate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elbocheck.problem import Problem, Start
from elbocheck.solver.certificate import Inertia, StationaryPoint, certify, gradient_limit
from elbocheck.solver.newton import Evaluation, search

__all__ = ["Inertia", "StationaryPoint", "certify", "find_stationary_point", "find_stationary_points", "gradient_limit"]


def find_stationary_point(problem: Problem, start: Start | None = None) -> StationaryPoint:
    """Drive the problem from `start` (default: ascent from its own parameters) to a stationary point, and certify it.

    Always returns a point; `certified` and `reason` say what it is worth.
    """
    start = Start("ascent", problem.vector) if start is None else start
    units, free = problem.unit_vector, problem.free_mask
    vector, iterations, displacement = np.array(start.vector), 0, 0.0
    stages = [free & ~start.held, free] if np.any(start.held & free) else [free]
    for moving in stages:
        columns = np.flatnonzero(moving)

        def objective(point: np.ndarray, columns: np.ndarray = columns, base: np.ndarray = vector) -> Evaluation:
            full = np.array(base)
            full[columns] = point * units[columns]
            value, gradient, hessian = problem.program.derivatives(full, problem.fixed)
            scale = units[columns]
            return float(value), gradient[columns] * scale, hessian[np.ix_(columns, columns)] * scale * scale[:, None]

        begin = vector[columns] / units[columns]
        found = search(objective, begin, start.index, start.limit)
        iterations += found.iterations
        displacement = max(displacement, float(np.abs(found.vector - begin).max(initial=0.0)))
        vector = np.array(vector)
        vector[columns] = found.vector * units[columns]
    return certify(problem.at(vector), start.label, iterations, displacement)


def find_stationary_points(problem: Problem, patience: int = 1) -> list[StationaryPoint]:
    """One point per start of the problem; starts marked `fallback` are tried only while nothing is certified.

    `patience` multiplies the evaluations that each search may use.
    """
    points: list[StationaryPoint] = []
    for start in problem.starts or (Start("ascent", problem.vector),):
        if not start.fallback or not any(point.certified for point in points):
            points.append(find_stationary_point(problem, replace(start, limit=patience * start.limit)))
    return points


def distinct(points: list[StationaryPoint]) -> list[StationaryPoint]:
    """Certified points without repetitions: the same ELBO (to its rounding error) and inertia count once."""
    kept: list[StationaryPoint] = []
    for point in points:
        if point.certified and not any(_same(point, other) for other in kept):
            kept.append(point)
    return kept


def _same(one: StationaryPoint, other: StationaryPoint) -> bool:
    tolerance = 1e3 * (one.decomposition.elbo_rounding + other.decomposition.elbo_rounding)
    return one.inertia == other.inertia and abs(one.decomposition.elbo - other.decomposition.elbo) <= tolerance
