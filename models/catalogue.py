"""The catalogue: every `CELLS` of every file in this folder, and of a user's own file or module."""

from __future__ import annotations

import importlib
import pkgutil
import textwrap
from functools import cache
from pathlib import Path

from elbocheck.errors import InputError
from elbocheck.loading import named
from elbocheck.models.base import Model
from elbocheck.models.sample import Cell

THEORY_ROWS = (
    "SBN, one layer",
    "deep SBN",
    "PPCA",
    "factor analysis",
    "VAE-1 (standard)",
    "VAE-2",
    "VAE-3",
    "Bernoulli VAE",
    "Gaussian mixture",
    "EF mixtures, constant base measure",
    "EF mixtures, non-constant base measure",
    "sparse coding",
    "HMM",
)
"""The rows of THEORY section 7, in its order, which is the catalogue's; models beyond it come last."""


@cache
def cells() -> tuple[Cell, ...]:
    """Every (model, variational family) pair of this folder; sizes vary freely inside (N, D, K)."""
    here = Path(__file__).parent
    folders = {f"elbocheck.models{of}": here / of.removeprefix(".") for of in ("", ".outside", ".variational")}
    names = [
        f"{package}.{info.name}"
        for package, folder in folders.items()
        for info in pkgutil.iter_modules([str(folder)])
        if not info.ispkg and info.name not in ("catalogue", "datasets")  # they need us
    ]
    modules = [importlib.import_module(name) for name in names]
    found = [cell for module in modules for cell in getattr(module, "CELLS", ())]
    order = {row: position for position, row in enumerate(THEORY_ROWS)}
    return tuple(
        sorted(found, key=lambda cell: (bool(cell.out_of_scope), order.get(cell.model.theory.row, len(order))))
    )


@cache
def user_cells(source: str) -> tuple[Cell, ...]:
    """The cells in `FILE.py[:ATTRIBUTE]` or `MODULE[:ATTRIBUTE]`; the attribute is a Cell or a sequence of them."""
    where, _, attribute = source.partition(":")
    found = named(source, "CELLS")
    if found is None:
        raise InputError(
            f"{where!r} has no attribute {attribute or 'CELLS'!r}; it should be a Target, a Cell, or a tuple of them"
        )
    result = tuple(found) if isinstance(found, (tuple, list)) else (found,)
    wrong = [one for one in result if not isinstance(one, Cell)]
    if wrong or not result:
        raise InputError(
            f"{source!r} must be a Target, a Cell, or a non-empty tuple of them; "
            f"found {textwrap.shorten(str(wrong[:1] or 'nothing'), 60)}"
        )
    return result


def find_cell(name: str, source: str = "") -> Cell:
    """The cell called "model/variational", of `source` if that is given; raises `InputError` listing the names."""
    known = user_cells(source) if source else cells()
    for cell in known:
        if cell.name == name:
            return cell
    raise InputError(f"unknown cell {name!r}; choose one of {', '.join(cell.name for cell in known)}")


def find_model(name: str) -> Model:
    """The model called `name`; raises `InputError` listing the names."""
    models = {cell.model.name: cell.model for cell in cells()}
    if name not in models:
        raise InputError(f"unknown model {name!r}; choose one of {', '.join(models)}")
    return models[name]
