"""Search for a stationary point of many parameters: L-BFGS, then minimum-norm Newton steps by MINRES.

No Hessian is formed: its products are differences of gradients. Like `newton`, this knows functions and a vector, no
model, and is never believed: see `certificate`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, minres

from elbocheck.solver.newton import RUNAWAY, Search
from elbocheck.solver.precision import DOUBLE, Precision

Gradient = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""A vector -> (F, ∇F)."""

MOST = 64
"""Elements up to which a dense Hessian is cheaper than products with it."""
MEMORY, PRODUCTS, STEPS = 20, 60, 8
"""Pairs that L-BFGS keeps; most products of one Newton step; most Newton steps."""
PROBE = 2.0**-18
"""Step of the differences of gradients, in natural units."""


def search(gradient: Gradient, start: np.ndarray, limit: int = 80, precision: Precision = DOUBLE) -> Search:
    """Climb from `start` with at most ten times `limit` gradients, then polish until the gradient stops falling."""
    calls, point = 0, np.array(start)

    def descent(at: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal calls
        calls += 1
        value, slope = gradient(at)
        if not (np.isfinite(value) and np.all(np.isfinite(slope))):
            return np.inf, np.zeros_like(at)
        return -value, -slope

    with np.errstate(all="ignore"):
        if not np.isfinite(descent(point)[0]):
            return Search(point, calls, "non-finite at the start")
        options = {
            "maxcor": MEMORY,
            "maxiter": 10 * limit,
            "maxfun": 20 * limit,
            "ftol": 0.0,
            "gtol": precision.gradient,
        }
        found = minimize(descent, point, jac=True, method="L-BFGS-B", options=options)
        point = np.asarray(found.x)
        if np.abs(point - start).max(initial=0.0) > RUNAWAY:
            return Search(point, calls, "runaway")
        for _ in range(STEPS):
            size = float(np.linalg.norm(descent(point)[1]))
            if size <= 1e-3 * precision.gradient:
                break
            step = newton_step(gradient, point, precision)
            trial = point + step
            if not np.all(np.isfinite(trial)) or not np.linalg.norm(descent(trial)[1]) < 0.7 * size:
                break
            point = trial
        value, slope = descent(point)
        if not np.isfinite(value):
            return Search(point, calls, "non-finite")
        size = float(np.linalg.norm(slope))
    return Search(point, calls, "converged" if size <= precision.gradient else "stalled")


def newton_step(gradient: Gradient, point: np.ndarray, precision: Precision = DOUBLE) -> np.ndarray:
    """The step of least norm with ∇²F · step = −∇F, as far as products show (MINRES)."""
    slope = gradient(point)[1]

    def product(direction: np.ndarray) -> np.ndarray:
        direction = np.ravel(direction)
        length = float(np.linalg.norm(direction))
        if length == 0.0:
            return np.zeros_like(direction)
        moved = direction / length * PROBE
        return np.asarray((gradient(point + moved)[1] - gradient(point - moved)[1]) * (length / (2.0 * PROBE)))

    hessian = LinearOperator((point.size, point.size), matvec=product, dtype=float)
    step, _ = minres(hessian, -slope, rtol=1e-8, maxiter=min(PRODUCTS, 4 * point.size))
    return np.asarray(step)
