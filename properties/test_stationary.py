"""F = S + δ at certified stationary points: any q, any data, saddles included (THEORY section 2)."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings

from elbocheck.checks import stationary
from elbocheck.models.sample import Cell
from elbocheck.strategies import samples
from elbocheck.testing.properties import budget_for, cells_under_test, run_property

CELLS = cells_under_test()

LEAST_SADDLES = 0.1
"""Where q follows the model (exact or trained with it), one verified point in ten must be a saddle.

Asserted in float64. In float32 rounding leads some more searches away from saddles: `verify` on JAX found 7 % in the
two poorest cells, and a tenth or nearly so in all others.
"""
ENOUGH = 20
"""Points from which a share of one in ten can be told: a backend that can afford few problems verifies fewer."""


@pytest.mark.parametrize(
    "cell", [pytest.param(cell, id=cell.name, marks=pytest.mark.xdist_group(cell.group)) for cell in CELLS]
)
def test_elbo_equals_entropy_sum_at_stationary_points(cell: Cell, elbocheck_settings: settings) -> None:
    tally = run_property(
        budget_for(elbocheck_settings, cell), samples(cell, solvable=True), lambda sample: stationary(sample.problem())
    )
    tally.require_conclusive()
    kinds = tally.inertia
    if cell.has_saddles and cell.backend.dtype == "float64" and sum(kinds.values()) >= ENOUGH:
        count = sum(kinds.values())
        noise = math.sqrt(count * LEAST_SADDLES * (1.0 - LEAST_SADDLES))  # one standard error of what a run draws
        assert kinds.get("saddle", 0) >= LEAST_SADDLES * count - noise, kinds
