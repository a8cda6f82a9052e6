"""Start: where a search for a stationary point begins, and how it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True, eq=False)
class Start:
    """Where and how a search for a stationary point begins."""

    label: str
    """Name of the kind of start, for reports."""

    vector: np.ndarray
    """(P,): the parameters that it begins at."""

    index: int = 0
    """How many eigenvalues of the Hessian should be positive at its end (0: a maximum)."""

    held: np.ndarray | bool = False
    """Boolean (P,): elements kept fixed in a first stage (redundant latents), so that the second starts at a saddle."""

    tied: np.ndarray | None = None
    """Integers (P,): elements with equal ones move together in the first stage (equal components)."""

    missing: Literal["", "point", "saddle"] = ""
    """Only wanted while no point, or no saddle, has been certified by the starts before it; empty: always wanted."""

    limit: int = 80
    """Most evaluations of a stage."""

    optimum: Callable[[Any, Any], Any] | None = None
    """(vector (P,), fixed arrays) -> vector (P,) with the `eliminated` elements at their optimum given all others.

    The search then moves the others alone, on the profile of the bound.
    """

    eliminated: np.ndarray | bool = False
    """Boolean (P,): the elements of q that have a closed-form optimum."""
