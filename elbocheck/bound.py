"""A variational bound as traceable functions, and the programs compiled from it (one of each per shape)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.errors import DeclarationError
from elbocheck.factors import Declaration, Factor
from elbocheck.parameters import Arrays, Layout
from elbocheck.posteriors import WeightedPoints
from elbocheck.trees import covers


@dataclass(frozen=True, eq=False)
class Bound:
    """Definition of an ELBO over named parameters and fixed arrays (data, weights, masks).

    `declare(params, fixed) -> Declaration`: all distributions and q at given parameters.
    `elbo(params, fixed) -> scalar`: the value under test in nats per datum; None recomputes it from the declaration.
    `points(params, fixed) -> WeightedPoints` and `factors(params, fixed, latents) -> factors`: the two halves of
    `declare`, where they are known; the criterion of a fixed prior needs them apart.
    """

    layout: Layout
    declare: Callable[[Arrays, Arrays], Declaration]
    elbo: Callable[[Arrays, Arrays], Array] | None = None
    points: Callable[[Arrays, Arrays], WeightedPoints] | None = None
    factors: Callable[[Arrays, Arrays, Arrays], tuple[Factor, ...]] | None = None

    def per_datum(self, vector: Array, fixed: Arrays) -> tuple[Array, Mapping[str, Any]]:
        """(declared ELBO of each datum (N,), every term of it)."""
        declaration = self.declare(self.layout.unpack(vector), fixed)
        elbo: Array = declaration.entropy_weight * declaration.entropy
        factors: OrderedDict[str, dict[str, Array]] = OrderedDict()
        owned: dict[str, str] = {}
        for factor in declaration.factors:
            unknown = [name for name in factor.parameters if not any(covers(name, one) for one in self.layout.names)]
            if unknown:
                raise DeclarationError(
                    f"factor {factor.name!r} names parameters {unknown}; there are {list(self.layout.names)}"
                )
            terms = factor_terms(factor, declaration)
            if factor.name in factors:
                raise DeclarationError(f"two factors are called {factor.name!r}; names must be unique")
            shared = [name for name in self.layout.names if self._owns(factor, name) and name in owned]
            if shared:
                raise DeclarationError(
                    f"factors {owned[shared[0]]!r} and {factor.name!r} both own {shared[0]!r}; different factors "
                    "must have different parameters (name it in neither: then no gap of theirs is predicted)"
                )
            owned.update({name: factor.name for name in self.layout.names if self._owns(factor, name)})
            elbo = elbo + factor.weight * namespace(elbo).xp.sum(terms["log_density"], axis=-1)
            beta = effective_beta(factor, declaration)
            if beta is not None:
                terms["beta"] = stacked(beta, self.layout, factor, like=terms["log_density"])
            factors[factor.name] = terms
        xp = namespace(elbo).xp
        return elbo, OrderedDict(
            elbo=elbo,
            entropy=declaration.entropy + xp.zeros_like(elbo),
            data_weights=declaration.data_weights + xp.zeros_like(elbo),
            factors=factors,
            entropy_weight=xp.asarray(float(declaration.entropy_weight), dtype=elbo.dtype),
        )

    @staticmethod
    def _owns(factor: Factor, name: str) -> bool:
        return any(covers(one, name) for one in factor.parameters)

    def value(self, vector: Array, fixed: Arrays) -> Array:
        """The ELBO under test, nats per datum."""
        if self.elbo is not None:
            return self.elbo(self.layout.unpack(vector), fixed)
        declaration = self.declare(self.layout.unpack(vector), fixed)
        xp = namespace(declaration.entropy).xp
        elbo: Array = declaration.entropy_weight * declaration.entropy
        for factor in declaration.factors:  # no other terms: not every library leaves out what nobody asks for
            log_density = factor.distribution.log_density(factor.value)
            expected = expectation(factor, declaration, log_density, log_density)
            elbo = elbo + factor.weight * xp.sum(expected, axis=-1)
        return xp.sum(declaration.data_weights * elbo)

    def in_chart(self, chart: Callable[[Array], Array]) -> Bound:
        """The same bound over ϑ with θ = chart(ϑ) on flat vectors; β must then be found by the criterion."""

        def moved(params: Arrays) -> dict[str, Array]:
            xp = namespace(*params.values()).xp
            return self.layout.unpack(chart(xp.concat([xp.reshape(params[name], (-1,)) for name in self.layout.names])))

        def without_beta(factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
            return tuple(replace(factor, beta=None) for factor in factors)

        def declare(params: Arrays, fixed: Arrays) -> Declaration:
            declaration = self.declare(moved(params), fixed)
            return replace(declaration, factors=without_beta(declaration.factors), beta_by_criterion=True)

        elbo, points, factors = self.elbo, self.points, self.factors
        return Bound(
            self.layout,
            declare,
            elbo=None if elbo is None else lambda params, fixed: elbo(moved(params), fixed),
            points=None if points is None else lambda params, fixed: points(moved(params), fixed),
            factors=None
            if factors is None
            else lambda params, fixed, latents: without_beta(factors(moved(params), fixed, latents)),
        )

    def leverages(self, vector: Array, fixed: Arrays) -> Mapping[str, Array]:
        """`leverage` of every factor: what an error in its natural parameters does to its gap."""
        declaration = self.declare(self.layout.unpack(vector), fixed)
        return OrderedDict((factor.name, leverage(factor, declaration)) for factor in declaration.factors)

    def held_points(self, vector: Array, fixed: Arrays) -> Mapping[str, Any]:
        """The latents at the points of q, to be held fixed in the criterion."""
        latents = {} if self.points is None else self.points(self.layout.unpack(vector), fixed).latents
        return {"latents": dict(latents)}

    def natural_rows(self, extended: Array, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
        """`(extended, {fixed, held}) -> (arrays to differentiate, values)` for the criterion.

        `extended` is the parameter vector with one more element a: the held points are multiplied by 1 + a, so that
        the last column of the Jacobian is the derivative along z -> a z.
        """
        fixed, held = inputs["fixed"], inputs["held"]
        params = self.layout.unpack(extended[:-1])
        declaration = self.declare(params, fixed)
        factors = declaration.factors
        if self.factors is not None:
            names = {name for factor in factors if factor.rescaling is not None for name in factor.rescaled}
            scale = 1.0 + extended[-1]
            scaled = {name: value * scale if name in names else value for name, value in held["latents"].items()}
            factors = self.factors(params, fixed, scaled)
        eta = OrderedDict((factor.name, natural_rows(factor, declaration.weights)) for factor in factors)
        priors = [f for f in factors if f.rescaling is not None and f.distribution.scale_degree is not None]
        differentiate: dict[str, Any] = {"eta": eta}
        values: dict[str, Any] = {
            "eta": eta,
            "owned": {f.name: np.array([self._owns(f, name) for name in self.layout.names]) for f in factors},
            "degree": {f.name: np.array(float(f.distribution.scale_degree or 0)) for f in priors},
        }
        if priors and self.points is not None and not declaration.optimal:
            own = self.points(params, fixed)
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


def leverage(factor: Factor, declaration: Declaration) -> Array:
    """By how much the gap changes with each of `natural_rows`: w_n r_nm |T(u) − ∇A(η)|, absent elements zero."""
    xp = namespace(declaration.weights, factor.value).xp
    distribution = factor.distribution
    batch = distribution.log_density(factor.value)
    weights, data = declaration.weights, declaration.data_weights
    weights = weights * xp.reshape(data, data.shape + (1,) * (weights.ndim - 1))
    weights = xp.reshape(weights, weights.shape + (1,) * (batch.ndim - weights.ndim)) + xp.zeros_like(batch)
    if factor.where is not None:
        weights = xp.where(factor.where > 0, weights, xp.zeros_like(weights))
    for axis in range(batch.ndim):  # the same natural parameters for all data, or for all points
        if batch.shape[axis] == 1 and weights.shape[axis] > 1:
            weights = xp.sum(weights, axis=axis, keepdims=True)
    rows = []
    for statistic, mean in zip(
        distribution.sufficient_statistics(factor.value), distribution.mean_statistics(), strict=True
    ):
        event = statistic.ndim - batch.ndim
        rows.append(xp.reshape(xp.reshape(weights, weights.shape + (1,) * event) * xp.abs(statistic - mean), (-1,)))
    return xp.concat(rows)


def factor_terms(factor: Factor, declaration: Declaration) -> dict[str, Array]:
    """Expectations under q of one factor, per datum and group, each (N, G) in nats.

    log_density: E_q log p; entropy: E_q H[p]; pseudo_entropy: E_q H̃; log_base_measure: E_q log h;
    expected_log_base_measure: E_q E_p log h;
    magnitude: the absolute sizes of these, element by element (the scale of rounding errors); summands: how many
    elements the sums have.
    """
    distribution = factor.distribution
    log_density = distribution.log_density(factor.value)
    if log_density.ndim < 2:
        raise DeclarationError(
            f"factor {factor.name!r}: its log density has shape {log_density.shape}; "
            "expected (data, points of q, *elements) with sizes of 1 where nothing varies"
        )
    xp = namespace(log_density).xp
    expect = partial(expectation, factor, declaration, log_density)
    entropy = distribution.entropy()
    log_base = distribution.log_base_measure(factor.value)
    expected_log_base = distribution.expected_log_base_measure()
    points = (*declaration.weights.shape, *(1,) * (log_density.ndim - declaration.weights.ndim))
    summands = np.broadcast_shapes(log_density.shape, points)
    return {
        "log_density": expect(log_density),
        "entropy": expect(entropy),
        "pseudo_entropy": expect(distribution.pseudo_entropy()),
        "log_base_measure": expect(log_base),
        "expected_log_base_measure": expect(expected_log_base),
        "magnitude": expect(distribution.log_density_scale(factor.value) + xp.abs(entropy) + xp.abs(expected_log_base)),
        "summands": xp.asarray(float(np.prod(summands)), dtype=log_density.dtype),
        "weight": xp.asarray(float(factor.weight), dtype=log_density.dtype),
    }


def expectation(factor: Factor, declaration: Declaration, log_density: Array, elements: Array) -> Array:
    """E_q of `elements`, summed over what exists: (N, G) per datum and group; `log_density` gives the full shape."""
    xp = namespace(log_density).xp
    elements = elements + xp.zeros_like(log_density)
    if factor.where is not None:
        elements = xp.where(factor.where > 0, elements, xp.zeros_like(elements))
    while elements.ndim > declaration.weights.ndim:
        elements = xp.sum(elements, axis=-1)
    weighted = declaration.weights * elements
    while weighted.ndim > 2:
        weighted = xp.sum(weighted, axis=-1)
    if factor.groups is None:
        return xp.sum(weighted, axis=-1)[:, None]
    return xp.sum(weighted[:, :, None] * factor.groups, axis=1)


def effective_beta(factor: Factor, declaration: Declaration) -> Mapping[str, Array] | None:
    """β of a factor with parameters, or the rescaling of z over its degree for a prior without any."""
    if declaration.beta_by_criterion:
        return None
    if factor.rescaling is None:
        return factor.beta
    degree = factor.distribution.scale_degree
    rescaling = {} if declaration.optimal else declaration.rescaling
    if rescaling is None or degree is None:
        return None
    blocks = {**factor.rescaling, **rescaling}
    return {name: tangent * (1.0 / degree) for name, tangent in blocks.items()}


def stacked(beta: Mapping[str, Array], layout: Layout, factor: Factor, like: Array) -> Array:
    """β of every group as rows of a (G, P) array: group g keeps only the g-th slice of each block."""
    unknown = set(beta) - set(layout.names)
    if unknown:
        raise DeclarationError(
            f"factor {factor.name!r} declares beta for {sorted(unknown)}; the parameters are {list(layout.names)}"
        )
    xp, dtype, groups = namespace(like).xp, like.dtype, like.shape[-1]
    rows = []
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        size = layout.slices[name].stop - layout.slices[name].start
        if name not in beta:
            rows.append(xp.zeros((groups, size), dtype=dtype))
            continue
        block = beta[name] * xp.ones(shape, dtype=dtype)
        if factor.groups is None:
            rows.append(xp.reshape(block, (1, size)))
        else:
            own = xp.reshape(xp.eye(groups, dtype=dtype), (groups, groups) + (1,) * (len(shape) - 1))
            rows.append(xp.reshape(own * block[None, ...], (groups, size)))
    return xp.concat(rows, axis=-1)


def natural_rows(factor: Factor, weights: Array) -> Array:
    """All natural parameters of a factor over all points and elements as one vector, absent elements zero."""
    xp = namespace(weights, factor.value).xp
    batch = factor.distribution.log_density(factor.value)
    present = xp.ones_like(batch) if factor.where is None else xp.where(factor.where > 0, 1.0, xp.zeros_like(batch))
    rows = []
    for eta, statistic in zip(
        factor.distribution.natural_parameters(), factor.distribution.sufficient_statistics(factor.value), strict=True
    ):
        event = statistic.ndim - batch.ndim
        rows.append(xp.reshape(xp.reshape(present, present.shape + (1,) * event) * eta, (-1,)))
    return xp.concat(rows)
