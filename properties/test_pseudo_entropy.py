"""Base measures that are not constant: the theorem holds with pseudo-entropies, the plain identity misses by δ."""

from __future__ import annotations

import pytest
from hypothesis import settings

from elbocheck.checks import stationary
from elbocheck.checks.compare import Deviation, judge
from elbocheck.models.sample import Cell, Sample
from elbocheck.outcome import Result
from elbocheck.solver import distinct, find_stationary_points
from elbocheck.strategies import samples
from elbocheck.testing.properties import budget_for, cells_under_test, run_property

CELLS = cells_under_test()


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(cell, id=cell.name, marks=pytest.mark.xdist_group(cell.group))
        for cell in CELLS
        if not cell.model.theory.constant_base_measure
    ],
)
def test_pseudo_entropy_identity(cell: Cell, elbocheck_settings: settings) -> None:
    """E_q log p − E_q log h + E_q H̃ = 0 for every factor at every certified stationary point."""

    def check(sample: Sample) -> Result:
        found = find_stationary_points(sample.problem())
        points = distinct(found)
        if not points:
            return stationary(found[0].problem, found)
        deviations = [
            Deviation(f"pseudo-entropy of {term.label}", abs(term.pseudo_gap), point.decomposition.factor_bound(term))
            for point in points
            for term in point.decomposition.factors
        ]
        return judge("pseudo-entropy", sample.label, deviations, points=len(points))

    run_property(budget_for(elbocheck_settings, cell, 4), samples(cell, solvable=True), check).require_conclusive()
