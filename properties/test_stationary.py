"""F = S + δ at certified stationary points: any q, any data, saddles included (THEORY section 2)."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from elbocheck.checks import stationary
from elbocheck.models import CELLS
from elbocheck.models.sample import Cell, Sample
from elbocheck.outcome import Result
from elbocheck.solver import find_in_turn
from elbocheck.strategies import samples
from elbocheck.testing import budget_for, run_property

LEAST_SADDLES = 0.1
"""Where q follows the model (exact or trained with it), one verified point in ten must be a saddle."""
ENOUGH = 20
"""Points from which a share of one in ten can be told: a backend that can afford few problems verifies fewer."""


@pytest.mark.parametrize(
    "cell", [pytest.param(cell, id=cell.name, marks=pytest.mark.xdist_group(cell.group)) for cell in CELLS]
)
def test_elbo_equals_entropy_sum_at_stationary_points(cell: Cell, elbocheck_settings: settings) -> None:
    def check(drawn: tuple[Sample, int]) -> Result:
        problem = drawn[0].problem()
        return stationary(problem, find_in_turn(problem, drawn[1]))

    strategy = st.tuples(samples(cell, solvable=True), st.integers(0, 3))
    tally = run_property(budget_for(elbocheck_settings, cell), strategy, check)
    tally.require_conclusive()
    kinds = tally.kinds
    if cell.has_saddles and sum(kinds.values()) >= ENOUGH:
        assert kinds["saddle"] >= LEAST_SADDLES * sum(kinds.values()), kinds
