"""Models and guides of probabilistic programs: from their traces to factors, q, and one direction β per factor.

A trace at fixed noise is one weighted point of q (several particles: several points), so the bound of `Trace_ELBO` at
that noise is F for this set of points exactly, and the identity holds without any statistical tolerance (THEORY section
3, consequence 4). All values of all sites count as one datum; the weight of a site is its plate scale divided by the
number of data, which makes everything nats per datum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from elbocheck.adapters.distributions import Unwrapped, as_array, unwrapped
from elbocheck.adapters.maps import Maps, maps_of, pulled
from elbocheck.adapters.members import Site, Sites, member
from elbocheck.adapters.plan import Plan, Planned, Point, Program, Tree, support_maps
from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import JACOBIAN, Latents
from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.errors import InputError
from elbocheck.families import MultivariateNormal, Normal
from elbocheck.families.average import Average
from elbocheck.families.base import Distribution


def _log_jacobian(program: Program, point: Point, guide: Site, model: Site) -> Any:
    """What a point adds to H[q]: the Jacobian of the map that makes it from other sites, 0 if there is none."""
    inside, xp = unwrapped(guide.distribution), namespace(guide.value).xp
    if point.theirs:
        return -xp.sum(as_array(inside.base.log_density, guide.value)) / guide.rows
    maps = support_maps(program, model) if point.mapped else ()
    return _slopes(maps, guide, inside, len(tuple(model.distribution.event_shape))) if maps else 0.0


def _mapped(program: Program, one: Planned, guide: Site) -> Any:
    """What the maps of a site's own distribution add to H[q]."""
    inside = unwrapped(guide.distribution)
    return _slopes(maps_of(inside.transforms, one.name), guide, inside, len(tuple(guide.distribution.event_shape)))


def _slopes(maps: Maps, site: Site, inside: Unwrapped, events: int) -> Any:
    """Σ log |slopes| at a site's value, whose last axes, so many, make up one value; masked ones do not count."""
    xp, whole = namespace(site.value).xp, maps[-1].whole
    slopes = pulled(maps, site.value)[1]
    for _ in range(events - whole + min(whole, 1)):
        slopes = xp.sum(slopes, axis=-1)
    if inside.mask is not None:
        mask = as_array(inside.mask, site.value)
        mask = xp.reshape(mask, mask.shape[: mask.ndim - inside.events]) if mask.ndim else mask
        slopes = xp.where(mask, slopes, xp.zeros_like(slopes))
    return xp.sum(slopes) / site.rows


def points_of(program: Program, plan: Plan, params: Tree) -> WeightedPoints:
    """q as one point per particle; `entropy`, that of the latent with a fixed prior, counts it once.

    Where the loss averages in closed form, mean and spread of q are points too: drawn values alone do not tell them
    apart.
    """
    runs = [program.run(params, particle) for particle in range(program.particles)]
    guides = [guide for _, guide in runs]
    latents = {name: _stack([guide[name].value for guide in guides]) for name in guides[0]}
    analytic = {one.name for one in plan.model if one.analytic}
    for one in plan.guide:
        if one.name in analytic:
            latents |= dict(zip(_moments(one.name), _spread(_of(one, guides)[0]), strict=True))
    entropy, priors = program.zero(), {one.name for one in plan.model if one.prior}
    for one in plan.guide:
        if one.name in priors:
            entropy = entropy + _entropy(one, plan, runs, one.name in analytic, None)
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
    found = tuple(_factor(one, plan, [run[one.name] for run in sites], guides) for one in plan.model)
    if any(one.states for one in (*plan.guide, *plan.model)):
        return found
    return tuple(replace(factor, weights=_equal_weights(program)) for factor in found)


def declaration_of(program: Program, plan: Plan, params: Tree) -> Declaration:
    """The whole bound, nats per datum."""
    runs = [program.run(params, particle) for particle in range(program.particles)]
    guides = [guide for _, guide in runs]
    factors = tuple(_factor(one, plan, [model[one.name] for model, _ in runs], guides) for one in plan.model)
    enumerated = any(one.states for one in (*plan.guide, *plan.model))
    weights, entropy = _weights(program, plan, factors, guides) if enumerated else (_equal_weights(program), None)
    parts = _entropies(program, plan, runs, weights if enumerated else None)
    if enumerated or not parts:
        entropy = program.zero() if entropy is None else entropy
        for part in parts.values():
            entropy = entropy + part
        rows = zeros(entropy) + 1.0 / entropy.shape[0]
        return Declaration(factors, weights, entropy, rows)
    groups = {
        one.name: tuple(part for latent in one.under for part in _groups(plan, latent, parts)) or tuple(parts)
        for one in plan.model
    }
    factors = tuple(replace(factor, under=tuple(dict.fromkeys(groups[factor.name]))) for factor in factors)
    q = tuple(Latents(name, weights=weights, entropy=part) for name, part in parts.items())
    return Declaration(factors, q=q)


def _groups(plan: Plan, latent: str, parts: Mapping[str, Any]) -> list[str]:
    """The parts of H[q] that a latent has."""
    sources = plan.point[latent].sources if latent in plan.point else ()
    return [part for part in (*(sources or (latent,)), JACOBIAN + latent) if part in parts]


def _entropies(program: Program, plan: Plan, runs: list[tuple[Sites, Sites]], weights: Array | None) -> dict[str, Any]:
    """Site, or Jacobian of a site, -> its part of H[q], (N or 1,), nats per datum."""
    guides = [guide for _, guide in runs]
    analytic, found = {one.name for one in plan.model if one.analytic}, {}
    for one in plan.guide:
        if not one.states:
            found[one.name] = one.share * one.weight * _entropy(one, plan, runs, one.name in analytic, weights)
            if (
                not one.family.theirs
                and unwrapped(guides[0][one.name].distribution).transforms
                and one.name not in analytic
            ):
                moved = [_mapped(program, one, guide[one.name]) for guide in guides]
                part = program.zero() + one.share * one.weight * sum(moved) / len(guides)
                found[one.name], found[JACOBIAN + one.name] = found[one.name] - part, part
    for name, point in plan.point.items():
        if point.moves:
            added = sum(_log_jacobian(program, point, guide[name], model[name]) for model, guide in runs)
            found[JACOBIAN + name] = program.zero() + point.weight * added / len(guides)
        elif not point.sources:
            found[name] = program.zero()
    return found


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
    drawn = next((other for other in plan.guide if other.name == one.name and not other.states), None)
    if drawn is not None:  # what one side's mask leaves out has neither prior nor entropy
        where = _both(where, _of(drawn, guides)[2])
    if one.analytic:
        assert drawn is not None
        under, _, _ = _of(drawn, guides)
        if type(under) is not type(distribution):
            raise InputError(
                f"site {one.name!r}: the loss has a closed form of KL({type(under).__name__} ‖ "
                f"{type(distribution).__name__}), elbocheck none; use Trace_ELBO"
            )
        distribution = Average(distribution, under)
    elif one.family.density:
        value = distribution.log_density(value)
        distribution = LogDensity(value, f"{one.family.density}: S keeps its E log p")
    xp = namespace(value).xp
    return Factor(
        one.name,
        distribution,
        value,
        parameters=one.parameters,
        where=where,
        weight=one.weight,
        rescaling={} if one.prior else None,
        rescaled=(one.name, *_moments(one.name)) if one.analytic else (one.name,),
        groups=one.share * xp.ones((1, 1, 1), dtype=value.dtype),
    )


def _both(one: Array | None, other: Array | None) -> Array | None:
    return other if one is None else one if other is None else one & other


def _of(one: Planned, runs: Sequence[Sites]) -> tuple[Distribution, Array, Array | None]:
    return member(one.family, one.constants, [run[one.name] for run in runs])


def _entropy(
    one: Planned, plan: Plan, runs: Sequence[tuple[Sites, Sites]], analytic: bool, weights: Array | None
) -> Array:
    """H of q at one site, (N or 1,), averaged over the points: in closed form where the loss has it, else −log q."""
    distribution, value, where = _of(one, [guide for _, guide in runs])
    elements = distribution.entropy() if analytic else -distribution.log_density(value)
    prior = next((other for other in plan.model if other.name == one.name), None)
    if prior is not None:
        where = _both(where, _of(prior, [model for model, _ in runs])[2])
    xp = namespace(elements).xp
    summed = _over_elements(elements, where)
    return xp.mean(summed, axis=-1) if weights is None else xp.sum(weights * summed, axis=-1)


def _stack(arrays: list[Array]) -> Array:
    return namespace(*arrays).xp.stack(arrays)


def _equal_weights(program: Program) -> Array:
    xp = namespace(program.zero()).xp
    return xp.zeros((1, program.particles), dtype=program.zero().dtype) + 1.0 / program.particles
