"""Where the code's own training stops, and how far that is from stationary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.problem import Prepared, Problem
from elbocheck.solver.certificate import large

PROBE = 2.0**-13
"""Step along ∇F, in natural units, over which the curvature is measured; its truncation enters no verdict on F = S."""
PRODUCTS = 20
"""Products with the Hessian of many parameters in which a direction upwards is looked for."""
HEARD = 100.0
"""A step away from a saddle is taken so far that F rises by this many times its rounding error."""
FARTHEST = 0.5
"""The longest such step, in natural units."""
BESIDE = 2.0**-13
"""Steps of second differences of values, in natural units: about the fourth root of eps."""


@dataclass(frozen=True)
class Stop:
    """Where training stopped."""

    problem: Problem
    """At that point."""

    terms: Decomposition
    """Of the problem there."""

    gain: float
    """What a Newton step along ∇F would still add to F, nats per datum."""

    away: float
    """Length of that step, in natural units."""

    @property
    def converged(self) -> bool:
        """Whether training that looks at F can see that there is more to gain."""
        return self.gain <= self.terms.elbo_rounding

    @property
    def nearly(self) -> bool:
        """The same for training that looks at half of the digits of F."""
        return self.gain <= float(np.sqrt(self.problem.compiled.backend.eps)) * self.terms.magnitude


def stop(problem: Problem, vector: np.ndarray) -> Stop:
    """Train from `vector`; raises `TargetError` if training fails or returns parameters that are not finite."""
    at = problem.at(problem.vector_of(problem.call("fit", problem.code_params(vector))))
    terms, units = decompose(at), at.unit_vector
    norm = terms.gradient_norm
    if norm == 0.0:
        return Stop(at, terms, 0.0, 0.0)
    along = terms.gradient / norm
    slopes = [float(along @ (units * at.gradient(at.vector + step * along * units)[1])) for step in (PROBE, -PROBE)]
    curvature = abs(slopes[0] - slopes[1]) / (2.0 * PROBE)
    away = norm / curvature if curvature > 0.0 else np.inf
    return Stop(at, terms, 0.5 * norm * away, away)


def exactly(problem: Problem) -> Problem:
    """The problem in which a stationary point is sought: on the declared bound where the reported one has only
    derivatives by differences (that it is the same function is what the value check says)."""
    compiled = problem.compiled
    if problem.elbo is None or not compiled.backend.cost.directional or problem.factors is None:
        return problem.from_here()
    problem.gradient(problem.vector)  # whether complex steps are taken is known after the first
    if compiled.backend.error_of(compiled.gradient) == 0.0:
        return problem.from_here()
    return replace(problem, elbo=None, prepared=Prepared())


def moved(one: Problem, other: Problem) -> float:
    """Largest change of a trained parameter, relative to it or to 1."""
    change = np.abs(one.vector - other.vector) / np.maximum(np.abs(one.vector), 1.0)
    return float(change[one.free_mask].max(initial=0.0))


def blame(at: Stop) -> str:
    """The block with the largest share of ∇F."""
    slices = at.problem.layout.slices
    return max(slices, key=lambda name: float(np.linalg.norm(at.terms.gradient[slices[name]])))


def beside_a_saddle(at: Stop) -> Problem | None:
    """A point next to a stationary one at which F is larger by more than rounding; None if no such direction is found.

    The direction is that of the Hessian's largest eigenvalue, and F itself is what shows that it leads up.
    """
    value, direction = _steepest(at.problem)
    floor = at.terms.elbo_rounding
    if not value > 0.0:
        return None
    length = float(np.sqrt(2.0 * HEARD * floor / value))
    while length <= FARTHEST:
        for sign in (1.0, -1.0):
            pushed = at.problem.at(at.problem.vector + sign * length * direction * at.problem.unit_vector)
            if _value(pushed, pushed.vector) > at.terms.elbo + 0.25 * HEARD * floor:
                return pushed
        length *= 4.0
    return None


def _by_values_only(problem: Problem) -> bool:
    """Whether a derivative costs a dozen values for each parameter, and a Hessian a dozen such derivatives for each."""
    return bool(problem.compiled.backend.cost.directional and not problem.compiled.catalogued)


def _value(problem: Problem, vector: np.ndarray) -> float:
    """F, by a program that there is already."""
    if _by_values_only(problem):
        return float(problem.compiled.value(vector, problem.fixed))
    return problem.gradient(vector)[0]


def _by_values(problem: Problem) -> Callable[[np.ndarray], np.ndarray]:
    """u -> ∇²F u over what is trained, by one difference of four values for each parameter."""
    free, units = np.flatnonzero(problem.free_mask), problem.unit_vector
    here = problem.vector
    steps = np.zeros((free.size, here.size))
    steps[np.arange(free.size), free] = BESIDE * units[free]
    middle = _value(problem, here)
    sides = np.array([_value(problem, here + step) for step in steps])

    def product(along: np.ndarray) -> np.ndarray:
        along = np.ravel(along)
        length = float(np.linalg.norm(along))
        ahead = here.copy()
        ahead[free] += BESIDE / length * along * units[free]
        moved = np.array([_value(problem, ahead + step) for step in steps])
        return (moved - sides - _value(problem, ahead) + middle) * length / BESIDE**2

    return product


def _steepest(problem: Problem) -> tuple[float, np.ndarray]:
    """The largest eigenvalue of the Hessian over what is trained, in natural units, and its direction (P,).

    0 where it is not more than the error of the Hessian.
    """
    free, units = problem.free_mask, problem.unit_vector
    direction = np.zeros(problem.vector.shape)
    if not np.any(free):
        return 0.0, direction
    by_values = _by_values_only(problem)
    if not large(problem) and not by_values:
        _, _, hessian = problem.derivatives(problem.vector)
        scaled = (hessian * units * units[:, None])[np.ix_(free, free)]
        if not np.all(np.isfinite(scaled)):
            return 0.0, direction
        values, vectors = np.linalg.eigh((scaled + scaled.T) / 2.0)
        backend = problem.compiled.backend
        null = (100 * backend.eps * values.size + backend.cost.hessian_error) * np.abs(values).max()
        direction[free] = vectors[:, -1]
        return (float(values[-1]), direction) if values[-1] > null else (0.0, direction)

    def by_gradients(along: np.ndarray) -> np.ndarray:
        full = np.zeros(problem.vector.shape)
        full[free] = np.ravel(along)
        slopes = [problem.gradient(problem.vector + step * full * units)[1] for step in (PROBE, -PROBE)]
        return np.asarray(((slopes[0] - slopes[1]) * units)[free] / (2.0 * PROBE))

    size, product = int(free.sum()), _by_values(problem) if by_values else by_gradients
    if size <= PRODUCTS:
        columns = np.stack([product(one) for one in np.eye(size)], axis=1)
        if not np.all(np.isfinite(columns)):
            return 0.0, direction
        values, vectors = np.linalg.eigh((columns + columns.T) / 2.0)
        direction[free] = vectors[:, -1]
        return float(values[-1]), direction
    start = np.random.default_rng(0).normal(size=size)
    hessian_of = LinearOperator((size, size), matvec=product, dtype=float)
    try:
        values, vectors = eigsh(hessian_of, k=1, which="LA", v0=start, ncv=PRODUCTS, maxiter=1, tol=1e-2)
    except ArpackNoConvergence as error:
        values, vectors = error.eigenvalues, error.eigenvectors
    if not len(values):
        return 0.0, direction
    direction[free] = vectors[:, -1]
    return float(values[-1]), direction
