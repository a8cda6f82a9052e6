"""gap_f = β_f·∇F + δ_f at every parameter point, for every q, per factor and component (THEORY section 3)."""

from __future__ import annotations

import pytest
from hypothesis import settings

from elbocheck.checks import criterion_holds, every_point
from elbocheck.models.sample import Cell
from elbocheck.outcome import Result
from elbocheck.strategies import samples
from elbocheck.testing.properties import cells_under_test, run_property, share

CELLS = cells_under_test()

by_cell = pytest.mark.parametrize(
    "cell", [pytest.param(cell, id=cell.name, marks=pytest.mark.xdist_group(cell.group)) for cell in CELLS]
)

MOST_RELATIVE = 4500
"""The residual over Σ|terms|, in units of eps (1e-12 in float64), besides the bound computed for each factor."""


@by_cell
def test_identity_holds_at_every_point(cell: Cell, elbocheck_settings: settings) -> None:
    def check(sample) -> Result:  # type: ignore[no-untyped-def]
        return every_point(sample.problem())

    tally = run_property(elbocheck_settings, samples(cell), check)
    tally.require_conclusive()
    most = MOST_RELATIVE * cell.backend.eps
    assert tally.worst.relative <= most


@by_cell
def test_declared_beta_scales_all_natural_parameters(cell: Cell, elbocheck_settings: settings) -> None:
    budget, strategy = share(elbocheck_settings, 5), samples(cell)
    tally = run_property(budget, strategy, lambda sample: criterion_holds(sample.problem()))
    tally.require_conclusive()
