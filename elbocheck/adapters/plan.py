"""What the sites of a model and a guide are: families, constants, parameters and weights, found out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from elbocheck.adapters.distributions import Family, unwrapped
from elbocheck.adapters.maps import Maps, maps_of, pulled, pushed
from elbocheck.adapters.members import Site, Sites, constant, fields_of
from elbocheck.adapters.tables import KNOWN_CONSTANTS, Given, family_of
from elbocheck.backends.namespace import Array
from elbocheck.errors import InputError

Tree = Mapping[str, Any]


class Program(Protocol):
    """A model and a guide of one library, run at given parameters (in the problem's chart) and at fixed noise."""

    @property
    def particles(self) -> int:
        """How many times q is drawn."""
        ...

    def zero(self) -> Array:
        """0, (1,), of the library and precision that everything is computed in."""
        ...

    def run(self, params: Tree, particle: int) -> tuple[Sites, Sites]:
        """(model sites, guide sites): the guide drawn with the noise of one particle, the model replayed on it."""
        ...

    def replay(self, params: Tree, latents: Tree, particle: int) -> Sites:
        """The model's sites with the latents held at given values."""
        ...

    def draw(self, params: Tree, latents: Tree, particle: int) -> Sites:
        """The guide's sites with some of them held at given values."""
        ...

    def bijection(self, site: Site) -> Any:
        """The library's map from unconstrained numbers to the support of a site."""
        ...

    def analytic(self, model: Site, guide: Site) -> bool:
        """Whether the loss uses the closed form of KL(q ‖ p) at this site."""
        ...

    def depends(self, function: Callable[[Tree, Tree], Tree], params: Tree, latents: Tree) -> dict[str, set[str]]:
        """Of `function(params, latents) -> arrays`: the names of the arguments that each result depends on."""
        ...


@dataclass(frozen=True)
class Planned:
    """One site, understood once: its family, the family's constants, whose parameters it is made of.

    `prior`: nothing in it is learned and it is homogeneous, so that rescaling the latent stands in for β;
    `weight`: the declared weight (of a KL term, or of observations); `share`: plate scale per datum. `states`: whether
    its states are enumerated; `local`: whether it lies in the plate of the data. `under`: the latents that it
    depends on, itself among them.
    """

    name: str
    family: Family
    constants: Mapping[str, np.ndarray]
    parameters: tuple[str, ...]
    observed: bool
    share: float
    weight: float = 1.0
    prior: bool = False
    analytic: bool = False
    states: bool = False
    local: bool = False
    under: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """A latent that the guide makes of auxiliary sites, or of parameters alone (Delta).

    `weight`: the declared one times plate scale per datum. `mapped`: whether the map of its support makes it, whose
    Jacobian then is a part of log q; `theirs`: whether another one does, and the library's Jacobian is believed.
    `sources`: the auxiliary sites.
    """

    weight: float
    mapped: bool = False
    theirs: bool = False
    sources: tuple[str, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether there is a Jacobian."""
        return self.mapped or self.theirs


@dataclass(frozen=True)
class Plan:
    """All sites of model and guide, those of the guide that are distributions, and those that are points.

    `marginal`: how many states the model enumerates by itself, for each combination of those that the guide does.
    `unjudged`: why densities are the library's own, site by site.
    """

    model: tuple[Planned, ...]
    guide: tuple[Planned, ...]
    point: Mapping[str, Point]
    marginal: int = 1
    unjudged: tuple[str, ...] = ()


def make_plan(program: Program, params: Tree, data: int) -> Plan:
    """What every site is, found out at one set of parameters.

    A site whose density is not known here is taken as the library has it, and named in `unjudged`. Raises `InputError`
    for latents of one side only, and if no density of the model is known.
    """
    model, guide = program.run(params, 0)
    marginal = {name for name, site in model.items() if site.states is not None and name not in guide}
    latents = {name: site.value for name, site in model.items() if not site.observed and name not in marginal}
    for name in sorted(set(latents) ^ {name for name, site in guide.items() if not site.auxiliary}):
        where = "model" if name in latents else "guide"
        raise InputError(f"site {name!r} is a latent of the {where} only; model and guide must have the same latents")
    families = {name: taken(site) for name, site in model.items()}
    if families and all(family.make is Given for family in families.values()):
        reason = next(iter(families.values())).density
        raise InputError(f"nothing of the model can be judged, first of all: {reason}")
    needs = program.depends(lambda p, z: all_fields(program.replay(p, z, 0), families), params, latents)
    common = _common_weight(model, guide)
    planned = []
    for name, site in model.items():
        fields = {field: needs[f"{name} {field}"] for field in fields_of(site, families[name])}
        drawn = guide.get(name)
        analytic = drawn is not None and not drawn.is_point and program.analytic(site, drawn)
        family, constants = _settled(name, site, families[name], fields, variants=not analytic)
        planned.append(
            replace(
                _placed(site, family, constants, common, data),
                parameters=tuple(sorted({one for used in fields.values() for one in used if one in params})),
                weight=_declared_weight(site, drawn, common),
                prior=name in latents and not any(fields.values()) and _centred(site, family),
                analytic=analytic,
                under=_under(name, fields, latents),
            )
        )
    priors = [one.name for one in planned if one.prior]
    if len(priors) > 1 or (priors and not _moves_alone(program, priors[0], params)):
        # one rescaling moves all of them, or other latents too: it predicts a sum, and none of its terms
        planned = [replace(one, prior=False) for one in planned]
    shared = {name for name in params if sum(name in one.parameters for one in planned) > 1}
    planned = [replace(one, parameters=()) if shared & set(one.parameters) else one for one in planned]
    drawn_sites = _plan_guide(guide, {one.name: one.weight for one in planned}, common, data)
    weights = {one.name: one.weight * _share(guide[one.name], common, data) for one in planned if one.name in guide}
    point, lost = _points(program, params, model, guide, weights)
    unknown = [one.family.density for one in (*planned, *drawn_sites) if one.family.theirs]
    sizes = {model[name].states: dict(model[name].enumerated)[model[name].states or 0] for name in marginal}
    marginals = int(np.prod([*sizes.values()], dtype=int))
    return Plan(tuple(planned), drawn_sites, point, marginals, tuple(dict.fromkeys((*unknown, *lost))))


def _under(name: str, fields: Mapping[str, set[str]], latents: Mapping[str, Any]) -> tuple[str, ...]:
    used = {name}.union(*fields.values())
    return tuple(one for one in latents if one in used)


def taken(site: Site, where: str = "") -> Family:
    """The family or density of a site; the library's own, with the reason, if elbocheck has none."""
    name = f"{site.name}{where}"
    if site.weights is not None:
        reason = f"site {name!r}: a scale of shape {tuple(np.shape(site.weights))}; only numbers are declared weights"
        return Family(Given, lambda distribution: {}, density=reason, theirs=True)
    try:
        inside = unwrapped(site.distribution)
        maps_of(inside.transforms, name)
        family = family_of(inside, name)
    except InputError as error:
        return Family(Given, lambda distribution: {}, density=str(error), theirs=True)
    return family


def _plan_guide(guide: Sites, weights: Mapping[str, float], common: float, data: int) -> tuple[Planned, ...]:
    """The sites with a distribution."""
    drawn = []
    for name, site in guide.items():
        if not site.is_point:
            family, constants = _constants(site, taken(site, " (guide)"))
            placed = _placed(site, family, constants, common, data)
            drawn.append(replace(placed, weight=weights.get(name, 1.0)))
    return tuple(drawn)


SHIFT = 0.1
"""By how much auxiliary numbers are moved, to see which map makes a point of them."""


def _points(
    program: Program, params: Tree, model: Sites, guide: Sites, weights: Mapping[str, float]
) -> tuple[dict[str, Point], list[str]]:
    """(what is made of auxiliary sites and how, the sites whose map is not known)."""
    point = {name: Point(weights.get(name, 0.0)) for name, site in guide.items() if site.is_point}
    sources = {name: site.value + SHIFT for name, site in guide.items() if site.auxiliary and not site.is_point}
    if not point or not sources:
        return point, []
    lost, shifted = [], program.draw(params, sources, 0)
    for name, one in point.items():
        before, after = np.asarray(_held(guide[name].value)), np.asarray(_held(shifted[name].value))
        if np.array_equal(before, after):
            continue
        own = f"{name}_unconstrained"  # Pyro's name
        one = point[name] = replace(one, sources=(own,) if own in sources else tuple(sources))
        if np.allclose(before + SHIFT, after, rtol=1e-9, atol=1e-12):
            continue
        maps = support_maps(program, model[name])
        if maps is not None and np.allclose(_moved(maps, before), after, rtol=1e-7, atol=1e-10):
            point[name] = replace(one, mapped=True)
        else:
            point[name] = replace(one, theirs=True)
            lost.append(f"site {name!r} (guide): made of auxiliary numbers by a map that is not that of its support")
    return point, lost


def support_maps(program: Program, site: Site) -> Maps | None:
    """The maps of a site's support, None if one of them is not known."""
    try:
        return maps_of([program.bijection(site)], site.name)
    except InputError:
        return None


def _held(value: Any) -> Any:
    return value.detach() if hasattr(value, "detach") else value


def _moved(maps: Maps, value: np.ndarray) -> np.ndarray:
    """Where a shift of the unconstrained numbers takes a value."""
    with np.errstate(all="ignore"):
        return np.asarray(pushed(maps, pulled(maps, value)[0] + SHIFT))


def _placed(site: Site, family: Family, constants: Mapping[str, Any], common: float, data: int) -> Planned:
    """A site without what is learned in it."""
    return Planned(
        site.name,
        family,
        constants,
        (),
        site.observed,
        _share(site, common, data),
        states=site.states is not None,
        local=site.data is not None,
    )


def _declared_weight(site: Site, drawn: Site | None, common: float) -> float:
    """A weight of observations, or of a KL term if model and guide agree on it; any other is not declared: a fault."""
    extra = site.extra / common
    agreed = drawn is not None and bool(np.isclose(extra, drawn.extra / common))
    return extra if site.observed or agreed else 1.0


def _share(site: Site, common: float, data: int) -> float:
    """The weight of a site per datum; its elements along the axis of the data are averaged, not summed."""
    return common * site.plate_scale * site.rows / data


def _moves_alone(program: Program, name: str, params: Tree) -> bool:
    """Whether q's parameters of one latent are not those of another: then it can be rescaled without the others."""

    def values(params: Tree, latents: Tree) -> Tree:
        found: dict[str, Any] = {}
        for one, site in program.run(params, 0)[1].items():
            fields = {} if site.is_point else fields_of(site, taken(site))
            found |= {f"{one} {field}": array for field, array in {"": site.value, **fields}.items()}
        return found

    used: dict[str, set[str]] = {}
    for key, names in program.depends(values, params, {}).items():
        used.setdefault(key.rpartition(" ")[0], set()).update(names)
    return not any(used[name] & names for other, names in used.items() if other != name)


def all_fields(sites: Sites, families: Mapping[str, Family]) -> dict[str, Array]:
    """ "site field" -> array, for all sites."""
    found = {}
    for name, site in sites.items():
        for field, array in fields_of(site, families[name]).items():
            found[f"{name} {field}"] = array
    return found


def _settled(
    name: str, site: Site, family: Family, fields: Mapping[str, set[str]], variants: bool
) -> tuple[Family, dict[str, np.ndarray]]:
    """The family with its constants: those it always has, and those that make another family when they are fixed."""
    for field in family.known:
        if fields[field]:
            kind, used = type(unwrapped(site.distribution).base).__name__, ", ".join(sorted(fields[field]))
            reason = f"{kind} with a learned {field} (it depends on {used}) is no exponential family"
            return replace(family, known=(), density=reason), {}
    for field, other in family.fixed.items():
        learned = any(used for one, used in fields.items() if one != field)
        if variants and not fields[field] and learned:
            make, known = KNOWN_CONSTANTS[other]
            family = replace(family, make=make, known=known, fixed={})
    return _constants(site, family)


def _constants(site: Site, family: Family) -> tuple[Family, dict[str, Any]]:
    """The constants of a family; what they make impossible is known by its density."""
    try:
        return family, {field: constant(site, family, field) for field in family.known}
    except InputError as error:
        return replace(family, known=(), density=str(error)), {}


def _common_weight(model: Sites, guide: Sites) -> float:
    """A scale that every site has beyond its plates: it scales the whole bound, and is no weight of any term."""
    extras = [site.extra for site in (*model.values(), *guide.values())]
    return extras[0] if np.allclose(extras, extras[0]) else 1.0


def _centred(site: Site, family: Family) -> bool:
    """Whether the log density is homogeneous in the latent: no mean, or a mean of zero."""
    if family.scale_degree is None:
        return False
    location = getattr(unwrapped(site.distribution).base, "loc", None)
    return location is None or bool(np.all(np.asarray(location) == 0.0))
