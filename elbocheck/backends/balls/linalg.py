"""Matrices of balls: factorisation and elimination whose pivots are certainly not zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb

from elbocheck.backends.balls.arrays import Balls, balls, decided
from elbocheck.backends.balls.functions import concat, expand_dims, like, sqrt
from elbocheck.errors import UndecidedError


def cholesky(x: Any) -> Balls:
    """Lower triangular C with C Cᵀ = x, which must be certainly positive definite."""
    x = balls(x)
    size = x.shape[-1]
    rows: list[list[Balls]] = []
    for i in range(size):
        row: list[Balls] = []
        for j in range(i + 1):
            rest = x[..., i, j]
            other = row if j == i else rows[j]
            for k in range(j):
                rest = rest - row[k] * other[k]
            if j == i:
                _positive(rest)
            row.append(sqrt(rest) if j == i else rest / rows[j][j])
        rows.append(row)
    zero = like(0.0)(x[..., 0, 0])
    return _stacked([[rows[i][j] if j <= i else zero for j in range(size)] for i in range(size)])


def _positive(pivot: Balls) -> None:
    if not np.all(decided(pivot > 0.0)):
        raise UndecidedError("a matrix is not positive definite, so that it has no Cholesky factor")


def inverse(x: Any) -> Balls:
    """x⁻¹ by Gauss–Jordan elimination without exchanges; raises `UndecidedError` if a pivot may be 0."""
    x = balls(x)
    size = x.shape[-1]
    rows = [
        [x[..., i, j] for j in range(size)] + [like(float(i == j))(x[..., 0, 0]) for j in range(size)]
        for i in range(size)
    ]
    for i in range(size):
        if not np.all(decided(rows[i][i] != 0.0)):
            raise UndecidedError("a matrix that has to be inverted is singular")
        scale = rows[i][i].reciprocal()
        rows[i] = [element * scale for element in rows[i]]
        for k in range(size):
            if k != i and not _is_zero(rows[k][i]):
                factor = rows[k][i]
                rows[k] = [one - factor * other for one, other in zip(rows[k], rows[i], strict=True)]
    return _stacked([row[size:] for row in rows])


def _is_zero(x: Balls) -> bool:
    return x.d is None and x.h is None and bool(np.all(np.frompyfunc(arb.is_zero, 1, 1)(x.v)))


def _stacked(rows: list[list[Balls]]) -> Balls:
    lines = [concat([expand_dims(element, -1) for element in row], axis=-1) for row in rows]
    return concat([expand_dims(line, -2) for line in lines], axis=-2)


def diagonal(x: Any) -> Balls:
    """The diagonal of the last two axes."""
    index = np.arange(balls(x).shape[-1])
    return balls(x)[..., index, index]
