"""Numbers that are drawn shrink with the sizes: a failure that needs one datum is shown with one datum."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import Phase, find, settings

from elbocheck.backends import get_backend
from elbocheck.checks import every_point
from elbocheck.errors import InputError
from elbocheck.models import find_cell
from elbocheck.models.sample import Cell, Sample
from elbocheck.outcome import Outcome
from elbocheck.strategies import draw_many, samples
from elbocheck.strategies.of_cells import Draw, realise
from support.faulty_cells import with_wrong_beta

PLAN = settings(
    max_examples=1000, derandomize=True, database=None, phases=[Phase.generate, Phase.shrink], deadline=None
)


def smallest(name: str, condition: Callable[[Sample], bool]) -> Sample:
    """The least of three searches: one may end in another minimum, as shrinking may."""
    found = [find(samples(find_cell(name)), condition, settings=PLAN, random=Random(seed)) for seed in range(3)]
    return min(found, key=lambda one: (one.sizes, float(np.abs(one.x).max())))


def third_below_minus_one(sample: Sample) -> bool:
    return len(sample.x) > 2 and bool(sample.x[2, 0] < -1.0)


@pytest.mark.parametrize("name", ["gmm-diagonal/exact", "gmm-spherical/free", "laplace-mixture/exact"])
def test_a_condition_on_the_third_datum_needs_three_equal_data(name: str) -> None:
    found = smallest(name, third_below_minus_one)
    assert found.sizes == (3, 1, 1)
    assert len(np.unique(found.x)) == 1
    assert -2.1 <= found.x[0, 0] < -1.0
    assert f"x = {found.x.tolist()}" in found.label


@pytest.mark.parametrize("name", ["gmm-diagonal/exact", "gmm-full/arbitrary", "ppca/exact"])
def test_a_failure_that_needs_one_datum_is_shown_with_one(name: str) -> None:
    found = smallest(name, lambda sample: bool(np.any(np.abs(sample.x) > 2.0)))
    assert found.sizes == (1, 1, 1)


@pytest.mark.parametrize("name", ["gmm-diagonal/exact", "poisson-mixture/exact", "sbn/exact"])
def test_a_failure_that_needs_one_parameter_leaves_the_others_simple(name: str) -> None:
    block = "prior_logits" if name == "sbn/exact" else "logits"
    found = smallest(name, lambda sample: bool(np.max(sample.params[block]) > 0.3))
    assert found.sizes == (1, 1, 1)
    assert 0.3 < found.params[block][0] < 0.4
    plain = smallest(name, lambda sample: True)
    for other in set(found.params) - {block}:
        np.testing.assert_array_equal(found.params[other], plain.params[other])


def test_numbers_from_a_seed_do_not_shrink() -> None:
    """What the drawn ones are compared with: three data stay, of as many digits as there are."""
    cell = find_cell("gmm-diagonal/exact")
    found = find(samples(cell, solvable=True), third_below_minus_one, settings=PLAN)
    assert len(np.unique(found.x)) > 1


def violated(sample: Sample) -> bool:
    return every_point(sample.on(get_backend("numpy")).problem()).outcome is Outcome.VIOLATED


@pytest.mark.parametrize("name", ["gmm-diagonal/exact", "ppca/full", "poisson-mixture/exact"])
def test_equal_numbers_hide_no_fault(name: str) -> None:
    """Draws tell a planted fault nearly every time, and it is shown with one datum of one dimension."""
    cell = find_cell(name)
    faulty = with_wrong_beta(cell, 1e-6)
    assert sum(map(violated, draw_many(samples(faulty), 12))) >= 11
    assert not any(map(violated, draw_many(samples(cell), 12)))
    assert find(samples(faulty), violated, settings=PLAN).sizes == (1, 1, 1)


def drawn(cell: Cell, **options: object) -> list[Sample]:
    return draw_many(samples(cell, **options), 12, entropy=3)  # type: ignore[arg-type]


def equal(one: Sample, other: Sample) -> bool:
    blocks = {"x": (one.x, other.x), **{name: (one.params[name], other.params[name]) for name in one.params}}
    return one.label == other.label and all(np.array_equal(*pair) for pair in blocks.values())


@pytest.mark.parametrize("solvable", [False, True], ids=["any", "solvable"])
def test_draws_depend_on_the_dtype_of_a_backend_only(solvable: bool) -> None:
    cell = find_cell("gmm-diagonal/exact")
    first = drawn(cell, solvable=solvable)
    assert all(map(equal, first, drawn(cell.on(get_backend("numpy")), solvable=solvable)))
    assert all(map(equal, first, drawn(cell.on(get_backend("numpy", "float32")), solvable=solvable, dtype="float64")))
    assert not all(map(equal, first, draw_many(samples(cell, solvable=solvable), 12, entropy=4)))


def test_extremes_are_as_far_as_exp_goes_in_the_dtype() -> None:
    cell = find_cell("gmm-diagonal/exact")
    wide, narrow = (draw_many(samples(cell, dtype=dtype), 60) for dtype in ("float64", "float32"))
    spreads = [max(np.abs(sample.params["logits"]).max() for sample in found) for found in (wide, narrow)]
    assert spreads[0] > 10.0
    assert spreads[1] < 6.0
    with pytest.raises(InputError, match="dtype must be one of float64, float32; got 'float16'"):
        samples(cell, dtype="float16")


def test_drawn_samples_cannot_be_made_again_from_their_label() -> None:
    cell = find_cell("sbn/exact")
    choice = Draw(cell.name, (1, 1, 1), "model", "equal", 0.0, 0.0, 0.0, (), None)
    with pytest.raises(InputError, match="cannot be made again"):
        realise(cell, choice, solvable=False)
