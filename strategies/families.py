"""Strategy for members of `elbocheck.families`."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from elbocheck.errors import InputError
from elbocheck.families import FAMILIES, Distribution
from elbocheck.strategies.checked import whole
from elbocheck.strategies.members import RECIPES, family_of, least_length
from elbocheck.strategies.numbers import generator


def distributions(
    *, family: type[Distribution] | str | None = None, shape: tuple[int, ...] = (), max_length: int = 4
) -> st.SearchStrategy[Distribution]:
    """Members of exponential families, their parameters NumPy arrays of batch shape `shape` in float64.

    `family`: one of `elbocheck.families`, or its name ("normal"); None: any. `max_length`: most elements of one value
    of a family of vectors, which has two at least (a multivariate normal one), and most rows of a matrix. Parameters
    are moderate: logits, means and log rates within 3.1, scales, rates and shapes within a factor of 5 of 1 or 2.

    Shrinks towards the first family by name, short values, and parameters that all are 0, 1 or 2. Raises `InputError`
    for an unknown family, a shape that is no tuple of sizes, or a length below 2.
    """
    chosen = None if family is None else family_of(family, "distributions")
    if not isinstance(shape, tuple):
        raise InputError(f"distributions: shape must be a tuple of integers; got {shape!r}")
    for size in shape:
        whole("distributions", "every size of shape", size, 0)
    whole("distributions", "max_length", max_length, 2)
    return _distributions(chosen, shape, max_length)


@st.composite
def _distributions(draw: st.DrawFn, family: Any, shape: tuple[int, ...], max_length: int) -> Distribution:
    chosen: Any = draw(st.sampled_from(FAMILIES)) if family is None else family
    length = draw(st.integers(least_length(chosen), max_length)) if chosen.event_ndim else 0
    found: Distribution = RECIPES[chosen].member(generator(draw), shape, length)
    return found
