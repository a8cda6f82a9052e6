"""Equal components move together, or rounding parts them on their way to a saddle."""

from __future__ import annotations

import numpy as np
import pytest

from elbocheck.backends import get_backend
from elbocheck.models import find_cell
from elbocheck.models.sample import Sample
from elbocheck.models.starts import collapsed_start
from elbocheck.solver import find_stationary_point
from elbocheck.strategies.of_cells import Draw, realise
from support.oracle_tools import draw

FOUND = (((15, 2, 3), "model", 4.0, 9286344), ((16, 3, 3), "duplicates", 2.5, 7188773))
"""Sizes, structure, size of the data and seed of gamma mixtures whose searches in float32 were parted."""


def gamma_mixture(sizes: tuple[int, int, int], structure: str, log10_scale: float, seed: int) -> Sample:
    choice = Draw("gamma-mixture/exact", sizes, structure, "random", log10_scale, 0.0, 0.0, (), seed)
    return realise(find_cell(choice.cell), choice, solvable=True)


@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_searches_are_not_parted_by_rounding(found: tuple, dtype: str) -> None:
    sample = gamma_mixture(*found).on(get_backend("numpy", dtype))
    start = collapsed_start(sample, np.ones(3, dtype=bool))
    problem, seen = sample.problem(), []
    point = find_stationary_point(problem, start, lambda vector, value, size: seen.append((vector, size)))
    assert point.certified, point.reason
    assert point.kind == "saddle"
    far = [problem.layout.unpack(vector) for vector, size in seen if size > 1e-2]
    assert len(far) >= 4
    for params in far:
        for value in params.values():
            np.testing.assert_array_equal(value, np.broadcast_to(value[:1], value.shape))


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("poisson-mixture/exact", {"logits", "log_rates"}),
        ("hmm-poisson/exact", {"initial_logits", "transition_logits", "log_rates"}),
        ("gmm-tied/exact", {"logits", "means"}),  # the covariance is shared
        ("sbn/exact", {"weights"}),  # those of redundant units are zero, and held
    ],
)
def test_what_is_tied(name: str, blocks: set[str]) -> None:
    """Latents 0 and 2 are made redundant, latent 1 is left alone."""
    sample = draw(find_cell(name).on(get_backend("numpy")), (8, 3, 3))
    start = collapsed_start(sample, np.array([True, False, True]))
    layout = sample.compiled.bound.layout
    assert start.tied is not None
    labels, own = layout.unpack(start.tied), layout.unpack(np.arange(layout.size))
    assert {key for key, value in labels.items() if np.any(value != own[key])} == blocks
    for key in blocks - {"transition_logits", "weights"}:
        np.testing.assert_array_equal(labels[key][2], own[key][0])
        np.testing.assert_array_equal(labels[key][:2], own[key][:2])
    if "transition_logits" in blocks:
        expected = own["transition_logits"][np.ix_([0, 1, 0], [0, 1, 0])]
        np.testing.assert_array_equal(labels["transition_logits"][:3, :3], expected)


def test_ascents_tie_nothing() -> None:
    starts = draw(find_cell("poisson-mixture/exact").on(get_backend("numpy")), (8, 3, 3)).problem().starts
    assert {start.label: start.tied is not None for start in starts} == {
        "ascent": False,
        "collapsed": True,
        "saddle": False,
    }
