"""Rows of the data that are lost or counted twice, by the whole bound or by one of its factors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from elbocheck.backends.namespace import double_precision, plain
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import read
from elbocheck.bound.terms import expectation
from elbocheck.diagnosis.suspects.base import Suspect

MOST_DATA = 64
"""Single data are suspects (left out, or counted twice) where there are at most so many."""

Weighted = tuple[np.ndarray, np.ndarray]
"""(weights (N,), what is averaged (N,)) at one point."""


def suspects_of_rows(problems: Sequence[Problem]) -> Iterator[Suspect]:
    """Of the whole bound, and of every factor that differs from datum to datum."""
    points = [(read(one).data_weights, np.asarray(read(one).terms["elbo"])) for one in problems]
    yield Suspect("the weights of the data ignored", "data", "", tuple(float(e.mean() - w @ e) for w, e in points))
    yield from _blocks(points)
    yield from _single(points, "", "datum {}")
    with double_precision():
        found = [_of_factors(problem) for problem in problems]
    for name in found[0]:
        own = [one[name] for one in found]
        if np.ptp(own[0][1]) > 0.0:
            yield from _single(own, name, f"datum {{}} of {name}", rank=2)


def _of_factors(problem: Problem) -> dict[str, Weighted]:
    declaration, found = problem.declaration, {}
    weights = plain(declaration.data_weights)
    for factor in declaration.factors:
        density = factor.distribution.log_density(factor.value)
        each = plain(expectation(factor, declaration, density, density))
        if len(each) == len(weights):
            found[factor.name] = (weights, factor.weight * each.sum(1))
    return found


def _blocks(points: Sequence[Weighted]) -> Iterator[Suspect]:
    """An incomplete last batch, a window."""
    count = len(points[0][0])
    for last in range(2, min(count // 2, MOST_DATA) + 1):
        for first, rows in (("last", slice(count - last, None)), ("first", slice(None, last))):
            lost = [(float(w[rows] @ e[rows]), float(w[rows].sum()), float(w @ e)) for w, e in points]
            yield Suspect(f"the {first} {last} data left out", "data", "", tuple(-one for one, _, _ in lost))
            rest = tuple((whole - one) / (1.0 - share) - whole for one, share, whole in lost)
            yield Suspect(f"the {first} {last} data left out, with the mean over the others", "data", "", rest)


def _single(points: Sequence[Weighted], factor: str, what: str, rank: int = 1) -> Iterator[Suspect]:
    count = len(points[0][0])
    if not 1 < count <= MOST_DATA:
        return
    for n in range(count):
        own = [(float(w[n] * e[n]), float(w[n]), float(w @ e)) for w, e in points]
        name = what.format(n)
        yield Suspect(f"{name} left out", "data", factor, tuple(-one for one, _, _ in own), rank=rank)
        yield Suspect(f"{name} counted twice", "data", factor, tuple(one for one, _, _ in own), rank=rank)
        rest = tuple((whole - one) / (1.0 - share) - whole for one, share, whole in own)
        yield Suspect(f"{name} left out, with the mean over the others", "data", factor, rest, rank=rank)
