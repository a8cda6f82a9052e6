"""The search for stationary points of a problem, from each of its starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.errors import TargetError, TimeoutExceeded
from elbocheck.solver.certificate import StationaryPoint, certify, large
from elbocheck.solver.matrix_free import search as search_without_matrices
from elbocheck.solver.newton import Evaluation, Objective
from elbocheck.solver.newton import search as search_with_hessians
from elbocheck.solver.precision import precision_of
from elbocheck.solver.quasi_newton import few
from elbocheck.solver.quasi_newton import search as search_with_gradients
from elbocheck.solver.start import Start

Watch = Callable[[np.ndarray, float, float], None]
"""Called with every point that a search evaluates: (vector (P,), F, ‖∇F‖ in units of the parameters)."""


def find_stationary_point(problem: Problem, start: Start | None = None, watch: Watch | None = None) -> StationaryPoint:
    """Drive the problem from `start` (default: ascent from its own parameters) to a stationary point, and certify it.

    Always returns a point; `certified` and `reason` say what it is worth.
    """
    start = Start("ascent", problem.vector) if start is None else start
    backend, free = problem.compiled.backend, problem.free_mask
    precision = precision_of(backend.eps)
    profile = Profile(problem, start, np.broadcast_to(start.eliminated, free.shape), watch=watch)
    vector, iterations, displacement = profile.settle(np.array(start.vector)), 0, np.zeros(free.size)
    apart = np.arange(free.size)
    stages = [(free, apart)]
    if np.any(start.held & free) or start.tied is not None:
        stages.insert(0, (free & ~start.held, apart if start.tied is None else start.tied))
    for moving, labels in stages:
        columns = np.flatnonzero(moving & ~profile.eliminated)
        _, first, groups = np.unique(labels[columns], return_index=True, return_inverse=True)
        begin = (vector[columns] / problem.unit_vector[columns])[first]
        along = replace(profile, columns=columns, groups=groups, base=vector)
        if large(problem):
            found = search_without_matrices(along.gradient, begin, start.limit, precision)
        elif backend.cost.cheap_hessians or start.index or begin.size <= few(backend.cost):
            found = search_with_hessians(along.derivatives, begin, start.index, start.limit, precision)
        else:
            found = search_with_gradients(along.gradient, along.derivatives, begin, start.limit, precision)
        iterations += found.iterations
        moved = (found.vector - begin)[groups]
        displacement[columns] = np.where(np.abs(moved) > np.abs(displacement[columns]), moved, displacement[columns])
        vector = along.place(found.vector)
    return certify(problem.at(vector), start.label, iterations, displacement)


@dataclass(frozen=True, eq=False)
class Profile:
    """The bound as a function of some elements of the parameters, in chart units.

    With the eliminated elements φ at their optimum the profile has the gradient ∂F/∂θ and the Hessian
    F_θθ − F_θφ F_φφ⁺ F_φθ.
    """

    problem: Problem
    """Whose bound."""

    start: Start
    """Of the search."""

    eliminated: np.ndarray
    """Boolean (P,): q's elements that follow as their optimum."""

    columns: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    """Integers (C,): the elements that move."""

    groups: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    """Integers (C,): column k has the value of the point's element groups[k]."""

    base: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(P,): values of all other elements."""

    watch: Watch | None = None
    """Told of every evaluation."""

    def settle(self, vector: np.ndarray) -> np.ndarray:
        """The vector with eliminated elements at their optimum."""
        if self.start.optimum is None:
            return vector
        return np.where(self.eliminated, self.start.optimum(vector, self.problem.fixed), vector)

    def place(self, point: np.ndarray) -> np.ndarray:
        """The full vector for a point of the search."""
        full = np.array(self.base)
        full[self.columns] = point[self.groups] * self.problem.unit_vector[self.columns]
        return self.settle(full)

    @cached_property
    def grouping(self) -> np.ndarray:
        """0/1 (C, groups)."""
        return np.eye(self.groups.max(initial=-1) + 1)[self.groups]

    def gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """(F, ∇F) of the profile."""
        full = self.place(point)
        if not np.all(np.isfinite(full)):
            return np.nan, np.full(point.size, np.nan)
        try:
            value, gradient = self.problem.free_gradient(full)
        except TimeoutExceeded:
            raise
        except TargetError:  # code may be undefined where a search strays; where it ends it is called again
            return np.nan, np.full(point.size, np.nan)
        gradient = self.grouping.T @ (gradient * self.problem.unit_vector)[self.columns]
        self.tell(full, value, gradient)
        return value, gradient

    def tell(self, full: np.ndarray, value: float, gradient: np.ndarray) -> None:
        if self.watch is not None:
            self.watch(full, float(value), float(np.linalg.norm(gradient)))

    @property
    def derivatives(self) -> Objective:
        """F, ∇F and ∇²F: by differences of gradients where a Hessian is nothing else.

        Whether complex steps can be taken is then known already, and was tried where the search began: where it ends
        the code may be too ill-conditioned to tell.
        """
        return self.by_gradients if self.problem.compiled.backend.cost.directional else self

    def by_gradients(self, point: np.ndarray) -> Evaluation:
        value, gradient = self.gradient(point)
        compiled, hessian = self.problem.compiled, np.full((point.size, point.size), np.nan)
        error = max(compiled.backend.eps, compiled.backend.error_of(compiled.gradient))
        step = float(error ** (1.0 / 3.0))
        if np.all(np.isfinite(gradient)):
            for j, moved in enumerate(step * np.eye(point.size)):
                hessian[j] = (self.gradient(point + moved)[1] - self.gradient(point - moved)[1]) / (2.0 * step)
        return value, gradient, 0.5 * (hessian + hessian.T)

    def __call__(self, point: np.ndarray) -> Evaluation:
        units, columns = self.problem.unit_vector, self.columns
        full = self.place(point)
        if not np.all(np.isfinite(full)):
            return np.nan, np.full(point.size, np.nan), np.full((point.size, point.size), np.nan)
        try:
            value, gradient, hessian = self.problem.derivatives(full)
        except TimeoutExceeded:
            raise
        except TargetError:
            return np.nan, np.full(point.size, np.nan), np.full((point.size, point.size), np.nan)
        slope = self.grouping.T @ (gradient * units)[columns]
        self.tell(full, value, slope)
        hessian = hessian * units * units[:, None]
        reduced = hessian[np.ix_(columns, columns)]
        others = np.flatnonzero(self.eliminated & self.problem.free_mask)
        if others.size and np.all(np.isfinite(hessian)):
            mixed = hessian[np.ix_(columns, others)]
            inner = hessian[np.ix_(others, others)]
            reduced = reduced - mixed @ np.linalg.pinv(inner, rcond=1e-14, hermitian=True) @ mixed.T
        return float(value), slope, self.grouping.T @ reduced @ self.grouping


def find_stationary_points(
    problem: Problem, patience: int = 1, watch: Callable[[Start], Watch] | None = None
) -> list[StationaryPoint]:
    """One point per start of the problem; starts for something `missing` only while it is.

    `patience` multiplies the evaluations that each search may use; `watch(start)` is what sees the search from there.
    """
    points: list[StationaryPoint] = []
    for start in problem.starts or (Start("ascent", problem.vector),):
        certified = [point.kind for point in points if point.certified]
        found = {"": False, "point": bool(certified), "saddle": "saddle" in certified}
        if not found[start.missing]:
            longer = replace(start, limit=patience * start.limit)
            points.append(find_stationary_point(problem, longer, None if watch is None else watch(start)))
    return points


def find_in_turn(problem: Problem, turn: int) -> list[StationaryPoint]:
    """Searches from the problem's starts, beginning with the one whose turn it is, until one ends certified.

    Over many problems each kind of start gets its share, at about a third of the cost of all starts of each.
    """
    starts = problem.starts or (Start("ascent", problem.vector),)
    points: list[StationaryPoint] = []
    for position in range(len(starts)):
        points.append(find_stationary_point(problem, starts[(turn + position) % len(starts)]))
        if points[-1].certified:
            break
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
