"""Profiles: how many random problems a run draws per cell, and how much may stay inconclusive."""

from __future__ import annotations

PROFILES = {"quick": 30, "gate": 100, "nightly": 1000}
"""Profile -> random problems per cell and property."""

COSTLY = 3
"""Cells whose problems take some ten times as long as most get a third of the problems."""

MOST_INCONCLUSIVE = {"float64": 0.05, "float32": 0.2}
"""Largest share of a cell's problems without a certified stationary point; more is a failure of the run.

In float32 rounding leads searches astray where data vary little: a thousandth of their size in the logarithm leaves
four digits of a residual. Such problems are open there and certified in float64.
"""
