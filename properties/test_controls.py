"""Negative controls: the identity fails where it must, by the amount that a closed form predicts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings

from elbocheck.models.controls import CONTROLS, Control
from elbocheck.runs.jobs import run_control
from elbocheck.strategies import samples
from elbocheck.testing.properties import backend_under_test, budget_for, run_property


@pytest.mark.parametrize(
    "control",
    [
        pytest.param(one, id=f"{one.name}: {one.cell.name}", marks=pytest.mark.xdist_group(one.cell.group))
        for one in (replace(each, cell=each.cell.on(backend_under_test())) for each in CONTROLS)
    ],
)
def test_control_fails_as_predicted(control: Control, elbocheck_settings: settings) -> None:
    strategy = samples(control.cell, solvable=True, min_latents=control.min_latents)
    budget = budget_for(elbocheck_settings, control.cell, 4)
    tally = run_property(budget, strategy, lambda sample: run_control(control, sample)[0])
    tally.require_conclusive()
