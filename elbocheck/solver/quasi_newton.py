"""Search for a stationary point where Hessians are dear: BFGS towards it, then minimum-norm Newton on chords.

BFGS needs gradients only. One Hessian near the end then serves for as many Newton steps as still contract; it is taken
anew when they no longer do. Where BFGS crawls (along ridges, near saturated logits) a few steps of `newton` end the
search. Like `newton`, this knows functions and a vector, no model, and is never believed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from elbocheck.backends.base import Cost
from elbocheck.solver.newton import RUNAWAY, Objective, Search, minimum_norm_step
from elbocheck.solver.newton import search as newton_search
from elbocheck.solver.precision import DOUBLE, Precision

Gradient = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""A vector -> (F, ∇F)."""

ENTRY, NEAR = 1e-2, 0.5
"""Largest ‖∇F‖ and largest Newton step from which polishing may begin."""
CONTRACTION = 0.1
"""A chord is kept while it reduces the gradient by this factor; a new Hessian that does not is no help either."""
FEW, FEW_BY_VALUES = 24, 4
"""With no more elements a dear Hessian costs some ten gradients, and Newton steps are cheaper than those of BFGS; by
values alone it costs twice as many gradients as there are elements."""
STEPS = 25
"""Most evaluations of the last resort."""
FLOOR = 1e-14
"""No polishing below: rounding."""


def few(cost: Cost) -> int:
    """With how many elements Newton steps are the cheapest."""
    return FEW_BY_VALUES if cost.directional else FEW


@dataclass
class Counted:
    """The functions of a search, where it began, and how many gradients it took."""

    gradient: Gradient
    """point -> (value, gradient)."""

    derivatives: Objective
    """point -> (value, gradient, Hessian)."""

    start: np.ndarray
    """Where the search began."""

    calls: int = 0
    """Gradients so far."""

    def descent(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """(−F, −∇F), for a minimiser; +∞ where they are not finite, which a line search steps back from."""
        self.calls += 1
        value, gradient = self.gradient(point)
        if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
            return np.inf, np.zeros_like(point)
        return -value, -gradient

    def slope(self, point: np.ndarray) -> np.ndarray:
        self.calls += 1
        return self.gradient(point)[1]

    def spectrum(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Eigenvalues and eigenvectors of the Hessian, None where it is not finite."""
        hessian = self.derivatives(point)[2]
        return np.linalg.eigh(hessian) if np.all(np.isfinite(hessian)) else None

    def ran_away(self, point: np.ndarray) -> bool:
        return bool(np.abs(point - self.start).max(initial=0.0) > RUNAWAY)


def search(
    gradient: Gradient, derivatives: Objective, start: np.ndarray, limit: int = 80, precision: Precision = DOUBLE
) -> Search:
    """Polish near a stationary point, else climb with at most `limit` steps of BFGS; see `newton.search`."""
    functions, point = Counted(gradient, derivatives, np.array(start)), np.array(start)
    with np.errstate(all="ignore"):
        size = float(np.linalg.norm(functions.slope(point)))
        if not np.isfinite(size):
            return Search(point, 1, "non-finite at the start")
        polished = polish(functions, point, size, precision)
        if polished is None:
            point, stopped = climb(functions, point, min(ENTRY, 0.1 * size), limit)
            if stopped:
                return Search(point, functions.calls, stopped)
            polished = polish(functions, point, float(np.linalg.norm(functions.slope(point))), precision)
        if polished is not None:
            return Search(polished, functions.calls, "converged")
        last = newton_search(derivatives, point, limit=STEPS, precision=precision)
    return Search(last.vector, functions.calls + last.iterations, last.stopped)


def climb(functions: Counted, point: np.ndarray, entry: float, limit: int) -> tuple[np.ndarray, str]:
    """BFGS ascent until ‖∇F‖ ≤ `entry` or `limit` steps: (where it ended, "runaway" if that is towards infinity)."""

    def watch(intermediate_result: Any) -> None:
        if functions.ran_away(intermediate_result.x):
            raise StopIteration

    options = {"gtol": entry, "norm": 2, "maxiter": limit}
    found = minimize(functions.descent, point, jac=True, method="BFGS", callback=watch, options=options)
    return np.asarray(found.x), "runaway" if functions.ran_away(found.x) else ""


def polish(functions: Counted, point: np.ndarray, size: float, precision: Precision = DOUBLE) -> np.ndarray | None:
    """Newton steps until the gradient stops falling; None unless they begin short, contract, and end in rounding."""
    if size > ENTRY:
        return None
    slope, spectrum, fresh, begin = functions.slope(point), functions.spectrum(point), True, True
    while spectrum is not None and size > FLOOR:
        step = minimum_norm_step(slope, *spectrum, precision)
        if begin and not np.linalg.norm(step) < NEAR:
            return None
        trial = functions.slope(point + step)
        reached, begin = float(np.linalg.norm(trial)), False
        contracts = np.isfinite(reached) and reached < CONTRACTION * size
        if contracts:
            point, slope, size, fresh = point + step, trial, reached, False
        elif fresh or size <= 1e-3 * precision.gradient:
            break
        else:
            spectrum, fresh = functions.spectrum(point), True
    return point if size <= precision.gradient else None
