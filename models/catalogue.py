"""The catalogue: which models run with which variational families, and in what capacity."""

from __future__ import annotations

from elbocheck.errors import InputError
from elbocheck.model import Model, Variational
from elbocheck.models.gaussian_mixture import GMM_DIAGONAL, GMM_FULL, GMM_SPHERICAL, GMM_TIED
from elbocheck.models.poisson_mixture import POISSON_MIXTURE
from elbocheck.models.ppca import PPCA
from elbocheck.models.q_exact import EXACT, EXACT_GAUSSIAN
from elbocheck.models.q_gaussian import DIAGONAL_GAUSSIAN, FULL_GAUSSIAN, SCALED_GAUSSIAN
from elbocheck.models.q_mean_field import MEAN_FIELD
from elbocheck.models.q_table import ARBITRARY, RESPONSIBILITIES
from elbocheck.models.sample import Cell
from elbocheck.models.sbn import SBN

_MIXTURES = (GMM_FULL, GMM_DIAGONAL, GMM_SPHERICAL, GMM_TIED, POISSON_MIXTURE)
_BINARY, _LINEAR, _MIXTURE = (12, 4, 3), (10, 4, 3), (12, 3, 3)

CELLS: tuple[Cell, ...] = (
    Cell(SBN, EXACT, (16, 4, 3)),
    Cell(SBN, MEAN_FIELD, _BINARY),
    Cell(SBN, ARBITRARY, _BINARY),
    Cell(PPCA, EXACT_GAUSSIAN, (16, 5, 3)),
    Cell(PPCA, FULL_GAUSSIAN, (8, 4, 2)),
    Cell(PPCA, DIAGONAL_GAUSSIAN, _LINEAR),
    Cell(PPCA, SCALED_GAUSSIAN, _LINEAR),
    *(
        Cell(model, variational, (24, 3, 3) if variational.optimal else _MIXTURE)
        for model in _MIXTURES
        for variational in (EXACT, RESPONSIBILITIES, ARBITRARY)
    ),
)
"""Every (model, variational family) pair; sizes vary freely inside (N, D, K)."""


def find_cell(name: str) -> Cell:
    """The cell called "model/variational"; raises `InputError` listing the names."""
    for cell in CELLS:
        if cell.name == name:
            return cell
    raise InputError(f"unknown cell {name!r}; choose one of {', '.join(cell.name for cell in CELLS)}")


def find_model(name: str) -> Model:
    """The model called `name`; raises `InputError` listing the names."""
    models = {cell.model.name: cell.model for cell in CELLS}
    if name not in models:
        raise InputError(f"unknown model {name!r}; choose one of {', '.join(models)}")
    return models[name]


def variationals(model: Model) -> tuple[Variational, ...]:
    """The variational families that `model` runs with."""
    return tuple(cell.variational for cell in CELLS if cell.model is model)
