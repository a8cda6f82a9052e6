"""Sums over data, points and elements, as suspects and parts of a bound are measured."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from elbocheck.backends.namespace import Array, double_precision, plain
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.terms import expectation
from elbocheck.families.base import parts_of

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def over_data(factor: Factor, declaration: Declaration, density: Array, elements: Array) -> np.ndarray:
    """E_q of `elements` of a factor, averaged over data, times its weight: one number for each of its groups (G,).

    `density`: its log density, which has the full shape.
    """
    weights = plain(declaration.data_weights)
    with double_precision():
        each = plain(expectation(factor, declaration, density, elements))
    return np.asarray(factor.weight * (weights @ np.broadcast_to(each, (len(weights), each.shape[1]))))


def with_log_pi(declaration: Declaration) -> Iterator[tuple[Factor, int]]:
    """(factor, dimensions of one value) of the factors whose density holds a constant with π."""
    for factor in declaration.factors:
        if parts_of(factor.distribution).log_pi:
            yield factor, int(np.shape(factor.value)[-1]) if factor.distribution.event_ndim == 1 else 1
