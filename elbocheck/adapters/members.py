"""Sites of traces as members of elbocheck's families, with arrays (data, points of q, elements, *event)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from elbocheck.adapters.distributions import Family, Unwrapped, as_array, unwrapped
from elbocheck.adapters.maps import maps_of, pulled
from elbocheck.backends.namespace import Array, namespace
from elbocheck.errors import InputError


@dataclass(frozen=True)
class Site:
    """One sample site of a trace.

    `scale`: what the library multiplies its log density with; `plate_scale`: the part of it that subsampled plates
    explain; the rest is a weight that somebody asked for. `auxiliary`: of the guide alone, other sites are made of it.
    `enumerated`: axes (negative, from the right of the batch) along which the states of discrete latents are laid out,
    with their sizes, the same for all sites of a trace, those of the guide first; `states`: this site's own axis.
    `data`: the axis of the plate whose elements are the data, and `rows`, how many there are. `weights`: a scale for
    each element, in place of the one number. `intermediates`: what the library keeps of how it drew the value, which
    maps without an inverse of their own need.
    """

    name: str
    distribution: Any
    value: Any
    scale: float = 1.0
    plate_scale: float = 1.0
    observed: bool = False
    auxiliary: bool = False
    enumerated: tuple[tuple[int, int], ...] = ()
    states: int | None = None
    data: int | None = None
    rows: int = 1
    weights: Any = None
    intermediates: Any = None

    @property
    def extra(self) -> float:
        """The scale that no plate explains."""
        return self.scale / self.plate_scale

    @property
    def is_point(self) -> bool:
        """Whether there is no density at the site (Delta)."""
        return type(unwrapped(self.distribution).base).__name__ == "Delta"


Sites = Mapping[str, Site]


def number(scale: Any) -> float:
    """A scale that is one number, 1 for one that is not."""
    return 1.0 if scale is None or np.ndim(scale) else float(scale)


def weights(scale: Any) -> Any:
    """A scale for each element, None if it is one number."""
    return scale if np.ndim(scale) else None


@dataclass(frozen=True)
class Mapped:
    """A distribution's values under one-to-one maps: its density, over the slopes."""

    base: Any
    slopes: Array
    """Their logs, (N or 1, M, E, *event)."""

    def log_density(self, value: Array) -> Array:
        """log p of the mapped value, at the value before the maps."""
        slopes = self.slopes
        for _ in range(self.base.event_ndim):
            slopes = namespace(slopes).xp.sum(slopes, axis=-1)
        return self.base.log_density(value) - slopes


def inside_of(site: Site, family: Family) -> Unwrapped:
    """The distribution that a family is of; of one that is not known here, the whole of it, mask and all."""
    if family.theirs:
        return Unwrapped(site.distribution, tuple(site.distribution.batch_shape))
    return unwrapped(site.distribution)


def fields_of(site: Site, family: Family) -> dict[str, Array]:
    """What a family is made of at a site; of one that is not known here, its log density."""
    if family.theirs:
        drawn = (site.intermediates,) if site.intermediates else ()
        log_density = site.distribution.log_prob(site.value, *drawn)
        return {"log_factor": log_density if site.weights is None else site.weights * log_density}
    return family.fields(unwrapped(site.distribution).base)


def member(
    family: Family, constants: Mapping[str, np.ndarray], sites: Sequence[Site]
) -> tuple[Any, Array, Array | None]:
    """(the family's member, value, mask) of one site in several runs: (N or 1, M, E, *event), runs along M."""
    rows: dict[str, list[Array]] = {}
    values: list[Array] = []
    slopes: list[Array] = []
    mask = None
    for site in sites:
        inside, slope = inside_of(site, family), None
        if family.mapped:
            value, slope = pulled(maps_of(inside.transforms, site.name), site.value)
            site = replace(site, value=value)
        xp, floating = namespace(site.value).xp, site.value.dtype
        for name, array in fields_of(site, family).items():
            if name not in constants:
                array = as_array(array, site.value)
                floating = array.dtype
                events = 0 if family.theirs else max(array.ndim - len(tuple(inside.base.batch_shape)), 0)
                rows.setdefault(name, []).append(arranged(array, site, inside, events))
        if family.theirs:
            values += rows["log_factor"][len(values) :]
            continue
        value = family.value(inside.base, site.value)
        value = value if xp.isdtype(value.dtype, "real floating") else xp.astype(value, floating)
        values.append(arranged(value, site, inside, family.event_ndim))
        if slope is not None:
            slopes.append(arranged(slope, site, inside, family.event_ndim))
        if inside.mask is not None:
            mask = arranged(as_array(inside.mask, site.value), site, inside, 0)[:, :1]
    found = family.make(**{name: _joined(arrays) for name, arrays in rows.items()}, **constants)
    return Mapped(found, _joined(slopes)) if slopes else found, _joined(values), mask


def arranged(array: Array, site: Site, inside: Unwrapped, events: int) -> Array:
    """An array of a site, (*batch or less, *event), as (N or 1, states, E, *event): all other axes are elements.

    Without enumerated states and a plate of data it is (1, 1, E, *event).
    """
    xp = namespace(site.value).xp
    event = tuple(array.shape[array.ndim - events :]) if events else ()
    own = len(tuple(inside.base.event_shape))
    drawn = tuple(site.value.shape[: site.value.ndim - own])
    shape = np.broadcast_shapes(inside.shape, drawn)
    full = xp.broadcast_to(array, (*shape, *event))
    if not site.enumerated and site.data is None:
        return xp.reshape(full, (1, 1, -1, *event))
    batch = len(shape) - inside.events
    pad = max(0, max((-axis for axis, _ in site.enumerated), default=0) - batch, -(site.data or 0) - batch)
    full, batch = xp.reshape(full, (*(1,) * pad, *full.shape)), batch + pad
    states = [batch + axis for axis, _ in site.enumerated]
    data = [] if site.data is None else [batch + site.data]
    rest = [axis for axis in range(full.ndim) if axis not in (*data, *states)]
    full = xp.permute_dims(full, (*data, *states, *rest))
    count = full.shape[0] if data else 1
    sizes = tuple(size for _, size in site.enumerated)
    kept = tuple(full.shape[len(data) + len(states) :])
    full = xp.broadcast_to(xp.reshape(full, (count, *full.shape[len(data) :])), (count, *sizes, *kept))
    return xp.reshape(full, (count, int(np.prod(sizes)), -1, *event))


def constant(site: Site, family: Family, field: str) -> Any:
    """A constant of the family, as NumPy has it: one number where all are equal, else arranged."""
    inside = inside_of(site, family)
    array = np.asarray(family.fields(inside.base)[field])
    if field in family.whole:
        array = np.rint(array).astype(int)
    if array.size and np.all(array == array.reshape(-1)[0]):
        return array.reshape(-1)[0].item()
    if field in family.single:
        raise InputError(f"site {site.name!r}: {field} must be one number for all elements; got {array}")
    return np.asarray(arranged(as_array(array, site.value), site, inside, 0))


def _joined(arrays: Sequence[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else namespace(*arrays).xp.concat(list(arrays), axis=1)
