"""What must not matter: order and repetition of data, names of latents, units of the data, chart of the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from elbocheck.backends import get_backend
from elbocheck.backends.namespace import namespace
from elbocheck.checks import equivalent
from elbocheck.models.sample import Cell, Sample
from elbocheck.models.transforms import permute_data, relabel_latents, repeat_datum, rescale_data
from elbocheck.outcome import Result
from elbocheck.strategies import samples
from elbocheck.testing.properties import budget_for, cells_under_test, run_property, share

CELLS = cells_under_test()


def by_cell(cells: tuple[Cell, ...]) -> Any:
    """One test per cell, on the worker that has compiled it."""
    return pytest.mark.parametrize(
        "cell", [pytest.param(cell, id=cell.name, marks=pytest.mark.xdist_group(cell.group)) for cell in cells]
    )


@by_cell(CELLS)
def test_order_of_data(cell: Cell, elbocheck_settings: settings) -> None:
    def check(drawn: tuple[Sample, list[int]]) -> Result:
        sample, order = drawn
        return equivalent(sample.problem(), permute_data(sample, np.array(order)).problem(), check="permuted data")

    strategy = samples(cell).flatmap(lambda sample: st.tuples(st.just(sample), st.permutations(range(len(sample.x)))))
    run_property(share(elbocheck_settings, 5), strategy, check).require_conclusive()


@by_cell(CELLS)
def test_repeated_datum(cell: Cell, elbocheck_settings: settings) -> None:
    def check(drawn: tuple[Sample, int, float]) -> Result:
        sample, index, share = drawn
        image = repeat_datum(sample, index % len(sample.x), share)
        return equivalent(sample.problem(), image.problem(), check="repeated datum")

    drawn = samples(cell, room=1)
    strategy = st.tuples(drawn, st.integers(0, 100), st.sampled_from((0.5, 0.1, 1.0)))
    run_property(share(elbocheck_settings, 5), strategy, check).require_conclusive()


@by_cell(tuple(cell for cell in CELLS if cell.capacity[2] > 1))
def test_names_of_latents(cell: Cell, elbocheck_settings: settings) -> None:
    def check(drawn: tuple[Sample, list[int]]) -> Result:
        sample, order = drawn
        image = relabel_latents(sample, np.array(order))
        return equivalent(sample.problem(), image.problem(), check="relabelled latents")

    strategy = samples(cell, solvable=True, min_latents=2).flatmap(
        lambda sample: st.tuples(st.just(sample), st.permutations(range(sample.latents)))
    )
    run_property(share(elbocheck_settings, 5), strategy, check).require_conclusive()


@by_cell(tuple(cell for cell in CELLS if cell.model.data.continuous))
def test_units_of_data(cell: Cell, elbocheck_settings: settings) -> None:
    """F and S shift by the same −D log s. Parameters of moderate size: rescaling rounds log variances, and at variances
    of 1e-10 a rounded logarithm moves F by more than the evaluation's own rounding."""

    def check(drawn: tuple[Sample, float]) -> Result:
        image, shift = rescale_data(*drawn)
        return equivalent(drawn[0].problem(), image.problem(), check="rescaled data", shift=shift)

    strategy = st.tuples(samples(cell, solvable=True), st.sampled_from((2.0, 0.3, 1e3, 1e-3)))
    run_property(share(elbocheck_settings, 5), strategy, check).require_conclusive()


def curved(sample: Sample) -> tuple[Any, Any]:
    """(chart, inverse): logits and logs θ = 2 sinh(ϑ / 2), far from linear; means, loadings and precisions θ = 4ϑ.

    Means can lie thousands of standard deviations from zero, where any rounding of a curved chart would move the data
    against them; a factor of four is exact.
    """
    sizes = sample.cell.axis_sizes(sample.capacity)
    bent = np.concatenate([np.full(int(np.prod(b.shape(sizes))), b.degree == 0) for b in sample.cell.blocks])

    def chart(vector: Any) -> Any:
        xp = namespace(vector).xp
        mask = xp.asarray(bent)
        return xp.where(mask, 2.0 * xp.sinh(0.5 * xp.where(mask, vector, 0.0)), 4.0 * vector)

    return chart, lambda vector: np.where(bent, 2.0 * np.arcsinh(0.5 * vector), 0.25 * vector)


@by_cell(CELLS)
def test_chart_of_parameters(cell: Cell, elbocheck_settings: settings) -> None:
    """In another chart β is found anew by least squares from Jacobians; F, S, gap and β·∇F stay.

    On NumPy: a chart would be one more program to compile for each cell, and the backends agree (test_agreement.py).
    """

    def check(sample: Sample) -> Result:
        sample = sample.on(get_backend("numpy", cell.backend.dtype))
        problem = sample.problem()
        return equivalent(problem, problem.in_chart(*curved(sample)), check="change of chart")

    run_property(budget_for(elbocheck_settings, cell, 5), samples(cell, solvable=True), check).require_conclusive()
