"""Which models the theorem covers: found by the criterion's residual, never taken from a label (THEORY section 4)."""

from __future__ import annotations

import pytest
from hypothesis import settings

from elbocheck.checks import every_point, scope
from elbocheck.models import OUT_OF_SCOPE
from elbocheck.models.sample import Cell
from elbocheck.outcome import Outcome
from elbocheck.strategies import samples
from elbocheck.testing import cells_under_test, run_property, share

CELLS = cells_under_test()


def by_cell(cells: tuple[Cell, ...]) -> pytest.MarkDecorator:
    """One test per cell, on the worker that has compiled it."""
    return pytest.mark.parametrize(
        "cell", [pytest.param(cell, id=cell.name, marks=pytest.mark.xdist_group(cell.group)) for cell in cells]
    )


@by_cell(OUT_OF_SCOPE)
def test_models_outside_are_recognised_with_the_reason(cell: Cell, elbocheck_settings: settings) -> None:
    tally = run_property(
        elbocheck_settings,
        samples(cell, solvable=True),
        lambda sample: [scope(sample.problem()), every_point(sample.problem())],
    )
    assert tally.results
    for result in tally.results:
        assert result.outcome is Outcome.OUT_OF_SCOPE, result
        assert "factor" in result.message


@by_cell(CELLS)
def test_models_inside_are_recognised(cell: Cell, elbocheck_settings: settings) -> None:
    tally = run_property(share(elbocheck_settings, 25, 2), samples(cell), lambda sample: scope(sample.problem()))
    assert {result.outcome for result in tally.results} == {Outcome.HOLDS}
