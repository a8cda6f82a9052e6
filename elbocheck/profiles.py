"""Profiles: how many random problems a run draws per cell, and how much may stay inconclusive."""

from __future__ import annotations

PROFILES = {"quick": 30, "gate": 100, "nightly": 1000}
"""Profile -> random problems per cell and property."""

TARGET_PROFILES = {"quick": 6, "gate": 20, "nightly": 200}
"""Profile -> problems that are drawn of a downstream's target, each of which may have to be compiled."""

COSTLY = 3
"""Cells whose problems take some ten times as long as most get a third of the problems."""

MOST_INCONCLUSIVE = 0.05
"""Largest share of a cell's problems without a certified stationary point; more is a failure of the run."""
