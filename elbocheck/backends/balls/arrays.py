"""Arrays of balls (intervals) that provably contain the true values, with Taylor coefficients along directions.

Nothing is rounded to a nearest number: every operation encloses its result, at the working precision of `flint.ctx`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from flint import arb

from elbocheck.errors import UndecidedError

Objects = np.ndarray  # of dtype object, elements arb
ZERO = arb(0)
_arb = np.frompyfunc(arb, 1, 1)
_union = np.frompyfunc(lambda a, b: a.union(b), 2, 1)
_middle = np.frompyfunc(lambda a: a.mid(), 1, 1)
_absolute = np.frompyfunc(abs, 1, 1)


def objects(value: Any) -> Objects:
    """An object array of arb from numbers, which are taken as exact, or from an object array."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        return value
    return boxed(_arb(np.asarray(value, dtype=float).astype(object)))


def boxed(value: Any) -> Objects:
    """NumPy returns elements, not arrays, where no axis is left."""
    if isinstance(value, np.ndarray):
        return value
    array = np.empty((), dtype=object)
    array[()] = value
    return array


class Balls:
    """An array of Taylor polynomials v + d t + h t² along several directions at once, coefficients being balls.

    `v`: object array of arb, of the array's shape; `d`, `h`: the same with a leading axis of directions, None for
    zero; `order`: 0, 1 or 2, of the polynomial. Comparisons are those of the values: a bool array where all of them
    are decided, else a `Kleene` array, which no `if` accepts.
    """

    __slots__ = ("d", "h", "order", "v")
    __array_ufunc__ = None  # NumPy arrays leave binary operations to this class
    __hash__ = None  # type: ignore[assignment]
    dtype = np.dtype(object)
    array_namespace: ClassVar[Any]
    """() -> array and special functions over balls, with constants of the working precision; `namespace.py` puts
    it here, which is made of these arrays."""

    def __init__(self, v: Objects, d: Objects | None = None, h: Objects | None = None, order: int = 0) -> None:
        self.v, self.d, self.h, self.order = v, d, h, order

    @property
    def shape(self) -> tuple[int, ...]:
        return self.v.shape

    @property
    def ndim(self) -> int:
        return self.v.ndim

    def __len__(self) -> int:
        return len(self.v)

    def __repr__(self) -> str:
        return f"Balls({self.v!r}, order={self.order})"

    def __getitem__(self, key: Any) -> Balls:
        key = key if isinstance(key, tuple) else (key,)
        return self.moved(lambda v: v[key], lambda c: c[(slice(None), *key)])

    def moved(self, values: Callable[[Objects], Any], coefficients: Callable[[Objects], Any]) -> Balls:
        """A linear function of the elements: `values` of v, `coefficients` the same one behind a leading axis."""
        d, h = (None if c is None else coefficients(c) for c in (self.d, self.h))
        return Balls(boxed(values(self.v)), d, h, self.order)

    def reshape(self, *shape: Any) -> Balls:
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
        result = self.v.reshape(wanted)
        return self.moved(lambda v: result, lambda c: c.reshape((len(c), *result.shape)))

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Balls:
        axes = tuple(range(self.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
        axes = tuple(one if one < 0 else one - self.ndim for one in axes)  # from the end: coefficients have one more
        if not axes:
            return self
        return self.moved(*[lambda c: c.sum(axis=axes, keepdims=keepdims, initial=ZERO)] * 2)

    def lifted(self, coefficient: Objects | None, ndim: int) -> Objects | None:
        """A coefficient whose axes behind the directions align with those of an array of `ndim` axes."""
        if coefficient is None or ndim == self.ndim:
            return coefficient
        return coefficient.reshape((len(coefficient), *(1,) * (ndim - self.ndim), *self.shape))

    def chain(self, value: Any, first: Callable[[], Any], half_second: Callable[[], Any]) -> Balls:
        """f(x) from object arrays f(v), f'(v), ½ f''(v); the derivatives are computed where they are needed."""
        result = boxed(value)
        if self.d is None:
            return Balls(result, order=self.order)
        slope = boxed(first())
        h = None
        if self.order > 1:
            h = half_second() * self.d * self.d
            h = h if self.h is None else h + slope * self.h
        return Balls(result, slope * self.d, h, self.order)

    def __add__(self, other: Any) -> Balls:
        other = balls(other)
        value = boxed(self.v + other.v)
        d, h = (_sum(self._spread(a, value), other._spread(b, value)) for a, b in self._pairs(other))
        return Balls(value, d, h, max(self.order, other.order))

    def _pairs(self, other: Balls) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        return (self.d, other.d), (self.h, other.h)

    def _spread(self, coefficient: Objects | None, value: Objects) -> Objects | None:
        lifted = self.lifted(coefficient, value.ndim)
        return lifted if lifted is None else np.broadcast_to(lifted, (len(lifted), *value.shape))

    def __mul__(self, other: Any) -> Balls:
        return self.product(balls(other), lambda a, b: a * b)

    def product(self, other: Balls, multiply: Callable[[Any, Any], Any]) -> Balls:
        """Any bilinear function of two arrays (elementwise product, matrix product)."""
        ndim = max(self.ndim, other.ndim)
        value = boxed(multiply(self.v, other.v))
        (ad, bd), (ah, bh) = ((self.lifted(a, ndim), other.lifted(b, ndim)) for a, b in self._pairs(other))
        order = max(self.order, other.order)

        def times(a: Any, b: Any) -> Any:
            return None if a is None or b is None else multiply(a, b)

        d = _sum(times(ad, other.v), times(self.v, bd))
        h = _sum(_sum(times(ah, other.v), times(self.v, bh)), times(ad, bd)) if order > 1 else None
        return Balls(value, d, h, order)

    def __neg__(self) -> Balls:
        return self.moved(*[lambda c: -c] * 2)

    def __sub__(self, other: Any) -> Balls:
        return self + -balls(other)

    def __rsub__(self, other: Any) -> Balls:
        return balls(other) + -self

    def __truediv__(self, other: Any) -> Balls:
        return self * balls(other).reciprocal()

    def __rtruediv__(self, other: Any) -> Balls:
        return balls(other) * self.reciprocal()

    __radd__, __rmul__ = __add__, __mul__

    def reciprocal(self) -> Balls:
        """1/x; a ball around 0 gives one without bounds."""
        inverse = boxed(objects(1.0) / self.v)
        square = inverse * inverse
        return self.chain(inverse, lambda: -square, lambda: square * inverse)

    def __pow__(self, power: Any) -> Balls:
        xp = self.array_namespace().xp
        if isinstance(power, int | float) and power == int(power) and 0 <= power <= 8:
            result = balls(np.ones(self.shape))
            for _ in range(int(power)):
                result = result * self
            return result
        return xp.exp(balls(power) * xp.log(self))

    def __rpow__(self, base: Any) -> Balls:
        return balls(base) ** self

    def __abs__(self) -> Balls:
        if self.d is None:
            return Balls(boxed(_absolute(self.v)), order=self.order)
        positive = self > 0.0
        decided(positive | (self < 0.0))  # at 0 there is no derivative
        return self.array_namespace().xp.where(decided(positive), self, -self)

    def __gt__(self, other: Any) -> Any:
        return compare(self, other, lambda a, b: True if a > b else False if a <= b else None)

    def __lt__(self, other: Any) -> Any:
        return balls(other) > self

    def __ge__(self, other: Any) -> Any:
        return ~(balls(other) > self)

    def __le__(self, other: Any) -> Any:
        return ~(self > other)

    def __eq__(self, other: Any) -> Any:
        return compare(self, other, lambda a, b: True if a == b else None if a.overlaps(b) else False)

    def __ne__(self, other: Any) -> Any:
        return ~(self == other)


def _sum(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return one if other is None else other
    return one + other


def balls(value: Any) -> Balls:
    """Balls from numbers, which are taken as exact."""
    return value if isinstance(value, Balls) else Balls(objects(value))


def middles(x: Balls) -> Balls:
    """The midpoints, as exact numbers that derivatives do not see."""
    return Balls(boxed(_middle(x.v)))


class Kleene:
    """Comparisons of which some are undecided: `true` and `false` (bool arrays) say which are decided, and how.

    Logic is Kleene's; whatever needs a definite answer raises `UndecidedError`.
    """

    __array_ufunc__ = None

    def __init__(self, true: np.ndarray, false: np.ndarray) -> None:
        self.true, self.false = true, false

    @property
    def shape(self) -> tuple[int, ...]:
        return self.true.shape

    @property
    def ndim(self) -> int:
        return self.true.ndim

    def __invert__(self) -> Kleene:
        return Kleene(self.false, self.true)

    def __and__(self, other: Any) -> Any:
        other = kleene(other)
        return simplified(self.true & other.true, self.false | other.false)

    def __or__(self, other: Any) -> Any:
        return ~(~self & ~kleene(other))

    __rand__, __ror__ = __and__, __or__

    def __getitem__(self, key: Any) -> Any:
        return simplified(self.true[key], self.false[key])

    def _refuse(self, *_: Any) -> Any:
        undecided = int(np.sum(~self.true & ~self.false))
        raise UndecidedError(
            f"{undecided} comparison{'s' if undecided > 1 else ''} of overlapping balls cannot be decided; "
            "use more bits, or a narrower box"
        )

    __bool__ = __add__ = __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = __array__ = _refuse


def kleene(value: Any) -> Kleene:
    """Decided comparisons as `Kleene`."""
    if isinstance(value, Kleene):
        return value
    value = np.asarray(value, dtype=bool)
    return Kleene(value, ~value)


def simplified(true: np.ndarray, false: np.ndarray) -> Any:
    """A plain bool array if everything is decided."""
    return np.asarray(true) if np.all(true | false) else Kleene(true, false)


def decided(condition: Any) -> np.ndarray:
    """The bool array of a comparison; raises `UndecidedError` if it is not decided."""
    if isinstance(condition, Kleene):
        condition._refuse()
    return np.asarray(condition, dtype=bool)


def compare(one: Any, other: Any, decide: Callable[[arb, arb], bool | None]) -> Any:
    """Elementwise comparison of values: `decide` returns None where the balls leave it open."""
    found = np.asarray(np.frompyfunc(decide, 2, 1)(balls(one).v, balls(other).v), dtype=object)
    return simplified(found == True, found == False)  # noqa: E712


def choose(condition: Any, one: Any, other: Any) -> Balls:
    """Elements of `one` where the condition holds, of `other` where not, and of their union where it is undecided."""
    a, b, condition = balls(one), balls(other), kleene(condition)
    open_ = ~condition.true & ~condition.false

    def select(x: Any, y: Any) -> Any:
        result = np.where(condition.true, x, y)
        return np.where(open_, _union(x, y), result) if np.any(open_) else result

    value, zero = boxed(select(a.v, b.v)), boxed(ZERO)

    def coefficient(x: Any, y: Any) -> Any:
        if x is None and y is None:
            return None
        chosen = select(_or(a.lifted(x, value.ndim), zero), _or(b.lifted(y, value.ndim), zero))
        return np.broadcast_to(chosen, (len(chosen), *value.shape))

    d, h = (coefficient(x, y) for x, y in a._pairs(b))
    return Balls(value, d, h, max(a.order, b.order))


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
