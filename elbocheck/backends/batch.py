"""A batch: one array at many points at once, behind a hidden leading axis; and the array API over batches.

Whatever is written over `namespace(...)` runs on batches unchanged and sees one point. All columns of a Jacobian, one
complex step each, are then one evaluation. `lanes` is the length of the hidden axis; 1 lane broadcasts against many,
so that what depends on no parameter is computed once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from elbocheck.backends import analytic
from elbocheck.backends.namespace import Namespace

Axes = int | tuple[int, ...] | None
NUMBERS = (bool, int, float)
WIDTHS = {"f": 32, "F": 32, "d": 64, "D": 64}
"""Bits of the real part, by NumPy's letter for a floating-point type."""


class Batch:
    """Arrays (lanes, *shape) that look like one array of `shape`; `data` may be real, complex (a tangent) or boolean.

    Comparisons look at real parts. NumPy functions refuse batches: only `namespace(...)` knows them.
    """

    __slots__ = ("data",)
    __array_ufunc__ = None

    def __init__(self, data: np.ndarray) -> None:
        self.data = data

    @staticmethod
    def array_namespace() -> Namespace:
        """How `namespace(...)` finds what runs on batches."""
        return batch_namespace()

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("a NumPy function met a batch of points; take functions from namespace(...).xp")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape[1:]

    @property
    def ndim(self) -> int:
        return self.data.ndim - 1

    @property
    def size(self) -> int:
        return self.data[0].size

    @property
    def dtype(self) -> np.dtype:
        """Type of the real parts."""
        return self.data.real.dtype if self.data.dtype.kind == "c" else self.data.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Batch(lanes={len(self.data)}, shape={self.shape}, dtype={self.data.dtype})"

    def __bool__(self) -> bool:
        raise TypeError("a batch has no truth value: at different points it differs")

    def __getitem__(self, index: Any) -> Batch:
        parts = index if isinstance(index, tuple) else (index,)
        data = self.data[(slice(None), *(_index(part) if isinstance(part, Batch) else part for part in parts))]
        block_of_parameters = self.data.ndim == 2 and len(data) > 1 and data.dtype.kind == "c"
        if block_of_parameters and not data.imag.any() and np.all(data.real == data.real[:1]):
            data = data.real[:1]  # nothing moves in it: its lanes are one
        return Batch(data)

    def reshape(self, *shape: Any) -> Batch:
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        return Batch(self.data.reshape((len(self.data), *sizes)))

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Batch:
        return Batch(self.data.sum(axis=inner_axes(self, axis), keepdims=keepdims))

    def __neg__(self) -> Batch:
        return Batch(-self.data)

    def __invert__(self) -> Batch:
        return Batch(~self.data)

    def __abs__(self) -> Batch:
        return Batch(analytic.UNARY["abs"](self.data))


def _index(part: Batch) -> Any:
    """An index that is the same at all points; raises `TypeError` for others."""
    if np.any(part.data != part.data[:1]):
        raise TypeError("an index differs between the points of a batch; select with xp.where")
    return part.data[0]


def aligned(*values: Any) -> list[Any]:
    """Arrays with their inner axes aligned from the right; numbers, which have no type of their own, as they are.

    Raises `TypeError` where floating-point types meet: NumPy would go on in the wider one, whatever was asked for.
    """
    arrays, ndim, widths = [], 0, set()
    for value in values:
        array = value.data if isinstance(value, Batch) else _number_or_lane(value)
        arrays.append(array)
        if type(array) not in NUMBERS:
            ndim = max(ndim, array.ndim)
            widths.add(WIDTHS.get(array.dtype.char))
    if len(widths - {None}) > 1:
        raise TypeError(
            f"arrays of different floating-point types meet: {', '.join(str(array.dtype) for array in arrays)}; "
            "make constants with dtype= or xp.astype"
        )
    return [
        array
        if type(array) in NUMBERS or array.ndim == ndim
        else array.reshape((len(array), *[1] * (ndim - array.ndim), *array.shape[1:]))
        for array in arrays
    ]


def _number_or_lane(value: Any) -> Any:
    if type(value) in NUMBERS:
        return value
    return value.item() if isinstance(value, np.generic) else np.asarray(value)[None]


def inner_axes(x: Batch, axis: Axes) -> int | tuple[int, ...]:
    """Axes of `data` for axes of the array: counted from the left they are one further."""
    if axis is None:
        return tuple(range(1, x.data.ndim))
    if isinstance(axis, tuple):
        return tuple(one + (one >= 0) for one in axis)
    return axis + (axis >= 0)


def elementwise(function: Callable[..., np.ndarray]) -> Callable[..., Batch]:
    """A function of NumPy arrays as one of batches, arrays and numbers that broadcast against each other."""
    return lambda *values: Batch(function(*aligned(*values)))


def _compared(function: Callable[..., np.ndarray]) -> Callable[..., Batch]:
    return elementwise(lambda *values: function(*(np.real(value) for value in values)))


def _swapped(function: Callable[..., Batch]) -> Callable[..., Batch]:
    return lambda one, other: function(other, one)


for _name, _function in {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "pow": analytic.power,
    "and": operator.and_,
    "or": operator.or_,
}.items():
    setattr(Batch, f"__{_name}__", elementwise(_function))
    setattr(Batch, f"__r{_name}__", _swapped(elementwise(_function)))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Batch, f"__{_name}__", _compared(getattr(operator, _name)))


def _where(condition: Any, one: Any, other: Any) -> Batch:
    chosen, first, second = aligned(condition, one, other)
    return Batch(np.where(chosen, first, second))


def _matmul(one: Any, other: Any) -> Batch:
    first, second = aligned(one, other)
    if len(second) == 1 and second.size == second.shape[-1] * second.shape[-2] and len(first) > 1:
        # one matrix for all: one large product instead of many small ones
        flat = first.reshape((-1, first.shape[-1])) @ second.reshape(second.shape[-2:])
        return Batch(flat.reshape((*first.shape[:-1], second.shape[-1])))
    return Batch(first @ second)


def _concat(arrays: Sequence[Batch], axis: int = 0) -> Batch:
    lanes = max(len(one.data) for one in arrays)
    spread = [np.broadcast_to(one.data, (lanes, *one.shape)) for one in arrays]
    return Batch(np.concatenate(spread, axis=axis + (axis >= 0)))


def _astype(x: Batch, dtype: Any, copy: bool = True) -> Batch:
    wanted = np.result_type(dtype, np.complex64) if x.data.dtype.kind == "c" else np.dtype(dtype)
    return Batch(x.data.astype(wanted, copy=False))


def _repeat(x: Batch, repeats: int, axis: int | None = None) -> Batch:
    if axis is None:
        x, axis = x.reshape((-1,)), 0
    return Batch(np.repeat(x.data, repeats, axis=axis + (axis >= 0)))


def _tile(x: Batch, repetitions: tuple[int, ...]) -> Batch:
    extra = len(repetitions) - x.ndim
    data = x.data.reshape((len(x.data), *[1] * extra, *x.shape)) if extra > 0 else x.data
    return Batch(np.tile(data, (1, *[1] * -extra, *repetitions)))


def _unary(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any], Batch]:
    return lambda x: Batch(function(x.data if isinstance(x, Batch) else np.asarray(x)[None]))


def _reduction(function: Callable[..., np.ndarray]) -> Callable[..., Batch]:
    return lambda x, axis=None, keepdims=False: Batch(function(x.data, axis=inner_axes(x, axis), keepdims=keepdims))


def _on_axis(function: Callable[..., np.ndarray]) -> Callable[..., Batch]:
    return lambda x, axis=None: Batch(function(x.data, inner_axes(x, axis)))


def _argmax(x: Batch, axis: int = -1, keepdims: bool = False) -> Batch:
    return Batch(np.argmax(x.data.real, axis=axis + (axis >= 0), keepdims=keepdims))


def _expand_dims(x: Batch, axis: int = 0) -> Batch:
    return Batch(np.expand_dims(x.data, axis + (axis >= 0)))


def _like(fill: float) -> Callable[..., Batch]:
    return lambda x, dtype=None: Batch(np.full((1, *x.shape), fill, dtype=dtype or x.dtype))


def _made(function: Callable[..., np.ndarray]) -> Callable[..., Batch]:
    return lambda *args, **kwargs: Batch(function(*args, **kwargs)[None])


def _asarray(x: Any, dtype: Any = None) -> Batch:
    return x if isinstance(x, Batch) else Batch(np.asarray(x, dtype=dtype)[None])


@cache
def batch_xp() -> SimpleNamespace:
    """The array API functions that models use, over batches; axes never count the hidden one."""
    elementary = {
        name: _unary(function)
        for name, function in analytic.UNARY.items()
        if name not in ("expit", "gammaln", "digamma", "erf")
    }
    made = {name: _made(getattr(np, name)) for name in ("zeros", "ones", "full", "eye", "arange")}
    return SimpleNamespace(
        **elementary,
        **made,
        inf=np.inf,
        pi=np.pi,
        float32=np.dtype("float32"),
        float64=np.dtype("float64"),
        int64=np.dtype("int64"),
        bool=np.dtype("bool"),
        sum=_reduction(np.sum),
        prod=_reduction(np.prod),
        max=_reduction(np.max),
        min=_reduction(np.min),
        any=_reduction(np.any),
        all=_reduction(np.all),
        argmax=_argmax,
        where=_where,
        logaddexp=elementwise(analytic.logaddexp),
        matmul=_matmul,
        isfinite=_unary(np.isfinite),
        sign=_unary(lambda data: np.sign(data.real)),
        asarray=_asarray,
        astype=_astype,
        zeros_like=_like(0.0),
        ones_like=_like(1.0),
        concat=_concat,
        repeat=_repeat,
        tile=_tile,
        flip=_on_axis(np.flip),
        squeeze=_on_axis(np.squeeze),
        expand_dims=_expand_dims,
        reshape=lambda x, shape: x.reshape(shape),
        broadcast_to=lambda x, shape: Batch(np.broadcast_to(aligned(x, np.empty(shape))[0], (len(x.data), *shape))),
        matrix_transpose=lambda x: Batch(np.swapaxes(x.data, -1, -2)),
        sort=lambda x, axis=-1: Batch(np.sort(x.data, axis=axis + (axis >= 0))),
        stack=lambda arrays, axis=0: _concat([_expand_dims(one, axis) for one in arrays], axis),
        linalg=SimpleNamespace(
            cholesky=_unary(analytic.cholesky),
            inv=_unary(np.linalg.inv),
            solve=elementwise(np.linalg.solve),
            diagonal=_unary(lambda data: np.diagonal(data, axis1=-2, axis2=-1)),
        ),
    )


@cache
def batch_namespace() -> Namespace:
    """Array API and special functions of batches."""
    expit, gammaln, digamma, erf = (_unary(analytic.UNARY[name]) for name in ("expit", "gammaln", "digamma", "erf"))
    return Namespace(batch_xp(), expit, gammaln, digamma, erf, _unary(np.real))
