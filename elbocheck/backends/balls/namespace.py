"""The array API and the special functions of balls, as one namespace."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from flint import arb, ctx

from elbocheck.backends.balls.arrays import Balls, balls, middles, objects
from elbocheck.backends.balls.functions import (
    arange,
    argmax,
    asarray,
    astype,
    concat,
    cos,
    digamma,
    erf,
    exp,
    expand_dims,
    expected_log_factorial,
    expit,
    expm1,
    flip,
    floats,
    gammaln,
    largest_middle,
    like,
    log,
    log1p,
    matmul,
    matrix_transpose,
    maximum,
    repeat,
    sin,
    sort,
    sqrt,
    squeeze,
    tanh,
    tile,
    total,
    where,
)
from elbocheck.backends.balls.linalg import cholesky, diagonal, inverse
from elbocheck.backends.namespace import Constants, Namespace
from elbocheck.errors import NotRigorousError


@dataclass(frozen=True)
class BallNamespace(Namespace):
    """The namespace of balls: shifts that cancel are midpoints, and approximate formulae are refused."""

    def log_sum_exp(self, x: Any, axis: int) -> Balls:
        x = balls(x)
        shift = np.max(floats(x), axis=axis, keepdims=True)
        return squeeze(log(total(exp(x - shift), axis=axis, keepdims=True)) + shift, axis)

    def softplus(self, x: Any) -> Balls:
        return log(exp(x) + 1.0)

    def pivot(self, x: Any, axis: int) -> np.ndarray:
        return largest_middle(x, axis)

    def side(self, x: Any) -> np.ndarray:
        return floats(x) > 0.0

    def of_known(self, value: Any) -> Namespace:
        return self

    def approximate(self, what: str) -> None:
        raise NotRigorousError(f"{what} in float64: no enclosure can be computed with it")


_XP = SimpleNamespace(
    exp=exp, log=log, log1p=log1p, expm1=expm1, sqrt=sqrt, tanh=tanh, cos=cos, sin=sin, abs=lambda x: abs(balls(x)),
    where=where, sum=total, max=maximum, argmax=argmax, sort=sort, matmul=matmul, matrix_transpose=matrix_transpose,
    zeros_like=like(0.0), ones_like=like(1.0), zeros=lambda shape, dtype=None: balls(np.zeros(shape)),
    ones=lambda shape, dtype=None: balls(np.ones(shape)), eye=lambda size, dtype=None: balls(np.eye(size)),
    arange=arange, asarray=asarray, astype=astype, concat=concat, repeat=repeat, tile=tile, flip=flip,
    expand_dims=expand_dims, squeeze=squeeze, reshape=lambda x, shape: balls(x).reshape(shape), inf=np.inf,
    logaddexp=lambda a, b: log(exp(a) + exp(b)),
    linalg=SimpleNamespace(
        cholesky=cholesky, inv=inverse, solve=lambda a, b: matmul(inverse(a), b), diagonal=diagonal
    ),
)  # fmt: skip


def ball_namespace() -> Namespace:
    """The namespace at the working precision."""
    return _namespace(ctx.prec)


@cache
def _namespace(bits: int) -> Namespace:
    two, pi = arb(2), arb.pi()
    constants = Constants(
        *(
            Balls(objects(np.array(value, dtype=object)))
            for value in ((2 * pi).log(), two.log(), arb.const_euler(), two.sqrt(), (2 / pi).sqrt())
        )
    )
    return BallNamespace(
        _XP, expit, gammaln, digamma, erf, middles, constants=constants, expected_log_factorial=expected_log_factorial
    )


Balls.array_namespace = staticmethod(ball_namespace)
