"""Functions whose stationary points are known, with gradient and Hessian, for tests of the searches."""

from __future__ import annotations

import numpy as np

from elbocheck.solver.newton import Evaluation


def ring(point: np.ndarray) -> Evaluation:
    """−(r² − 1)² / 4: a circle of maxima, singular Hessian on it, and a minimum at 0."""
    square = float(point @ point)
    hessian = -(square - 1.0) * np.eye(point.size) - 2.0 * np.outer(point, point)
    return -0.25 * (square - 1.0) ** 2, -(square - 1.0) * point, hessian


def two_hills(point: np.ndarray) -> Evaluation:
    """−(x² − 1)² / 4 − y²: maxima at (±1, 0), a saddle with one upward direction at 0."""
    x, y = point
    return -0.25 * (x**2 - 1) ** 2 - y**2, np.array([-(x**2 - 1) * x, -2 * y]), np.diag([1 - 3 * x**2, -2.0])


def endless(point: np.ndarray) -> Evaluation:
    """−e^(−x/4): increases forever; gradient and curvature vanish together."""
    value = float(np.exp(-point[0] / 4))
    return -value, np.array([value / 4]), np.array([[-value / 16]])
