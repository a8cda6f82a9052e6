"""Functions of arrays of balls: elementary and special functions, and those that move elements about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from flint import arb, ctx

from elbocheck.backends.balls.arrays import ZERO, Balls, Kleene, balls, boxed, choose, decided
from elbocheck.errors import NotRigorousError

Elementwise = Callable[[Any], Balls]
MOST_TERMS = 100_000
"""Most terms of the sum for E log u!: Poisson rates up to about 9e4."""


def _elementwise(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return np.frompyfunc(function, 1, 1)


_EXP, _LOG, _SQRT, _LGAMMA, _DIGAMMA, _ERF, _COS, _SIN, _TANH, _LOG1P, _EXPM1 = (
    _elementwise(getattr(arb, name))
    for name in ("exp", "log", "sqrt", "lgamma", "digamma", "erf", "cos", "sin", "tanh", "log1p", "expm1")
)
_LARGER = np.frompyfunc(arb.max, 2, 1)
_FLOAT = _elementwise(lambda x: float(x.mid()))
_TRIGAMMA = _elementwise(lambda x: arb(2).zeta(x))
_TETRAGAMMA = _elementwise(lambda x: -2 * arb(3).zeta(x))


def exp(x: Any) -> Balls:
    """eˣ."""
    x = balls(x)
    value = boxed(_EXP(x.v))
    return x.chain(value, lambda: value, lambda: value * 0.5)


def expm1(x: Any) -> Balls:
    """eˣ − 1."""
    x = balls(x)
    return x.chain(_EXPM1(x.v), lambda: _EXP(x.v), lambda: 0.5 * _EXP(x.v))


def log(x: Any) -> Balls:
    """log x; without bounds where x may be 0 or less."""
    x = balls(x)
    return x.chain(_LOG(x.v), lambda: 1 / x.v, lambda: -0.5 / (x.v * x.v))


def log1p(x: Any) -> Balls:
    """log(1 + x)."""
    x = balls(x)
    return x.chain(_LOG1P(x.v), lambda: 1 / (1 + x.v), lambda: -0.5 / ((1 + x.v) * (1 + x.v)))


def sqrt(x: Any) -> Balls:
    """√x."""
    x = balls(x)
    root = boxed(_SQRT(x.v))
    return x.chain(root, lambda: 0.5 / root, lambda: -0.125 / (root * x.v))


def tanh(x: Any) -> Balls:
    """The hyperbolic tangent."""
    x = balls(x)
    value = boxed(_TANH(x.v))
    return x.chain(value, lambda: 1 - value * value, lambda: -value * (1 - value * value))


def cos(x: Any) -> Balls:
    """The cosine."""
    x = balls(x)
    return x.chain(_COS(x.v), lambda: -_SIN(x.v), lambda: -0.5 * _COS(x.v))


def sin(x: Any) -> Balls:
    """The sine."""
    x = balls(x)
    return x.chain(_SIN(x.v), lambda: _COS(x.v), lambda: -0.5 * _SIN(x.v))


def expit(x: Any) -> Balls:
    """σ(x) = 1 / (1 + e⁻ˣ)."""
    x = balls(x)
    value = boxed(1 / (1 + _EXP(-x.v)))
    slope = value * (1 - value)
    return x.chain(value, lambda: slope, lambda: slope * (0.5 - value))


def gammaln(x: Any) -> Balls:
    """log Γ(x)."""
    x = balls(x)
    return x.chain(_LGAMMA(x.v), lambda: _DIGAMMA(x.v), lambda: 0.5 * _TRIGAMMA(x.v))


def digamma(x: Any) -> Balls:
    """ψ(x)."""
    x = balls(x)
    return x.chain(_DIGAMMA(x.v), lambda: _TRIGAMMA(x.v), lambda: 0.5 * _TETRAGAMMA(x.v))


def erf(x: Any) -> Balls:
    """The error function."""
    x = balls(x)
    slope = 2 / arb.pi().sqrt() * boxed(_EXP(-x.v * x.v))
    return x.chain(_ERF(x.v), lambda: slope, lambda: -x.v * slope)


def maximum(x: Any, axis: int | tuple[int, ...], keepdims: bool = False) -> Balls:
    """The largest element along axes; its derivatives are without bounds, for it is to be a shift that cancels."""
    x = balls(x)
    top = x.v
    for one in (axis,) if isinstance(axis, int) else axis:
        top = _LARGER.reduce(top, axis=one, keepdims=True)
    top = boxed(top if keepdims else np.squeeze(top, axis=axis))
    if x.d is None:
        return Balls(top)
    unknown = np.full((len(x.d), *top.shape), arb("nan"), dtype=object)
    return Balls(top, unknown, unknown, x.order)


def argmax(x: Any, axis: int) -> np.ndarray:
    """Index of the element that is certainly the largest; raises `UndecidedError` where balls overlap."""
    x = balls(x)
    index = largest_middle(x, axis)
    chosen = np.take_along_axis(x.v, np.expand_dims(index, axis), axis)
    others = np.moveaxis(np.arange(x.shape[axis]).reshape((-1, *[1] * (x.ndim - 1))), 0, axis)
    decided((Balls(chosen) >= Balls(x.v)) | (others == np.expand_dims(index, axis)))
    return index


def floats(x: Any) -> np.ndarray:
    """Midpoints rounded to float64, for choices on which no enclosure rests."""
    return np.asarray(_FLOAT(balls(x).v)).astype(float)


def largest_middle(x: Any, axis: int) -> np.ndarray:
    """Index of the element with the largest midpoint, for pivots, which may be any element."""
    return np.asarray(np.argmax(floats(x), axis=axis))


def sort(x: Any, axis: int = -1) -> Balls:
    """Elements in increasing order; raises `UndecidedError` where the order of neighbours is open."""
    x = balls(x)
    order = np.argsort(floats(x), axis=axis)
    ordered = x.moved(
        lambda v: np.take_along_axis(v, order, axis),
        lambda c: np.take_along_axis(c, order[None], axis if axis < 0 else axis + 1),
    )
    moved = np.moveaxis(ordered.v, axis, -1)
    decided(Balls(moved[..., 1:]) >= Balls(moved[..., :-1]))
    return ordered


def where(condition: Any, one: Any, other: Any) -> Any:
    """Elements of `one` or `other`, of their union where the condition is undecided."""
    plain = not any(isinstance(each, Balls | Kleene) for each in (condition, one, other))
    return np.where(condition, one, other) if plain else choose(condition, one, other)


def concat(arrays: Sequence[Any], axis: int = 0) -> Balls:
    """Arrays joined along an axis."""
    parts = [balls(array) for array in arrays]
    axis = axis if axis < 0 else axis - parts[0].ndim
    value = np.concatenate([part.v for part in parts], axis=axis)

    def joined(coefficients: list[Any]) -> Any:
        present = [len(c) for c in coefficients if c is not None]
        if not present:
            return None
        filled = [
            np.full((present[0], *part.shape), ZERO, dtype=object) if c is None else c
            for c, part in zip(coefficients, parts, strict=True)
        ]
        return np.concatenate(filled, axis=axis)

    d, h = joined([part.d for part in parts]), joined([part.h for part in parts])
    return Balls(value, d, h, max(part.order for part in parts))


def _along(axis: int, ndim: int) -> int:
    return axis if axis < 0 else axis - ndim


def repeat(x: Any, count: int, axis: int = 0) -> Any:
    """Every slice along an axis `count` times."""
    x, axis = balls(x), _along(axis, balls(x).ndim)
    return x.moved(*[lambda c: np.repeat(c, count, axis=axis)] * 2)


def tile(x: Any, counts: tuple[int, ...]) -> Balls:
    """The whole array, `counts` times along each axis."""
    return balls(x).moved(lambda v: np.tile(v, counts), lambda c: np.tile(c, (1, *counts)))


def flip(x: Any, axis: int | tuple[int, ...]) -> Balls:
    """Reversed along axes."""
    x = balls(x)
    axes = tuple(_along(one, x.ndim) for one in ((axis,) if isinstance(axis, int) else axis))
    return x.moved(*[lambda c: np.flip(c, axis=axes)] * 2)


def expand_dims(x: Any, axis: int) -> Any:
    """A new axis of length 1."""
    if not isinstance(x, Balls):
        return np.expand_dims(x, axis)
    shape = np.expand_dims(x.v, axis).shape
    return x.reshape(shape)


def squeeze(x: Balls, axis: int) -> Balls:
    """Without an axis of length 1."""
    return x.reshape(np.squeeze(x.v, axis=axis).shape)


def matrix_transpose(x: Any) -> Balls:
    """The last two axes exchanged."""
    return balls(x).moved(*[lambda c: np.swapaxes(c, -1, -2)] * 2)


def matmul(one: Any, other: Any) -> Balls:
    """Matrix product over the last two axes."""
    return balls(one).product(balls(other), np.matmul)


def total(x: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Balls:
    """The sum along an axis, or of everything."""
    return balls(x).sum(axis, keepdims)


def like(value: float) -> Callable[..., Balls]:
    """`zeros_like` or `ones_like`."""
    return lambda x, dtype=None: balls(np.full(np.shape(x) if not isinstance(x, Balls) else x.shape, value))


def asarray(value: Any, dtype: Any = None) -> Any:
    """Numbers as exact balls; booleans and integers stay NumPy's, for masks and indices."""
    if isinstance(value, Balls | Kleene):
        return value
    array = np.asarray(value)
    return array if array.dtype.kind in "biu" and dtype is None else balls(array)


def astype(value: Any, dtype: Any) -> Balls:
    """As balls, whatever the floating-point type; comparisons must be decided."""
    return balls(decided(value) if isinstance(value, Kleene) else value)


def arange(*arguments: Any, dtype: Any = None) -> Any:
    """Integers of NumPy, which index; balls if a type is asked for."""
    return np.arange(*arguments) if dtype is None else balls(np.arange(*arguments))


def expected_log_factorial(log_rate: Any) -> Balls:
    """E log u! for u ~ Poisson(λ), summed until its tail is below the precision; the tail is bounded rigorously.

    With log k! ≤ k (k − 1) / 2, the terms from k = m on are at most λ²/2 · P(u ≥ m − 2), and P(u ≥ j) is at most
    p(j) / (1 − λ/(j + 1)) for j + 1 > λ.
    """
    x = balls(log_rate)
    if x.d is not None:
        raise NotRigorousError("derivatives of E log u! of Poisson distributions are not enclosed; values are")
    return Balls(boxed(_elementwise(_expected_log_factorial)(x.v)))


def _expected_log_factorial(log_rate: arb) -> arb:
    rate = log_rate.exp()
    enough, largest = arb(2) ** -(ctx.prec + 20), float(rate.upper())
    if not largest < MOST_TERMS:
        raise NotRigorousError(f"a Poisson rate of {largest:.3g} needs too many terms; the limit is {MOST_TERMS}")
    p, log_factorial, result = (-rate).exp(), arb(0), arb(0)
    before = p
    for k in range(1, 2 * MOST_TERMS):
        p = p * rate / k
        log_factorial += arb(k).log()
        result += p * log_factorial
        if k > largest + 2:  # terms from m = k + 1 on: j = k − 1
            tail = rate * rate / 2 * before / (1 - rate / k)
            if tail.upper() < enough:
                return result + tail.union(arb(0))
        before = p
    raise NotRigorousError("the sum for E log u! did not end")  # pragma: no cover: the tail falls geometrically
