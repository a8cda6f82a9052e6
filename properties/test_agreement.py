"""Two array libraries that share no compiled code and differentiate in different ways give the same numbers."""

from __future__ import annotations

import pytest
from hypothesis import settings

from elbocheck.backends import get_backend
from elbocheck.bound.problem import Problem
from elbocheck.checks import agreement, equivalent
from elbocheck.models.sample import Cell, Sample
from elbocheck.proofs import appeal
from elbocheck.strategies import samples
from elbocheck.testing.properties import cells_under_test, run_property, share

CELLS = cells_under_test()

by_cell = pytest.mark.parametrize(
    "cell", [pytest.param(cell, id=cell.name, marks=pytest.mark.xdist_group(cell.group)) for cell in CELLS]
)


def compiled(sample: Sample) -> Problem:
    """The sample's problem on its own backend, or on the default one where it is NumPy, to compare with that."""
    backend = sample.cell.backend
    return sample.on(get_backend(dtype=backend.dtype) if backend.name == "numpy" else backend).problem()


def plain(sample: Sample) -> Problem:
    """The same on NumPy, with arrays of its own sizes."""
    return sample.on(get_backend("numpy", sample.cell.backend.dtype)).problem()


@by_cell
def test_backends_agree(cell: Cell, elbocheck_settings: settings) -> None:
    numpy = get_backend("numpy", cell.backend.dtype)
    run_property(
        share(elbocheck_settings, 20),
        samples(cell, solvable=True),
        lambda sample: agreement(compiled(sample), numpy, appeal),
    ).require_conclusive()


@by_cell
def test_padding_changes_nothing(cell: Cell, elbocheck_settings: settings) -> None:
    run_property(
        share(elbocheck_settings, 20),
        samples(cell, solvable=True),
        lambda sample: equivalent(compiled(sample), plain(sample), check="padding"),
    ).require_conclusive()
