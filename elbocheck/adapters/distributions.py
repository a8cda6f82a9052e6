"""Distributions of NumPyro and of Pyro (the names and attributes agree) as members of elbocheck's own families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from array_api_compat import is_torch_array

from elbocheck.backends.namespace import Array, namespace

Fields = dict[str, Array]
WRAPPERS = ("Independent", "ExpandedDistribution", "MaskedDistribution")
NAMED = frozenset({"HalfCauchy", "HalfNormal", "InverseGamma", "LogNormal", "Pareto", "Weibull"})
"""Classes that are known by their own name, although the libraries make some of them of others by a map."""


@dataclass(frozen=True)
class Unwrapped:
    """A library's distribution without what only shapes it.

    `base`: the distribution inside Independent, ExpandedDistribution, MaskedDistribution and TransformedDistribution;
    `shape`: all axes along which independent values of it lie, plates and `to_event` alike; `mask`: which of them
    count, or None; `events`: how many of these axes, the last ones, are no plates. `transforms`: the library's, from
    the base on.
    """

    base: Any
    shape: tuple[int, ...]
    mask: Any = None
    events: int = 0
    transforms: tuple[Any, ...] = ()


def as_it_is(distribution: Any, value: Array) -> Array:
    """The value of most families."""
    return value


@dataclass(frozen=True)
class Family:
    """How one class of distributions becomes a member of a family of elbocheck, or one of its named densities.

    `fields(distribution) -> constructor arguments` of `make`; `known`: those that are constants of the family and must
    not be learned (`whole`: integers, `single`: one number for all elements); `fixed`: argument -> name of another
    family, which it is (for its base measure is another one) where this argument is fixed and others are not. `value`:
    the value as the family wants it. `event_ndim`: trailing axes of one value. `density`: why it is no exponential
    family, of those that are not. `mapped`: whether values are taken back through the distribution's maps first.
    `theirs`: no density of elbocheck's own is known, and the library's is believed.
    """

    make: Callable[..., Any]
    fields: Callable[[Any], Fields]
    known: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    single: tuple[str, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    value: Callable[[Any, Array], Array] = as_it_is
    event_ndim: int = 0
    density: str = ""
    mapped: bool = False
    theirs: bool = False

    @property
    def scale_degree(self) -> int | None:
        """Degree of homogeneity of the log density, of exponential families."""
        return None if self.density else self.make.scale_degree  # type: ignore[attr-defined]


def as_array(value: Any, like: Array) -> Array:
    """`value`, a number or an array of any library, as an array of the library that `like` is of."""
    if is_torch_array(value):  # already one, and asarray would think about its gradient
        return value
    return namespace(like).xp.asarray(value)


def is_mapped(distribution: Any) -> bool:
    """Whether it is another distribution's values under maps, and has no name of its own here."""
    names = {kind.__name__ for kind in type(distribution).__mro__}
    return "TransformedDistribution" in names and not names & NAMED


def unwrapped(distribution: Any) -> Unwrapped:
    """The base distribution, the shape of all its independent values, the mask and the maps."""
    shape, masks = tuple(distribution.batch_shape) + tuple(distribution.event_shape), []
    transforms: list[Any] = []
    events = len(tuple(distribution.event_shape))
    added = 0  # axes that maps add to one value
    while True:
        kind = type(distribution).__name__
        if kind == "MaskedDistribution":
            masks.append((distribution._mask, len(tuple(distribution.event_shape)) + added))
        elif is_mapped(distribution):
            inner, outer = tuple(distribution.base_dist.event_shape), tuple(distribution.event_shape)
            shape = shape[: len(shape) - len(outer)] + inner
            added += len(outer) - len(inner)
            transforms = [*distribution.transforms, *transforms]
        elif kind not in WRAPPERS:
            break
        distribution = distribution.base_dist
    own, mask = len(tuple(distribution.event_shape)), None
    for one, event in masks:  # a mask has the axes of its batch; those of `to_event` follow them
        shaped = one.reshape((*one.shape, *(1,) * (event - added - own))) if getattr(one, "ndim", 0) else one
        mask = shaped if mask is None else mask & shaped
    return Unwrapped(distribution, shape[: len(shape) - own], mask, events - added - own, tuple(transforms))
