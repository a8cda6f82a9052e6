"""What counts as stationary, for each floating-point type. Chosen by hand; they decide certified or not, no more.

Whether the identity holds is judged with computed bounds only, which grow with what is let through here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Precision:
    """Limits in nats per datum and chart units, and relative thresholds of the search."""

    eps: float
    """Machine epsilon of the type."""

    gradient: float
    """Largest certified ‖∇F‖."""

    distance: float
    """Largest certified Newton step.

    Beyond, a small gradient only says that the bound is flat, as it is at infinity.
    """

    null: float
    """Eigenvalues below this share of the largest are symmetries."""

    curvature: float
    """Least curvature of an ascent step, as such a share."""

    @property
    def rounding(self) -> float:
        """Largest bound on the rounding error of ∇F: the same number of roundings in every type, 2²² (1e-9 and 0.5)."""
        return 2.0**22 * self.eps


DOUBLE = Precision(float(np.finfo(np.float64).eps), 1e-9, 1e-6, 1e-12, 1e-8)
SINGLE = Precision(float(np.finfo(np.float32).eps), 1e-3, 1e-2, 1e-5, 1e-4)


def precision_of(eps: float) -> Precision:
    """The limits of the floating-point type with machine epsilon `eps`."""
    return DOUBLE if eps <= DOUBLE.eps else SINGLE
