"""The catalogue of reference models and variational families, one short file each."""

from __future__ import annotations

from elbocheck.models.catalogue import CELLS, find_cell, find_model

__all__ = ["CELLS", "find_cell", "find_model"]
