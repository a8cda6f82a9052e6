"""Cells of the catalogue with one fault planted."""

from __future__ import annotations

from dataclasses import replace

from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays
from elbocheck.models.sample import Cell


def with_wrong_beta(cell: Cell, error: float) -> Cell:
    """The cell with a planted fault: every declared β is off by a relative `error`."""

    def factors(*arguments: Arrays) -> tuple[Factor, ...]:
        return tuple(
            replace(one, beta={name: (1.0 + error) * beta for name, beta in one.beta.items()})
            for one in cell.model.factors(*arguments)
            if one.beta is not None
        )

    return replace(cell, model=replace(cell.model, factors=factors))
