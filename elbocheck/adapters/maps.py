"""One-to-one maps between unconstrained numbers and a support, with Jacobians of elbocheck's own.

Libraries say which map they take; its inverse and its slopes are computed here, from the value alone. All Jacobians are
triangular, so that there is one slope for each unconstrained number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.errors import InputError


@dataclass(frozen=True)
class Map:
    """v = f(u): what its name in the libraries is, f, its inverse, and v -> log |∂v_i/∂u_i|, shaped like u.

    `whole`: trailing axes of v that belong together, 0 for a map of each number; u then has one axis.
    """

    name: str
    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    log_slope: Callable[[Array], Array]
    whole: int = 0


Maps = tuple[Map, ...]
"""Applied one after the other, from unconstrained numbers on."""


def _xp(array: Array) -> Any:
    return namespace(array).xp


def _logit(v: Array) -> Array:
    return _xp(v).log(v) - _xp(v).log1p(-v)


EXP = Map("ExpTransform", lambda u: _xp(u).exp(u), lambda v: _xp(v).log(v), lambda v: _xp(v).log(v))
SIGMOID = Map("SigmoidTransform", lambda u: namespace(u).expit(u), _logit, lambda v: _xp(v).log(v) + _xp(v).log1p(-v))
SOFTPLUS = Map(
    "SoftplusTransform",
    lambda u: namespace(u).softplus(u),
    lambda v: v + _xp(v).log(-_xp(v).expm1(-v)),
    lambda v: _xp(v).log(-_xp(v).expm1(-v)),
)


def _affine(location: Any, scale: Any) -> Map:
    def slope(v: Array) -> Array:
        size = scale + 0.0 * v
        return _xp(size).log(_xp(size).abs(size))

    return Map("AffineTransform", lambda u: location + scale * u, lambda v: (v - location) / scale, slope)


def _rests(v: Array) -> Array:
    """Σ_{j ≥ k} v_j of points on the simplex (…, K)."""
    xp = _xp(v)
    return xp.flip(xp.cumulative_sum(xp.flip(v, axis=(-1,)), axis=-1), axis=(-1,))


def _offsets(size: int, like: Array) -> Array:
    """log of how many parts are left, so that u = 0 is the uniform point."""
    xp = _xp(like)
    return xp.asarray(np.log(np.arange(size, 0, -1.0)), dtype=like.dtype)


def _broken(v: Array) -> Array:
    xp, rests = _xp(v), _rests(v)
    return xp.log(v[..., :-1]) - xp.log(rests[..., 1:]) + _offsets(v.shape[-1] - 1, v)


def _sticks(u: Array) -> Array:
    ns = namespace(u)
    xp, z = ns.xp, ns.expit(u - _offsets(u.shape[-1], u))
    one = xp.ones_like(z[..., :1])
    left = xp.concat([one, _products(1.0 - z)], axis=-1)
    return xp.concat([z, one], axis=-1) * left


def _products(a: Array) -> Array:
    """Π_{j ≤ k} a_j, of positive numbers."""
    xp = _xp(a)
    return xp.exp(xp.cumulative_sum(xp.log(a), axis=-1))


def _stick_slopes(v: Array) -> Array:
    xp, rests = _xp(v), _rests(v)
    return xp.log(v[..., :-1]) + xp.log(rests[..., 1:]) - xp.log(rests[..., :-1])


STICKS = Map("StickBreakingTransform", _sticks, _broken, _stick_slopes, whole=1)


def _ordered(u: Array) -> Array:
    xp = _xp(u)
    return xp.cumulative_sum(xp.concat([u[..., :1], xp.exp(u[..., 1:])], axis=-1), axis=-1)


def _steps(v: Array) -> Array:
    return _xp(v).log(v[..., 1:] - v[..., :-1])


ORDERED = Map(
    "OrderedTransform",
    _ordered,
    lambda v: _xp(v).concat([v[..., :1], _steps(v)], axis=-1),
    lambda v: _xp(v).concat([0.0 * v[..., :1], _steps(v)], axis=-1),
    whole=1,
)


def _below(matrix: Array) -> Array:
    """Elements below the diagonal (…, D, D) -> (…, D (D − 1)/2), row by row."""
    rows, columns = np.tril_indices(matrix.shape[-1], -1)
    return matrix[..., rows.tolist(), columns.tolist()]


def _partial(v: Array) -> tuple[Array, Array]:
    """(partial correlations, 1 − Σ_{k<j} L_ik²) below the diagonal of Cholesky factors L of correlations."""
    xp = _xp(v)
    rests = _below(1.0 - (xp.cumulative_sum(v * v, axis=-1) - v * v))
    return _below(v) / xp.sqrt(rests), rests


def _cholesky(u: Array) -> Array:
    xp = _xp(u)
    size = round((1.0 + math.sqrt(1.0 + 8.0 * u.shape[-1])) / 2.0)
    t, rows, place = xp.tanh(u), [], 0
    for i in range(size):
        left, row = xp.ones_like(u[..., 0]), []
        for _ in range(i):
            row.append(t[..., place] * xp.sqrt(left))
            left, place = left * (1.0 - t[..., place] ** 2), place + 1
        row.append(xp.sqrt(left))
        rows.append(xp.stack([*row, *[0.0 * left] * (size - i - 1)], axis=-1))
    return xp.stack(rows, axis=-2)


def _correlation_slopes(v: Array) -> Array:
    t, rests = _partial(v)
    xp = _xp(v)
    return 0.5 * xp.log(rests) + xp.log1p(-t * t)


CHOLESKY = Map(
    "CorrCholeskyTransform",
    _cholesky,
    lambda v: _xp(v).atanh(_partial(v)[0]),
    _correlation_slopes,
    whole=2,
)
KNOWN = {one.name: one for one in (EXP, SIGMOID, SOFTPLUS, STICKS, ORDERED, CHOLESKY)}


def maps_of(transforms: Sequence[Any], site: str) -> Maps:
    """The maps of a library's transforms, in their order; a subclass counts as the class that it is derived from.

    Raises `InputError` naming the site for an unknown one.
    """
    found: list[Map] = []
    for transform in transforms:
        kinds = [kind.__name__ for kind in type(transform).__mro__]
        known = next((KNOWN[kind] for kind in kinds if kind in KNOWN), None)
        if known is not None:
            found.append(known)
        elif "ComposeTransform" in kinds:
            found += maps_of(transform.parts, site)
        elif "IndependentTransform" in kinds:
            found += maps_of([transform.base_transform], site)
        elif "AffineTransform" in kinds:
            found.append(_affine(transform.loc, transform.scale))
        elif "IdentityTransform" not in kinds:
            raise InputError(f"site {site!r}: the Jacobian of {kinds[0]} is not known here")
    if any(one.whole for one in found[:-1]):
        raise InputError(f"site {site!r}: {found[-1].name} after a map of vectors, whose Jacobian is not known here")
    return tuple(found)


def pulled(maps: Maps, value: Array) -> tuple[Array, Array | None]:
    """(u, log of the slopes at it, shaped like u, None where there are no maps)."""
    total = None
    for one in reversed(maps):
        slope, value = one.log_slope(value), one.inverse(value)
        total = slope if total is None else total + slope
    return value, total


def pushed(maps: Maps, value: Array) -> Array:
    """f(u)."""
    for one in maps:
        value = one.forward(value)
    return value
