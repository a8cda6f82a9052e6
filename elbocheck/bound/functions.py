"""What is computed of a bound: traceable functions of the flat vector of its parameters and the fixed arrays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import elbocheck.bound.terms as of_one
from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.definition import Bound
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.layout import Arrays, Layout
from elbocheck.bound.trees import covers
from elbocheck.errors import DeclarationError

Lazy = Callable[[], Any]
"""Arrays that nothing is differentiated for, made when they are asked for."""


@dataclass(frozen=True)
class FactorShape:
    """What a declaration says of a factor at any parameters: hints and shapes."""

    name: str
    """Of the factor."""

    parameters: tuple[str, ...]
    """Names of its blocks, as declared."""

    value: tuple[int, ...]
    """Shape of its value."""

    event_ndim: int
    """Trailing axes that make up one value."""

    family: str
    """Name of its family."""

    scale_degree: int | None
    """Degree of homogeneity of its density, see `Distribution`."""

    outside: str = ""
    """Why the theorem does not cover it whatever its parameters; empty for an exponential family."""


@dataclass(eq=False)
class Seen:
    """What a declaration has said, last, that does not depend on the parameters."""

    shapes: tuple[FactorShape, ...] = ()
    """Of its factors."""

    optimal: bool = False
    """Whether q is optimal."""

    at_most: bool = False
    """Whether the reported bound may lie below it."""


def per_datum(bound: Bound, vector: Array, fixed: Arrays) -> tuple[Array, Mapping[str, Any]]:
    """(declared ELBO of each datum (N,), every term of it)."""
    declaration = bound.declare(bound.layout.unpack(vector), fixed)
    elbo: Array = declaration.entropy_weight * declaration.entropy
    factors: OrderedDict[str, dict[str, Array]] = OrderedDict()
    check_names(declaration, bound.layout)
    for factor in declaration.factors:
        terms = of_one.factor_terms(factor, declaration)
        elbo = elbo + factor.weight * namespace(elbo).xp.sum(terms["log_density"], axis=-1)
        beta = of_one.effective_beta(factor, declaration)
        if beta is not None:
            terms["beta"] = of_one.stacked(beta, bound.layout, factor, like=terms["log_density"])
        factors[factor.name] = terms
    xp = namespace(elbo).xp
    return elbo, OrderedDict(
        elbo=elbo,
        entropy=declaration.entropy + xp.zeros_like(elbo),
        data_weights=declaration.data_weights + xp.zeros_like(elbo),
        factors=factors,
        entropy_weight=xp.asarray(float(declaration.entropy_weight), dtype=elbo.dtype),
    )


def check_names(declaration: Declaration, layout: Layout) -> None:
    """Raises `DeclarationError` for factors of one name, and for parameters that do not exist."""
    names = [factor.name for factor in declaration.factors]
    for factor in declaration.factors:
        unknown = [name for name in factor.parameters if not any(covers(name, one) for one in layout.names)]
        if unknown:
            raise DeclarationError(f"factor {factor.name!r} names parameters {unknown}; there are {list(layout.names)}")
        if names.count(factor.name) > 1:
            raise DeclarationError(f"two factors are called {factor.name!r}; names must be unique")


def _owns(factor: Factor, name: str) -> bool:
    return any(covers(one, name) for one in factor.parameters)


def declared(bound: Bound, seen: Seen, vector: Array, fixed: Arrays) -> tuple[Array, Lazy]:
    """(the declared ELBO, nats per datum; every term of it, see `_every_term`); `seen` keeps what is declared."""
    declaration = bound.declare(bound.layout.unpack(vector), fixed)
    check_names(declaration, bound.layout)
    seen.optimal, seen.at_most = bool(declaration.optimal), bool(declaration.at_most)
    seen.shapes = tuple(
        FactorShape(
            f.name,
            f.parameters,
            np.shape(f.value),
            f.distribution.event_ndim,
            f.distribution.family,
            f.distribution.scale_degree,
            getattr(f.distribution, "outside", ""),
        )
        for f in declaration.factors
    )
    elbo, densities = _per_datum(declaration)
    xp = namespace(elbo).xp
    return xp.sum(declaration.data_weights * elbo), lambda: _every_term(bound.layout, declaration, elbo, densities)


def _every_term(
    layout: Layout, declaration: Declaration, elbo: Array, densities: Mapping[str, of_one.Density]
) -> dict[str, Any]:
    """`elbo` (N,) per datum, `entropy` (N,) of q, `data_weights` (N,), `factors`: name -> `totals` and β (G, P)."""
    xp, factors = namespace(elbo).xp, OrderedDict[str, Any]()
    for factor in declaration.factors:
        terms = of_one.totals(factor, declaration, densities[factor.name])
        beta = of_one.effective_beta(factor, declaration)
        if beta is not None:
            terms["beta"] = of_one.stacked(beta, layout, factor, like=terms["log_density"])
        factors[factor.name] = terms
    return {
        "elbo": elbo,
        "entropy": declaration.entropy + xp.zeros_like(elbo),
        "data_weights": declaration.data_weights + xp.zeros_like(elbo),
        "factors": factors,
        "entropy_weight": xp.asarray(float(declaration.entropy_weight), dtype=elbo.dtype),
    }


def signed(bound: Bound, vector: Array, inputs: Mapping[str, Any]) -> tuple[Array, Lazy]:
    """Σ_n s_n w_n F_n for the signs `inputs["signs"]` (N,): what rounding bounds need of ∂F_n, see `Sketch`."""
    declaration = bound.declare(bound.layout.unpack(vector), inputs["fixed"])
    elbo, _ = _per_datum(declaration)
    xp = namespace(elbo).xp
    return xp.sum(inputs["signs"] * declaration.data_weights * elbo), dict


def held(bound: Bound, vector: Array, fixed: Arrays) -> tuple[Array, Lazy]:
    """The declared ELBO with the weights, the entropy and the points of q held while it is differentiated."""
    params = bound.layout.unpack(vector)
    declaration = bound.declare(params, fixed)
    constant, factors = namespace(declaration.weights).constant, declaration.factors
    if bound.points is not None and bound.factors is not None:  # the points are then known apart from the factors
        latents = bound.points(params, fixed).latents
        factors = bound.factors(params, fixed, {name: constant(value) for name, value in latents.items()})
    factors = tuple(
        replace(
            factor,
            value=constant(factor.value),
            weights=None if factor.weights is None else constant(factor.weights),
            known=None,
        )
        for factor in factors
    )
    entropy, weights = constant(declaration.entropy), constant(declaration.weights)
    elbo, _ = _per_datum(replace(declaration, factors=factors, entropy=entropy, weights=weights))
    return namespace(elbo).xp.sum(declaration.data_weights * elbo), dict


def magnitudes(bound: Bound, vector: Array, fixed: Arrays) -> Mapping[str, Array]:
    """`magnitude` of every factor."""
    declaration = bound.declare(bound.layout.unpack(vector), fixed)
    return OrderedDict((factor.name, of_one.magnitude(factor, declaration)) for factor in declaration.factors)


def natural(bound: Bound, vector: Array, fixed: Arrays) -> tuple[Mapping[str, Any], Lazy]:
    """(the natural parameters of every factor, in their own shapes; their `leverages`)."""
    declaration = bound.declare(bound.layout.unpack(vector), fixed)
    factors = [factor for factor in declaration.factors if not getattr(factor.distribution, "outside", "")]
    return (
        OrderedDict((factor.name, of_one.natural(factor)) for factor in factors),
        lambda: OrderedDict((factor.name, of_one.leverages(factor, declaration)) for factor in factors),
    )


def rescaled(bound: Bound, vector: Array, fixed: Arrays) -> tuple[Mapping[str, Any], Lazy]:
    """(what a rescaling of the values of a factor moves, for each that may have a fixed prior; by how much)."""
    declaration = bound.declare(bound.layout.unpack(vector), fixed)
    moved = OrderedDict(
        (factor.name, of_one.rescaling_of(factor, declaration))
        for factor in declaration.factors
        if factor.distribution.scale_degree is not None
    )
    return (
        OrderedDict((name, arrays) for name, (arrays, _) in moved.items()),
        lambda: OrderedDict((name, aims) for name, (_, aims) in moved.items()),
    )


def value(bound: Bound, vector: Array, fixed: Arrays) -> Array:
    """The ELBO under test, nats per datum."""
    if bound.elbo is not None:
        return bound.elbo(bound.layout.unpack(vector), fixed)
    declaration = bound.declare(bound.layout.unpack(vector), fixed)
    xp = namespace(declaration.entropy).xp
    elbo, _ = _per_datum(declaration)  # no other terms: not every library leaves out what nobody asks for
    return xp.sum(declaration.data_weights * elbo)


def leverages(bound: Bound, vector: Array, fixed: Arrays) -> Mapping[str, Array]:
    """`leverage` of every factor: what an error in its natural parameters does to its gap."""
    declaration = bound.declare(bound.layout.unpack(vector), fixed)
    return OrderedDict((factor.name, of_one.leverage(factor, declaration)) for factor in declaration.factors)


def held_points(bound: Bound, vector: Array, fixed: Arrays) -> Mapping[str, Any]:
    """The latents at the points of q, to be held fixed in the criterion."""
    latents = {} if bound.points is None else bound.points(bound.layout.unpack(vector), fixed).latents
    return {"latents": dict(latents)}


def natural_rows(bound: Bound, extended: Array, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
    """`(extended, {fixed, held}) -> (arrays to differentiate, values)` for the criterion.

    `extended` is the parameter vector with one more element a: the held points are multiplied by 1 + a, so that
    the last column of the Jacobian is the derivative along z -> a z.
    """
    fixed, held = inputs["fixed"], inputs["held"]
    params = bound.layout.unpack(extended[:-1])
    declaration = bound.declare(params, fixed)
    factors = declaration.factors
    if bound.factors is not None:
        names = {name for factor in factors if factor.rescaling is not None for name in factor.rescaled}
        scale = 1.0 + extended[-1]
        scaled = {name: value * scale if name in names else value for name, value in held["latents"].items()}
        factors = bound.factors(params, fixed, scaled)
    eta = OrderedDict(
        (factor.name, of_one.natural_rows(factor, of_one.weights_of(factor, declaration))) for factor in factors
    )
    priors = [f for f in factors if f.rescaling is not None and f.distribution.scale_degree is not None]
    differentiate: dict[str, Any] = {"eta": eta}
    values: dict[str, Any] = {
        "eta": eta,
        "owned": {f.name: np.array([_owns(f, name) for name in bound.layout.names]) for f in factors},
        "degree": {f.name: np.array(float(f.distribution.scale_degree or 0)) for f in priors},
    }
    if priors and bound.points is not None and not declaration.optimal:
        own = bound.points(params, fixed)
        xp = namespace(own.weights).xp
        present = [xp.ones_like(f.value[0, 0]) * (1.0 if f.where is None else f.where) for f in priors]
        names = {name for f in priors for name in f.rescaled}
        differentiate["points"] = xp.concat(
            [xp.reshape(value, (-1,)) for name, value in own.latents.items() if name in names]
        )
        differentiate["entropy"] = own.entropy
        values["points"] = differentiate["points"]
        values["entropy"] = xp.zeros_like(own.entropy) + sum(xp.sum(each) for each in present)
    return differentiate, values


def _per_datum(declaration: Declaration) -> tuple[Array, dict[str, of_one.Density]]:
    """(declared ELBO of each datum (N,), log density of each factor)."""
    elbo: Array = declaration.entropy_weight * declaration.entropy
    densities: dict[str, of_one.Density] = {}
    for factor in declaration.factors:
        densities[factor.name] = density = of_one.Density.of(factor, declaration)
        expected = of_one.averaged(factor, declaration, density.points)
        elbo = elbo + factor.weight * namespace(expected).xp.sum(expected, axis=-1)
    return elbo, densities
