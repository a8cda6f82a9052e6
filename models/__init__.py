"""The catalogue of reference models and variational families, one short file each."""

from __future__ import annotations

from elbocheck.models.catalogue import cells, find_cell, find_model, user_cells

CELLS = tuple(cell for cell in cells() if not cell.out_of_scope)
"""Every (model, variational family) pair that the theorem covers."""
OUT_OF_SCOPE = tuple(cell for cell in cells() if cell.out_of_scope)
"""Those that it does not cover, to be recognised as such."""

__all__ = ["CELLS", "OUT_OF_SCOPE", "cells", "find_cell", "find_model", "user_cells"]
