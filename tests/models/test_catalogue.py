"""The catalogue is complete: every row of THEORY section 7, every family."""

from __future__ import annotations

import pytest

from elbocheck.families import FAMILIES, HalfNormal, InverseGamma, InverseWishart, NormalGamma, NormalWishart, Wishart
from elbocheck.models import CELLS, cells
from elbocheck.models.catalogue import THEORY_ROWS

NAMED = {name for cell in CELLS for name in cell.model.theory.families}
UNMIXED = (HalfNormal, InverseGamma, InverseWishart, NormalGamma, NormalWishart, Wishart)
"""Priors of code that is connected; no model of the catalogue has them, and a mixture of them would add no theory."""


@pytest.mark.parametrize("row", THEORY_ROWS)
def test_every_row_of_the_theory_has_a_cell(row: str) -> None:
    assert [cell.name for cell in CELLS if cell.model.theory.row == row]


def test_no_cell_belongs_to_an_unknown_row() -> None:
    assert {cell.model.theory.row for cell in CELLS} <= {*THEORY_ROWS, ""}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.family)
def test_every_family_is_that_of_a_model_or_said_to_be_none(family: type) -> None:
    assert (family.family in NAMED) == (family not in UNMIXED)


def test_models_name_families_that_exist() -> None:
    known = {family.family for family in FAMILIES}
    unknown = NAMED - known
    assert not {part for name in unknown for part in name.split(", ")} - known  # a prior of two factors names both


def test_a_constant_base_measure_is_that_of_the_families() -> None:
    constant = {family.family: family.constant_base_measure for family in FAMILIES}
    for cell in CELLS:
        expected = all(constant[name] for name in cell.model.theory.families if name in constant)
        assert cell.model.theory.constant_base_measure == expected, cell.name
        row = cell.model.theory.row.removeprefix("EF mixtures, ")
        if row != cell.model.theory.row:
            assert row == ("constant base measure" if expected else "non-constant base measure"), cell.name


def test_names_are_unique() -> None:
    names = [cell.name for cell in cells()]
    assert len(set(names)) == len(names)
