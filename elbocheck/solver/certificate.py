"""Certificate: is this point stationary, and of which kind? Recomputed from scratch, the solver is not believed.

The gradient comes from another program than the solver's (reverse mode, datum by datum), together with a bound on its
rounding error; the Hessian is evaluated anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.layout import Layout
from elbocheck.bound.problem import Problem
from elbocheck.solver.matrix_free import MOST, newton_step
from elbocheck.solver.newton import RUNAWAY
from elbocheck.solver.precision import precision_of


@dataclass(frozen=True)
class Inertia:
    """Signs of the Hessian's eigenvalues over the free parameters, in chart units."""

    positive: int
    """How many are positive."""

    zero: int
    """How many are zero: symmetries."""

    negative: int
    """How many are negative."""

    known: bool = True
    """Whether the Hessian was looked at."""

    @property
    def kind(self) -> str:
        """ "maximum" (no direction goes up; flat ones allowed), "saddle", "minimum" or "flat"; "unknown" if not looked
        at."""
        if not self.known:
            return "unknown"
        if not self.positive:
            return "maximum" if self.negative else "flat"
        return "saddle" if self.negative else "minimum"


@dataclass(frozen=True)
class StationaryPoint:
    """A point, everything known about it, and whether it is certified as stationary."""

    problem: Problem
    """At the point."""

    decomposition: Decomposition
    """All terms there."""

    inertia: Inertia
    """Its kind."""

    distance: float
    """Estimated distance to the true stationary point in chart units.

    ‖H⁺∇F‖ over directions in which the gradient is more than rounding.
    """

    reason: str
    """Why the point is not certified; empty if it is."""

    origin: str
    """How the search started: the label of its `Start`."""

    iterations: int
    """Evaluations that the search took."""

    @property
    def certified(self) -> bool:
        return not self.reason

    @property
    def gradient_norm(self) -> float:
        return self.decomposition.gradient_norm

    @property
    def kind(self) -> str:
        return self.inertia.kind


FAR = 10.0
"""Displacement beyond which a block is named where a search ended without a certificate."""


def certify(
    problem: Problem, origin: str = "", iterations: int = 0, displacement: np.ndarray | None = None
) -> StationaryPoint:
    """Judge the problem's own parameters. `displacement` (P,): how far the search went, in chart units."""
    if large(problem):
        return _without_hessian(problem, origin, iterations, displacement)
    decomposition = decompose(problem)
    free = problem.free_mask
    _, _, hessian = problem.derivatives(problem.vector)
    hessian = (hessian * problem.unit_vector * problem.unit_vector[:, None])[np.ix_(free, free)]
    gradient = decomposition.gradient[free]
    eps = problem.compiled.backend.eps

    if not (np.all(np.isfinite(hessian)) and np.all(np.isfinite(gradient)) and np.isfinite(decomposition.elbo)):
        return StationaryPoint(
            problem, decomposition, Inertia(0, 0, 0), np.inf, "non-finite value or derivative", origin, iterations
        )
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    null = (100 * eps * values.size + problem.compiled.backend.cost.hessian_error) * np.abs(values).max(initial=0.0)
    along = np.abs(vectors.T @ gradient)
    heard = along > decomposition.gradient_rounding
    with np.errstate(over="ignore"):  # a step of 1e200 is not certified, whatever its norm
        steps = np.minimum(along[heard] / np.maximum(np.abs(values[heard]), 1e-300), 1e150)
    inertia = Inertia(int(np.sum(values > null)), int(np.sum(np.abs(values) <= null)), int(np.sum(values < -null)))
    distance = float(np.linalg.norm(steps))
    return StationaryPoint(
        problem,
        decomposition,
        inertia,
        distance,
        _reason(decomposition, distance, eps, problem, displacement),
        origin,
        iterations,
    )


def large(problem: Problem) -> bool:
    """Whether no Hessian is formed: for code under test with many parameters."""
    return not problem.compiled.catalogued and int(problem.free_mask.sum()) > MOST


def _without_hessian(
    problem: Problem, origin: str, iterations: int, displacement: np.ndarray | None
) -> StationaryPoint:
    """The same by products with the Hessian; its inertia is not known."""
    decomposition, units, free = decompose(problem), problem.unit_vector, problem.free_mask
    unknown, eps = Inertia(0, 0, 0, known=False), problem.compiled.backend.eps

    def gradient(point: np.ndarray) -> tuple[float, np.ndarray]:
        full = np.array(problem.vector)
        full[free] = point * units[free]
        value, slope = problem.gradient(full)
        return value, (slope * units)[free]

    distance = np.inf
    if np.all(np.isfinite(decomposition.gradient)) and np.isfinite(decomposition.elbo):
        heard = decomposition.gradient_norm > decomposition.gradient_rounding
        step = newton_step(gradient, (problem.vector / units)[free]) if heard else np.zeros(1)
        distance = float(np.linalg.norm(step))
    reason = _reason(decomposition, distance, eps, problem, displacement)
    return StationaryPoint(problem, decomposition, unknown, distance, reason, origin, iterations)


def _reason(
    decomposition: Decomposition, distance: float, eps: float, problem: Problem, displacement: np.ndarray | None
) -> str:
    reason = reason_of(decomposition.gradient_norm, decomposition.gradient_rounding, distance, eps)
    return located(reason, problem.layout, displacement)


def located(reason: str, layout: Layout, displacement: np.ndarray | None) -> str:
    """The reason with the block that a search followed towards infinity: σ² → 0 is a log variance that runs to −∞."""
    if displacement is None or np.abs(displacement).max(initial=0.0) <= FAR:
        return reason
    worst = int(np.argmax(np.abs(displacement)))
    block = next(name for name, where in layout.slices.items() if where.start <= worst < where.stop)
    if abs(displacement[worst]) > RUNAWAY:
        return f"boundary at infinity: {block} ran away, by {displacement[worst]:+.0f}"
    return f"{reason}; {block} had moved by {displacement[worst]:+.0f}" if reason else ""


def reason_of(norm: float, rounding: float, distance: float, eps: float) -> str:
    """Why a point with this ‖∇F‖, bound on its rounding error and Newton step is not certified; empty if it is."""
    limits = precision_of(eps)
    if not norm <= limits.gradient:
        return f"gradient too large: {norm:.1e} > {limits.gradient:.1e}"
    if not rounding <= limits.rounding:
        return f"gradient below its own rounding error {rounding:.1e}"
    if distance > limits.distance:
        return f"non-isolated or at infinity: gradient {norm:.1e}, yet the Newton step is {distance:.1e}"
    return ""
