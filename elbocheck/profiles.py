"""Profiles: how many random problems a run draws per cell, and how much may stay inconclusive."""

from __future__ import annotations

PROFILES = {"quick": 30, "gate": 100, "nightly": 1000}
"""Profile -> random problems per cell and property."""

TARGET_PROFILES = {"quick": 6, "gate": 20, "nightly": 200}
"""Profile -> problems that are drawn of a downstream's target, each of which may have to be compiled."""

COSTLY = 3
"""Cells whose problems take some ten times as long as most get a third of the problems."""

FEW = 10
"""Problems from which a share can be judged in float32."""


def most_inconclusive(dtype: str, problems: int) -> float:
    """Largest share of a cell's problems without a certified stationary point; more is a failure of the run.

    In float32 rounding leads searches astray where data vary little: if by a thousandth of their size, four digits of
    a residual are left. Such problems are open there and certified in float64.
    """
    if dtype == "float64":
        return 0.05
    return 0.2 if problems >= FEW else 0.5
