"""`log_density_scale`: the rounding error of log p in float32 stays within it, and it is not absurdly large."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from support.oracles import CASES

MOST, LEAST = 4.0, 0.1
"""Largest error in units of eps times the scale, and the least that the worst value of a family comes to."""
EPS, TINY, HUGE = (float(getattr(np.finfo(np.float32), name)) for name in ("eps", "tiny", "max"))
WELL_CONDITIONED = {"Wishart": 2}
"""How many of the first values are positive definite in float32, too, where not all of them are."""


def single(distribution: Any, dtype: Any) -> Any:
    """The parameters rounded to float32, in another type."""
    named = {field.name: getattr(distribution, field.name) for field in dataclasses.fields(distribution)}
    rounded = {
        name: np.asarray(value, np.float32).astype(dtype)
        for name, value in named.items()
        if isinstance(value, np.ndarray) and value.dtype == np.float64
    }
    return dataclasses.replace(distribution, **rounded)


@pytest.mark.parametrize("family", CASES, ids=lambda family: family.__name__)
def test_rounding_errors_stay_within_the_scale(family: Any) -> None:
    case = CASES[family]
    values = case.values[: WELL_CONDITIONED.get(family.__name__, len(case.values))]
    value = np.where(np.abs(values) < HUGE, values, 1.0).astype(np.float32)
    fine = single(case.distribution, np.float64)
    with np.errstate(all="ignore"):
        coarse = np.asarray(single(case.distribution, np.float32).log_density(value), float)
        exact, scale = fine.log_density(value.astype(float)), fine.log_density_scale(value.astype(float))
    scale = np.broadcast_to(scale, exact.shape)
    held = np.isfinite(coarse) & np.isfinite(exact) & (scale < HUGE)
    assert np.mean(held) >= 0.5
    assert np.all(scale[held] >= (1.0 - 1e-9) * np.abs(exact[held]))  # what is summed up is no smaller than the sum
    units = np.abs(coarse[held] - exact[held]) / (EPS * scale[held] + TINY)
    assert units.max() <= MOST
    assert units.max() >= LEAST  # a scale that is much too large would hide errors
