"""Models and guides of probabilistic programs: from their traces to factors, q, and one direction β per factor.

A trace at fixed noise is one weighted point of q (several particles: several points), so the bound of `Trace_ELBO` at
that noise is F for this set of points exactly, and the identity holds without any statistical tolerance (THEORY section
3, consequence 4). All values of all sites count as one datum; the weight of a site is its plate scale divided by the
number of data, which makes everything nats per datum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from elbocheck.adapters.averaged import Averaged
from elbocheck.adapters.distributions import KNOWN_CONSTANTS, Family, as_array, family_of, unwrapped
from elbocheck.adapters.members import Site, Sites, constant, member
from elbocheck.backends.namespace import Array, namespace
from elbocheck.errors import InputError
from elbocheck.factors import Declaration, Factor
from elbocheck.families import MultivariateNormal, Normal
from elbocheck.families.base import Distribution
from elbocheck.posteriors import WeightedPoints

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
    its states are enumerated; `local`: whether it lies in the plate of the data.
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


@dataclass(frozen=True)
class Plan:
    """All sites of model and guide, those of the guide that are distributions, and those that are points (Delta).

    `marginal`: how many states the model enumerates by itself, for each combination of those that the guide does.
    """

    model: tuple[Planned, ...]
    guide: tuple[Planned, ...]
    point: Mapping[str, float]
    """Name -> declared weight times plate scale per datum."""
    marginal: int = 1


def make_plan(program: Program, params: Tree, data: int) -> Plan:
    """What every site is, found out at one set of parameters.

    Raises `InputError`, with the site's name, for what has no place in a bound of exponential families.
    """
    model, guide = program.run(params, 0)
    marginal = {name for name, site in model.items() if site.states is not None and name not in guide}
    latents = {name: site.value for name, site in model.items() if not site.observed and name not in marginal}
    for name in sorted(set(latents) ^ {name for name, site in guide.items() if not site.auxiliary}):
        where = "model" if name in latents else "guide"
        raise InputError(f"site {name!r} is a latent of the {where} only; model and guide must have the same latents")
    families = {name: family_of(unwrapped(site.distribution).base, name) for name, site in model.items()}
    needs = program.depends(lambda p, z: all_fields(program.replay(p, z, 0), families), params, latents)
    common = _common_weight(model, guide)
    planned = []
    for name, site in model.items():
        fields = {field: needs[f"{name} {field}"] for field in families[name].fields(unwrapped(site.distribution).base)}
        drawn = guide.get(name)
        analytic = drawn is not None and not drawn.is_point and program.analytic(site, drawn)
        family, constants = _settled(name, site, families[name], fields, variants=not analytic)
        owners = sorted({one for used in fields.values() for one in used if one in params})
        extra = site.extra / common
        weight = extra if site.observed or (drawn and np.isclose(extra, drawn.extra / common)) else 1.0
        prior = name in latents and not any(fields.values()) and _centred(site, family)
        share, states, local = _share(site, common, data), site.states is not None, site.data is not None
        planned.append(
            Planned(
                name, family, constants, tuple(owners), site.observed, share, weight, prior, analytic, states, local
            )
        )
    priors = [one.name for one in planned if one.prior]
    if len(priors) > 1 or (priors and not _moves_alone(program, priors[0], params)):
        planned = [replace(one, prior=False) for one in planned]
    shared = {name for name in params if sum(name in one.parameters for one in planned) > 1}
    planned = [replace(one, parameters=()) if shared & set(one.parameters) else one for one in planned]
    weights = {one.name: one.weight for one in planned}
    drawn_sites, point = [], {}
    for name, site in guide.items():
        share, weight = _share(site, common, data), weights.get(name, 1.0)
        if site.is_point:
            point[name] = share * weight
            continue
        family = family_of(unwrapped(site.distribution).base, f"{name} (guide)")
        constants = {field: constant(site, family, field) for field in family.known}
        one = Planned(name, family, constants, (), False, share, weight, states=site.states is not None)
        drawn_sites.append(replace(one, local=site.data is not None))
    sizes = dict(next(iter(model.values())).enumerated)
    own = {model[name].states: sizes[model[name].states or 0] for name in marginal}
    return Plan(tuple(planned), tuple(drawn_sites), point, int(np.prod([*own.values()], dtype=int)))


def _share(site: Site, common: float, data: int) -> float:
    """The weight of a site per datum; its elements along the axis of the data are averaged, not summed."""
    return common * site.plate_scale * site.rows / data


def _moves_alone(program: Program, name: str, params: Tree) -> bool:
    """Whether q's parameters of one latent are not those of another: then it can be rescaled without the others."""

    def values(params: Tree, latents: Tree) -> Tree:
        found: dict[str, Any] = {}
        for one, site in program.run(params, 0)[1].items():
            base = unwrapped(site.distribution).base
            fields = {} if site.is_point else family_of(base, one).fields(base)
            found |= {f"{one} {field}": array for field, array in {"": site.value, **fields}.items()}
        return found

    used: dict[str, set[str]] = {}
    for key, names in program.depends(values, params, {}).items():
        used.setdefault(key.rpartition(" ")[0], set()).update(names)
    return not any(used[name] & names for other, names in used.items() if other != name)


def _log_jacobian(site: Site) -> Array:
    """What a point adds to log q: the Jacobian of the map that makes it from other sites, 0 if there is none."""
    xp = namespace(site.value).xp
    return xp.sum(as_array(unwrapped(site.distribution).base.log_density, site.value))


def points_of(program: Program, plan: Plan, params: Tree) -> WeightedPoints:
    """q as one point per particle; `entropy`, that of the latent with a fixed prior, counts it once.

    Where the loss averages in closed form, mean and spread of q are points too: drawn values alone do not tell them
    apart.
    """
    guides = [program.run(params, particle)[1] for particle in range(program.particles)]
    latents = {name: _stack([guide[name].value for guide in guides]) for name in guides[0]}
    analytic = {one.name for one in plan.model if one.analytic}
    for one in plan.guide:
        if one.name in analytic:
            latents |= dict(zip(_moments(one.name), _spread(_of(one, guides)[0]), strict=True))
    entropy, priors = program.zero(), {one.name for one in plan.model if one.prior}
    for one in plan.guide:
        if one.name in priors:
            entropy = entropy + _entropy(one, guides, one.name in analytic, None)
    return WeightedPoints(latents, _equal_weights(program), entropy)


def _moments(name: str) -> tuple[str, str]:
    return f"{name} (mean)", f"{name} (spread)"


def _spread(distribution: Any) -> tuple[Array, Array]:
    """(mean, what a rescaling of the latent scales beside it); of families without such, nothing that moves."""
    xp = namespace(*distribution.natural_parameters()).xp
    if isinstance(distribution, Normal):
        return distribution.mean, xp.sqrt(distribution.variance)
    if isinstance(distribution, MultivariateNormal):
        return distribution.mean, xp.linalg.inv(distribution.precision_cholesky)
    return distribution.natural_parameters()[0][:0], distribution.natural_parameters()[0][:0]


def factors_of(program: Program, plan: Plan, params: Tree, latents: Tree) -> tuple[Factor, ...]:
    """The model's factors with the latents held."""
    sites = [
        program.replay(params, {name: value[particle] for name, value in latents.items()}, particle)
        for particle in range(program.particles)
    ]
    guides = [program.run(params, particle)[1] for particle in range(program.particles)]
    return tuple(_factor(one, plan, [run[one.name] for run in sites], guides) for one in plan.model)


def declaration_of(program: Program, plan: Plan, params: Tree) -> Declaration:
    """The whole bound, nats per datum."""
    runs = [program.run(params, particle) for particle in range(program.particles)]
    guides = [guide for _, guide in runs]
    factors = tuple(_factor(one, plan, [model[one.name] for model, _ in runs], guides) for one in plan.model)
    analytic = {one.name for one in plan.model if one.analytic}
    weights, entropy = _weights(program, plan, factors, guides)
    for one in plan.guide:
        if not one.states:
            entropy = entropy + one.share * one.weight * _entropy(one, guides, one.name in analytic, weights)
    for name, weight in plan.point.items():
        entropy = entropy - weight * sum(_log_jacobian(guide[name]) for guide in guides) / len(guides)
    rows = 0.0 * entropy + 1.0 / entropy.shape[0]
    return Declaration(factors, weights, entropy, rows)


def _weights(program: Program, plan: Plan, factors: Sequence[Factor], guides: Sequence[Sites]) -> tuple[Array, Array]:
    """(weights (N, M) of the points, entropy (N,) of the enumerated latents per datum).

    Drawn points weigh the same. Enumerated states have the probabilities of the guide and, those that the model
    enumerates by itself, of the exact posterior given all the others: r ∝ Π p over the model's local sites.
    """
    states = [one for one in (*plan.guide, *plan.model) if one.states]
    if not states:
        return _equal_weights(program), program.zero()
    log_q: Any = 0.0
    for one in plan.guide:
        if one.states:
            distribution, value, _ = _of(one, guides)
            log_q = log_q + _over_elements(distribution.log_density(value), None)
    if plan.marginal > 1:
        log_p: Any = 0.0
        for one, factor in zip(plan.model, factors, strict=True):
            if one.local or not any(other.local for other in states):
                log_p = log_p + _over_elements(factor.distribution.log_density(factor.value), factor.where)
        xp = namespace(log_p).xp
        split = xp.reshape(log_p, (log_p.shape[0], -1, plan.marginal))
        split = split - namespace(split).log_sum_exp(split, axis=-1)[..., None]
        log_q = log_q + xp.reshape(split, log_p.shape)
    xp = namespace(log_q).xp
    weights = xp.exp(log_q) / program.particles
    share = next(one.share * one.weight for one in states)
    return weights, -share * xp.sum(weights * log_q, axis=-1)


def _over_elements(elements: Array, where: Array | None) -> Array:
    """(N or 1, M, E) -> (N or 1, M), over what exists."""
    xp = namespace(elements).xp
    if where is not None:
        elements = xp.where(where, elements, xp.zeros_like(elements))
    return xp.sum(elements, axis=-1)


def _factor(one: Planned, plan: Plan, sites: list[Site], guides: list[Sites]) -> Factor:
    distribution: Any
    distribution, value, where = member(one.family, one.constants, sites)
    if one.analytic:
        under, _, _ = _of(next(other for other in plan.guide if other.name == one.name), guides)
        if type(under) is not type(distribution):
            raise InputError(
                f"site {one.name!r}: the loss has a closed form of KL({type(under).__name__} ‖ "
                f"{type(distribution).__name__}), elbocheck none; use Trace_ELBO"
            )
        distribution = Averaged(distribution, under)
    xp = namespace(value).xp
    return Factor(
        one.name, distribution, value, parameters=one.parameters, where=where, weight=one.weight,
        rescaling={} if one.prior else None,
        rescaled=(one.name, *_moments(one.name)) if one.analytic else (one.name,),
        groups=one.share * xp.ones((1, 1, 1), dtype=value.dtype),
    )  # fmt: skip


def _of(one: Planned, runs: Sequence[Sites]) -> tuple[Distribution, Array, Array | None]:
    return member(one.family, one.constants, [run[one.name] for run in runs])


def _entropy(one: Planned, guides: Sequence[Sites], analytic: bool, weights: Array | None) -> Array:
    """H of q at one site, (N or 1,), averaged over the points: in closed form where the loss has it, else −log q."""
    distribution, value, where = _of(one, guides)
    elements = distribution.entropy() if analytic else -distribution.log_density(value)
    xp = namespace(elements).xp
    summed = _over_elements(elements, where)
    return xp.mean(summed, axis=-1) if weights is None else xp.sum(weights * summed, axis=-1)


def _stack(arrays: list[Array]) -> Array:
    return namespace(*arrays).xp.stack(arrays)


def _equal_weights(program: Program) -> Array:
    xp = namespace(program.zero()).xp
    return xp.zeros((1, program.particles), dtype=program.zero().dtype) + 1.0 / program.particles


def all_fields(sites: Sites, families: Mapping[str, Family]) -> dict[str, Array]:
    """ "site field" -> array, for all sites."""
    found = {}
    for name, site in sites.items():
        for field, array in families[name].fields(unwrapped(site.distribution).base).items():
            found[f"{name} {field}"] = array
    return found


def _settled(
    name: str, site: Site, family: Family, fields: Mapping[str, set[str]], variants: bool
) -> tuple[Family, dict[str, np.ndarray]]:
    """The family with its constants: those it always has, and those that make another family when they are fixed."""
    for field in family.known:
        if fields[field]:
            raise InputError(
                f"site {name!r}: {type(unwrapped(site.distribution).base).__name__} with a learned {field} "
                f"(it depends on {', '.join(sorted(fields[field]))}) is no exponential family"
            )
    known = family.known
    for field, other in family.fixed.items():
        learned = any(used for one, used in fields.items() if one != field)
        if variants and not fields[field] and learned:
            make, known = KNOWN_CONSTANTS[other]
            family = Family(make, family.fields, known, value=family.value)
    return family, {field: constant(site, family, field) for field in known}


def _common_weight(model: Sites, guide: Sites) -> float:
    """A scale that every site has beyond its plates: it scales the whole bound, and is no weight of any term."""
    extras = [site.extra for site in (*model.values(), *guide.values())]
    return extras[0] if np.allclose(extras, extras[0]) else 1.0


def _centred(site: Site, family: Family) -> bool:
    """Whether the log density is homogeneous in the latent: no mean, or a mean of zero."""
    if family.make.scale_degree is None:  # type: ignore[attr-defined]
        return False
    location = getattr(unwrapped(site.distribution).base, "loc", None)
    return location is None or bool(np.all(np.asarray(location) == 0.0))
