"""The catalogue of reference models and variational families, one short file each; loaded when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

_CATALOGUE = ("CELLS", "OUT_OF_SCOPE", "cells", "find_cell", "find_model", "user_cells")

__all__ = [*_CATALOGUE]


def __getattr__(name: str) -> Any:
    """`CELLS`: every (model, variational family) pair that the theorem covers; `OUT_OF_SCOPE`: the others."""
    if name not in _CATALOGUE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    catalogue = importlib.import_module("elbocheck.models.catalogue")
    if name in ("CELLS", "OUT_OF_SCOPE"):
        return tuple(cell for cell in catalogue.cells() if bool(cell.out_of_scope) == (name == "OUT_OF_SCOPE"))
    return getattr(catalogue, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_CATALOGUE])
