"""Hypothesis strategies: random sizes, data sets, parameters and variational families."""

from __future__ import annotations

from elbocheck.strategies.drawing import draw_many
from elbocheck.strategies.samples import samples, sizes

__all__ = ["draw_many", "samples", "sizes"]
