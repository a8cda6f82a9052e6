"""Models and guides of probabilistic programs: from their traces to factors, q, and one direction β per factor.

A trace at fixed noise is one weighted point of q (several particles: several points), so the bound of `Trace_ELBO` at
that noise is F for this set of points exactly, and the identity holds without any statistical tolerance (THEORY section
3, consequence 4). All values of all sites count as one datum; the weight of a site is its plate scale divided by the
number of data, which makes everything nats per datum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elbocheck.adapters.distributions import as_array, unwrapped
from elbocheck.adapters.maps import pulled
from elbocheck.adapters.members import Site, Sites, member
from elbocheck.adapters.plan import Plan, Planned, Point, Program, Tree, support_maps
from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.bound.factors import Declaration, Factor
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
    if not maps:
        return 0.0
    slopes = pulled(maps, guide.value)[1]
    whole = maps[-1].whole
    for _ in range(len(tuple(model.distribution.event_shape)) - whole + min(whole, 1)):
        slopes = xp.sum(slopes, axis=-1)
    if inside.mask is not None:
        mask = as_array(inside.mask, guide.value)
        slopes = xp.where(mask.reshape(mask.shape[: mask.ndim - inside.events]), slopes, xp.zeros_like(slopes))
    return xp.sum(slopes) / guide.rows


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
    for name, point in plan.point.items():
        added = sum(_log_jacobian(program, point, guide[name], model[name]) for model, guide in runs)
        entropy = entropy + point.weight * added / len(guides)
    rows = zeros(entropy) + 1.0 / entropy.shape[0]
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
