"""Search for a stationary point: modified Newton ascent (or a climb to a saddle), then minimum-norm Newton.

The search knows a function and a vector, no model. It is never believed: see `certificate`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from elbocheck.solver.precision import DOUBLE, Precision

Evaluation = tuple[float, np.ndarray, np.ndarray]
"""F, ∇F, ∇²F."""
Objective = Callable[[np.ndarray], Evaluation]
"""A vector -> its `Evaluation`."""

RUNAWAY = 25.0
"""Displacement, in natural units or in logits and logs, beyond which a search is heading for infinity: e⁻²⁵ ≈ 1e-11
of a probability or a variance."""


@dataclass(frozen=True)
class Search:
    """Where a search ended and why it stopped."""

    vector: np.ndarray
    """Where it ended."""

    iterations: int
    """Evaluations it took."""

    stopped: str
    """Why it stopped, in words."""


def ascent_step(
    gradient: np.ndarray, values: np.ndarray, vectors: np.ndarray, index: int, precision: Precision = DOUBLE
) -> np.ndarray:
    """Newton step with the signs of the eigenvalues imposed: up everywhere, but down along the `index` topmost.

    `values` ascending. With index 0 it climbs to a maximum; with index k it is attracted by saddles with k positive
    Hessian eigenvalues.
    """
    along = vectors.T @ gradient
    curvature = np.maximum(np.abs(values), precision.curvature * max(np.abs(values).max(initial=0.0), 1e-12))
    direction = np.ones_like(values)
    if index:
        direction[-index:] = -1.0
    return vectors @ (direction * along / curvature)


def minimum_norm_step(
    gradient: np.ndarray, values: np.ndarray, vectors: np.ndarray, precision: Precision = DOUBLE
) -> np.ndarray:
    """Newton step without the directions in which the Hessian vanishes.

    Symmetries make the Hessian singular. Off the stationary point their eigenvalues are of the size of the gradient,
    so that is where the cut is made; it closes as the gradient falls.
    """
    along = vectors.T @ gradient
    cut = max(precision.null * np.abs(values).max(initial=0.0), float(np.linalg.norm(gradient)))
    keep = np.abs(values) > cut
    return vectors[:, keep] @ (-along[keep] / values[keep])


def search(
    objective: Objective, start: np.ndarray, index: int = 0, limit: int = 80, precision: Precision = DOUBLE
) -> Search:
    """Climb from `start`, then polish until the gradient stops falling; at most `limit` evaluations."""
    with np.errstate(over="ignore", invalid="ignore"):  # runaway searches overflow; they are reported, not hidden
        return _search(objective, start, index, limit, precision)


def _search(objective: Objective, start: np.ndarray, index: int, limit: int, precision: Precision) -> Search:
    point, radius, entry = np.array(start), 1.0, 1e-2
    value, gradient, hessian = objective(point)
    if not _finite(value, gradient, hessian):
        return Search(point, 0, "non-finite at the start")
    polishing, polished = False, np.inf
    spectrum = np.linalg.eigh(hessian)
    for iteration in range(1, limit + 1):
        size = float(np.linalg.norm(gradient))
        if size == 0.0:
            return Search(point, iteration, "converged")
        if np.abs(point - start).max(initial=0.0) > RUNAWAY:
            return Search(point, iteration, "runaway")
        newton = minimum_norm_step(gradient, *spectrum, precision)
        if not polishing and size < entry and np.linalg.norm(newton) < 0.5:
            polishing = True
        if polishing:
            step = newton
        else:
            step = ascent_step(gradient, *spectrum, index, precision)
            length = float(np.abs(step).max(initial=0.0))
            step *= min(1.0, radius / length) if length > 0 else 1.0
        trial = objective(point + step)
        if polishing:
            if _finite(*trial) and np.linalg.norm(trial[1]) < 0.7 * size:
                point, (value, gradient, hessian) = point + step, trial
            elif size <= 0.1 * precision.gradient or entry < precision.gradient or polished <= size:
                return Search(point, iteration, "converged" if size <= precision.gradient else "stalled")
            else:
                polishing, polished, entry, radius = False, size, 0.01 * min(entry, size), 0.1
                continue
        else:
            accepted, radius = _judge(value, gradient, hessian, step, trial, radius, index, precision.eps)
            if not accepted:
                if radius < precision.null:
                    return Search(point, iteration, "stalled")
                continue
            point, (value, gradient, hessian) = point + step, trial
        spectrum = np.linalg.eigh(hessian)
    return Search(point, limit, "iteration limit")


def _finite(value: float, gradient: np.ndarray, hessian: np.ndarray) -> bool:
    return bool(np.isfinite(value) and np.all(np.isfinite(gradient)) and np.all(np.isfinite(hessian)))


def _judge(
    value: float,
    gradient: np.ndarray,
    hessian: np.ndarray,
    step: np.ndarray,
    trial: Evaluation,
    radius: float,
    index: int,
    eps: float,
) -> tuple[bool, float]:
    """(accept the step?, next trust radius): by the quadratic model's agreement, for ascent and saddle search alike."""
    length = float(np.abs(step).max(initial=0.0))
    if not _finite(*trial):
        return False, 0.25 * length
    if index:
        predicted_gradient = gradient + hessian @ step
        error = float(np.linalg.norm(trial[1] - predicted_gradient)) / max(float(np.linalg.norm(gradient)), 1e-300)
        return bool(error < 1.0), (0.5 * length if error > 0.7 else min(2.0 * radius, 1.0) if error < 0.3 else radius)
    expected = float(gradient @ step + 0.5 * step @ hessian @ step)
    gained = float(trial[0]) - value
    noise = 4 * eps * abs(value)
    if gained < -noise or (expected > noise and gained < 0.05 * expected):
        return False, 0.25 * length
    agreement = gained / expected if expected > noise else 1.0
    return True, (min(2.0 * radius, 4.0) if agreement > 0.5 else radius)
