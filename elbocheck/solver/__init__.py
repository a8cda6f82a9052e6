"""Stationary points: search, refinement and an independent certificate."""

from elbocheck.solver.certificate import Inertia, StationaryPoint, certify
from elbocheck.solver.search import distinct, find_in_turn, find_stationary_point, find_stationary_points
from elbocheck.solver.start import Start

__all__ = [
    "Inertia",
    "Start",
    "StationaryPoint",
    "certify",
    "distinct",
    "find_in_turn",
    "find_stationary_point",
    "find_stationary_points",
]
