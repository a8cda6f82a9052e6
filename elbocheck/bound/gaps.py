"""What a direction β says of gaps: gap_f − δ_f − β·d, and how much of it is rounding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elbocheck.bound.reading import Reading


def targets(reading: Reading, name: str) -> np.ndarray:
    """weight · (gap − δ) of a factor's components (G,): what β·∇F must be."""
    term = reading.terms["factors"][name]
    gap = term["log_density"] + term["entropy"]
    delta = term["log_base_measure"] - term["expected_log_base_measure"]
    return np.asarray(float(term["weight"]) * (gap - delta))


def rest(reading: Reading, names: Sequence[str], beta: np.ndarray) -> float:
    """Σ_f weight_f (gap_f − δ_f) − β·d."""
    return float(sum(targets(reading, name).sum() for name in names)) - reading.along(beta)[0]


def noise(reading: Reading, beta: np.ndarray, thorough: bool = False) -> float:
    """Bound on the rounding of `rest`."""
    sized = reading.constant * (reading.scale_at(thorough) + reading.absolute(beta, thorough))
    return sized + 10.0 * reading.along(beta)[1]


def vanishes(reading: Reading, names: Sequence[str], beta: np.ndarray, missed: float = 0.0) -> bool:
    """Whether `rest` is 0 to rounding, measured where the terms do not explain it."""
    left = abs(rest(reading, names, beta))
    if left <= noise(reading, beta) + missed:
        return True
    if not left <= 1e-6 * reading.scale:
        return False
    known = noise(reading, beta, thorough=True) + missed
    return left <= known or left <= known + reading.value_noise + reading.noise_along(beta)
