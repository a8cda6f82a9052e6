"""Problems of the catalogue as a strategy: which ones, on which backend, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import Phase, find, settings

from elbocheck.bound.decomposition import decompose
from elbocheck.checks import every_point, stationary
from elbocheck.drawing import draw_many
from elbocheck.errors import InputError
from elbocheck.models import OUT_OF_SCOPE, cells, find_cell
from elbocheck.outcome import Outcome
from elbocheck.strategies import problems, samples

PLAN = settings(max_examples=400, derandomize=True, database=None, phases=[Phase.generate, Phase.shrink], deadline=None)


def test_any_model_that_the_theorem_covers() -> None:
    drawn = draw_many(problems(backend="numpy"), 120)
    names = {one.label.split("'")[1] for one in drawn}
    assert len(names) > 15
    assert names <= {cell.name for cell in cells()} - {cell.name for cell in OUT_OF_SCOPE}
    assert {every_point(one).outcome for one in drawn[:20]} == {Outcome.HOLDS}


def test_one_cell_or_one_model() -> None:
    cell = find_cell("gmm-full/free")
    for given in (cell, "gmm-full/free"):
        assert {one.label.split("'")[1] for one in draw_many(problems(model=given, backend="numpy"), 8)} == {cell.name}
    of_model = {one.label.split("'")[1] for one in draw_many(problems(model="gmm-full", backend="numpy"), 40)}
    assert of_model == {"gmm-full/exact", "gmm-full/free", "gmm-full/arbitrary"}


def test_solvable_problems_are_solved() -> None:
    drawn = draw_many(problems(model="poisson-mixture/exact", solvable=True, backend="numpy"), 6)
    outcomes = [stationary(one).outcome for one in drawn]
    assert outcomes.count(Outcome.HOLDS) >= 5
    assert all("seed=None" not in one.label for one in drawn)
    assert all("seed=None" in one.label for one in draw_many(problems(model="sbn/exact", backend="numpy"), 6))


def test_the_same_problem_on_two_backends() -> None:
    strategies = [problems(model="gmm-diagonal/exact", backend=name) for name in ("numpy", "jax")]
    first, second = (draw_many(one, 5, entropy=2) for one in strategies)
    assert {one.compiled.backend.name for one in first} == {"numpy"}
    assert {one.compiled.backend.name for one in second} == {"jax"}
    assert {one.compiled.backend.dtype for one in (*first, *second)} == {"float64"}
    assert [one.label for one in first] == [one.label for one in second]
    for one, other in zip(first[:2], second[:2], strict=True):
        assert decompose(one).elbo == pytest.approx(decompose(other).elbo, rel=1e-12)
    assert [one.label for one in first] != [one.label for one in draw_many(strategies[0], 5, entropy=3)]


def test_shrinks_to_one_datum() -> None:
    found = find(
        problems(model="gmm-diagonal", backend="numpy"), lambda one: bool(np.any(one.fixed["x"] < -1.0)), settings=PLAN
    )
    assert "gmm-diagonal/exact" in found.label
    assert "sizes=(1, 1, 1)" in found.label


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: problems(model="gmm"), "unknown model 'gmm'"),
        (lambda: problems(model="gmm/exact"), "unknown cell 'gmm/exact'"),
        (lambda: problems(model=3), "model must be a Cell, or the name of one or of a model; got 3"),  # type: ignore[arg-type]
        (lambda: problems(solvable=None), "solvable must be True or False; got None"),  # type: ignore[arg-type]
        (lambda: problems(backend="tensorflow"), "backend must be one of jax, numpy, torch .*got 'tensorflow'"),
        (lambda: problems(dtype="float16"), "got 'jax' and 'float16'"),
        (lambda: samples("sbn/exact"), "cell must be a Cell; got 'sbn/exact'"),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments_are_refused_before_anything_is_drawn(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_arguments_have_names() -> None:
    with pytest.raises(TypeError, match="positional"):
        problems("sbn/exact")  # type: ignore[misc]
