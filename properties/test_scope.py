"""Which models the theorem covers: found by the criterion's residual, never taken from a label (THEORY section 4)."""

from __future__ import annotations

import pytest
from hypothesis import settings

from elbocheck.backends import get_backend
from elbocheck.checks import every_point, outside, scope
from elbocheck.models import OUT_OF_SCOPE
from elbocheck.models.sample import Cell, Sample
from elbocheck.outcome import Outcome, Result
from elbocheck.strategies import samples
from elbocheck.testing.properties import cells_under_test, run_property, share

CELLS = cells_under_test()


def by_cell(cells: tuple[Cell, ...]) -> pytest.MarkDecorator:
    """One test per cell, on the worker that has compiled it."""
    return pytest.mark.parametrize(
        "cell", [pytest.param(cell, id=cell.name, marks=pytest.mark.xdist_group(cell.group)) for cell in cells]
    )


@by_cell(OUT_OF_SCOPE)
def test_models_outside_are_recognised_with_the_reason(cell: Cell, elbocheck_settings: settings) -> None:
    def check(sample: Sample) -> list[Result]:
        problem = sample.problem()
        return [outside(problem), every_point(problem)]

    results = run_property(elbocheck_settings, samples(cell, solvable=True), check).results
    told = [result for result in results if result.outcome is Outcome.OUT_OF_SCOPE]
    assert all("factor" in result.message for result in told)
    if get_backend().dtype == "float64":
        assert told == results
    else:  # a residual, or a gap, can be too small to be told from 0; `outside` compares with float64
        assert told
        assert not any(result.outcome is Outcome.HOLDS for result in results if result.check == "scope")


@by_cell(CELLS)
def test_models_inside_are_recognised(cell: Cell, elbocheck_settings: settings) -> None:
    strategy = samples(cell, dtype=get_backend().dtype)
    tally = run_property(share(elbocheck_settings, 25, 2), strategy, lambda sample: scope(sample.problem()))
    assert {result.outcome for result in tally.results} == {Outcome.HOLDS}
