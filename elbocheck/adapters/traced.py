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

    particles: int

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
    `weight`: the declared weight (of a KL term, or of observations); `share`: plate scale per datum.
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


@dataclass(frozen=True)
class Plan:
    """All sites of model and guide, those of the guide that are distributions, and those that are points (Delta)."""

    model: tuple[Planned, ...]
    guide: tuple[Planned, ...]
    point: Mapping[str, float]
    """Name -> declared weight times plate scale per datum."""


def make_plan(program: Program, params: Tree, data: int) -> Plan:
    """What every site is, found out at one set of parameters.

    Raises `InputError`, with the site's name, for what has no place in a bound of exponential families.
    """
    model, guide = program.run(params, 0)
    latents = {name: site.value for name, site in model.items() if not site.observed}
    for name in sorted(set(latents) ^ {name for name, site in guide.items() if not site.auxiliary}):
        where = "model" if name in latents else "guide"
        raise InputError(f"site {name!r} is a latent of the {where} only; model and guide must have the same latents")
    families = {name: family_of(unwrapped(site.distribution).base, name) for name, site in model.items()}
    needs = program.depends(lambda p, z: all_fields(program.replay(p, z, 0), families), params, latents)
    common = _common_weight(model, guide)
    planned, priors = [], []
    for name, site in model.items():
        fields = {field: needs[f"{name} {field}"] for field in families[name].fields(unwrapped(site.distribution).base)}
        analytic = not site.observed and not guide[name].is_point and program.analytic(site, guide[name])
        family, constants = _settled(name, site, families[name], fields, variants=not analytic)
        owners = sorted({one for used in fields.values() for one in used if one in params})
        extra = site.extra / common
        weight = extra if site.observed or np.isclose(extra, guide[name].extra / common) else 1.0
        prior = not site.observed and not any(fields.values()) and _centred(site, family)
        priors += [name] * prior
        planned.append(
            Planned(
                name,
                family,
                constants,
                tuple(owners),
                site.observed,
                common * site.plate_scale / data,
                weight,
                prior,
                analytic,
            )  # fmt: skip
        )
    if len(priors) > 1:  # one rescaling moves them all: it predicts their sum and none of them
        planned = [replace(one, prior=False) for one in planned]
    shared = {name for name in params if sum(name in one.parameters for one in planned) > 1}
    planned = [replace(one, parameters=()) if shared & set(one.parameters) else one for one in planned]
    weights = {one.name: one.weight for one in planned}
    drawn, point = [], {}
    for name, site in guide.items():
        share, weight = common * site.plate_scale / data, weights.get(name, 1.0)
        if site.is_point:
            point[name] = share * weight
            continue
        family = family_of(unwrapped(site.distribution).base, f"{name} (guide)")
        constants = {field: constant(site, family, field) for field in family.known}
        drawn.append(Planned(name, family, constants, (), False, share, weight))
    return Plan(tuple(planned), tuple(drawn), point)


def _log_jacobian(site: Site) -> Array:
    """What a point adds to log q: the Jacobian of the map that makes it from other sites, 0 if there is none."""
    xp = namespace(site.value).xp
    return xp.sum(as_array(unwrapped(site.distribution).base.log_density, site.value))


def points_of(program: Program, plan: Plan, params: Tree) -> WeightedPoints:
    """q as one point per particle; `entropy` counts every site once, as the rescaling of latents needs it.

    Where the loss averages in closed form, mean and spread of q are points too: drawn values alone do not tell them
    apart.
    """
    guides = [program.run(params, particle)[1] for particle in range(program.particles)]
    latents = {name: _stack([guide[name].value for guide in guides]) for name in guides[0]}
    analytic = {one.name for one in plan.model if one.analytic}
    for one in plan.guide:
        if one.name in analytic:
            latents |= dict(zip(_moments(one.name), _spread(_of(one, guides)[0]), strict=True))
    entropy = program.zero()
    for one in plan.guide:
        entropy = entropy + _entropy(one, guides, one.name in analytic)
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
    analytic, entropy = {one.name for one in plan.model if one.analytic}, program.zero()
    for one in plan.guide:
        entropy = entropy + one.share * one.weight * _entropy(one, guides, one.name in analytic)
    for name, weight in plan.point.items():
        entropy = entropy - weight * sum(_log_jacobian(guide[name]) for guide in guides) / len(guides)
    return Declaration(factors, _equal_weights(program), entropy, program.zero() + 1.0)


def _factor(one: Planned, plan: Plan, sites: list[Site], guides: list[Sites]) -> Factor:
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
        groups=one.share * xp.ones((1, len(sites), 1), dtype=value.dtype),
    )  # fmt: skip


def _of(one: Planned, runs: Sequence[Sites]) -> tuple[Distribution, Array, Array | None]:
    return member(one.family, one.constants, [run[one.name] for run in runs])


def _entropy(one: Planned, guides: list[Sites], analytic: bool) -> Array:
    """H of q at one site, (1,), mean over the particles: in closed form where the loss has it, else −log q as drawn."""
    distribution, value, where = _of(one, guides)
    elements = distribution.entropy() if analytic else -distribution.log_density(value)
    xp = namespace(elements).xp
    if where is not None:
        elements = xp.where(where, elements, xp.zeros_like(elements))
    return xp.reshape(xp.sum(elements), (1,)) / len(guides)


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
