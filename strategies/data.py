"""Strategies for data sets in the support of a family or a model, and for responsibilities of their components."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy import special

from elbocheck.errors import InputError
from elbocheck.families import FAMILIES, Distribution
from elbocheck.models.base import Model
from elbocheck.models.catalogue import find_model
from elbocheck.models.datasets import Dataset
from elbocheck.strategies.checked import flag, whole
from elbocheck.strategies.members import RECIPES, family_of, is_wide, least_length
from elbocheck.strategies.numbers import generator, one_in
from elbocheck.strategies.of_cells import WEIGHTINGS, drawn_weights

MOST_COMPONENTS = 3
SPREADS = (1.0, 0.0, 4.0, 40.0)
"""Standard deviations of logits of responsibilities: at 40 nearly all rows are one-hot, with entries down to 1e-107."""


def datasets(
    *,
    family: type[Distribution] | str | None = None,
    model: Model | str | None = None,
    min_data: int = 1,
    max_data: int = 20,
    min_dims: int = 1,
    max_dims: int = 4,
    weighted: bool | None = None,
) -> st.SearchStrategy[Dataset]:
    """Data x (N, D) with weights (N,) that sum to 1, N and D from their least to their most.

    `family`: of `elbocheck.families`, or its name; the D columns are drawn from members of their own, and one value of
    a family of vectors is a row (a pair, of normal-gamma); of matrices (Wishart) it is D × D, and x (N, D, D), of
    normal-Wishart (D + 1) × D. `model`: of the catalogue, or its
    name; data with its structure, or without it. Neither: any family of numbers or vectors that has values of so many
    elements. `weighted`: whether weights differ (as soon as N > 1); None: in two data sets of three, half of these with
    some zeros.

    Shrinks towards the least N and D, equal weights, and equal medians. Raises `InputError` for unknown names, a family
    and a model, and numbers of data or dimensions that do not exist.
    """
    if family is not None and model is not None:
        raise InputError(f"datasets: either a family or a model; got {family!r} and {model!r}")
    whole("datasets", "min_data", min_data, 1)
    whole("datasets", "max_data", max_data, min_data)
    whole("datasets", "min_dims", min_dims, 1)
    whole("datasets", "max_dims", max_dims, min_dims)
    flag("datasets", "weighted", weighted)
    weightings = {None: WEIGHTINGS, True: WEIGHTINGS[1:], False: WEIGHTINGS[:1]}[weighted]
    sources: list[Any]
    if model is not None:
        found = find_model(model) if isinstance(model, str) else model
        if not isinstance(found, Model):
            raise InputError(f"datasets: model must be a Model of the catalogue or its name; got {model!r}")
        sources, least = [found], found.data.least_observed
    elif family is not None:
        sources = [family_of(family, "datasets")]
        least = least_length(sources[0])
    else:
        sources, least = [one for one in FAMILIES if is_wide(one) and least_length(one) <= max_dims], 1
    whole("datasets", "max_dims", max_dims, least)
    return _datasets(sources, (min_data, max_data), (max(min_dims, least), max_dims), weightings)


@st.composite
def _datasets(
    draw: st.DrawFn, sources: list[Any], data: tuple[int, int], dims: tuple[int, int], weightings: tuple[str, ...]
) -> Dataset:
    source, rng, count = draw(st.sampled_from(sources)), generator(draw), draw(st.integers(*data))
    if isinstance(source, Model):
        name, columns = source.name, draw(st.integers(*dims))
        x = source.data.simulate(rng, count, columns, draw(st.sampled_from((1, 2, MOST_COMPONENTS, 0))))
    else:
        name, columns = source.family, draw(st.integers(max(dims[0], least_length(source)), dims[1]))
        recipe = RECIPES[source]
        batch, length = ((), columns) if source.event_ndim else ((columns,), 0)
        x = recipe.values(rng, recipe.member(rng, batch, length), (count, *batch))
    return Dataset(name, x, drawn_weights(rng, count, draw(st.sampled_from(weightings))))


def responsibilities(*, data: int, components: int, zeros: bool = False) -> st.SearchStrategy[np.ndarray]:
    """Responsibilities (N, K) of `components` K for `data` N: rows that are positive and sum to 1.

    Some are nearly one-hot, with entries down to 1e-107; with `zeros` some are so exactly. Shrinks towards 1/K.
    Raises `InputError` unless there is a datum and a component.
    """
    whole("responsibilities", "data", data, 1)
    whole("responsibilities", "components", components, 1)
    flag("responsibilities", "zeros", zeros, (True, False))
    return _responsibilities(data, components, zeros)


@st.composite
def _responsibilities(draw: st.DrawFn, data: int, components: int, zeros: bool) -> np.ndarray:
    rng = generator(draw)
    logits = draw(st.sampled_from(SPREADS)) * rng.normal(size=(data, components))
    rows = special.softmax(logits, axis=1)
    if zeros and draw(one_in(2)):
        chosen = rng.random(data) > 0.5
        rows[chosen] = np.eye(components)[np.argmax(rows[chosen], axis=1)]
    return np.asarray(rows)
