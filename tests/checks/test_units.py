"""The criterion does not depend on the units of the data."""

from __future__ import annotations

import pytest

from elbocheck.backends import get_backend
from elbocheck.checks import scope
from elbocheck.models import find_cell
from elbocheck.models.transforms import rescale_data
from elbocheck.outcome import Outcome
from support.oracle_tools import draw


@pytest.mark.parametrize("factor", [1e-9, 1e-4, 1e6])
def test_a_violated_demand_is_as_large_in_other_units(factor: float) -> None:
    """Natural parameters of data of size 1e-9 are of size 1e9; rescaling z must not pass for possible beside them."""
    sample = draw(find_cell("ppca/unit").on(get_backend("numpy")), (8, 3, 2))
    before, after = scope(sample.problem()), scope(rescale_data(sample, factor)[0].problem())
    assert before.outcome is after.outcome is Outcome.OUT_OF_SCOPE
    assert after.gap == pytest.approx(before.gap, rel=1e-6)
