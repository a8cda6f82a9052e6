"""The terms of a bound, factor by factor: expectations under q, directions β, natural parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.factors import Declaration, Factor, log_density_of
from elbocheck.bound.layout import Layout
from elbocheck.errors import DeclarationError
from elbocheck.families.base import inner, parts_of


def weights_of(factor: Factor, declaration: Declaration) -> Array:
    """Weights (N or 1, M) or (N or 1, M, E) of the points that a factor is taken at."""
    return declaration.weights if factor.weights is None else factor.weights


@dataclass(frozen=True)
class Density:
    """log p of a factor at the points of q."""

    points: Array
    """Summed over the elements of the factor, like the weights of q."""

    shape: tuple[int, ...]
    """Shape before that sum."""

    @classmethod
    def of(cls, factor: Factor, declaration: Declaration) -> Density:
        log_density = log_density_of(factor)
        return cls(summed(factor, declaration, log_density), tuple(np.shape(log_density)))


def totals(factor: Factor, declaration: Declaration, density: Density) -> dict[str, Array]:
    """What `factor_terms` lists, summed over the data with their weights, each (G,) in nats.

    Nothing is broadcast that need not be: a statistic is summed in its own shape. `size`, the mean of |log p| of each
    point, |H[p]| and |E_p log h|, stands for `magnitude`, which it does not exceed.
    """
    distribution, xp = factor.distribution, namespace(density.points).xp
    expect = partial(_total, factor, declaration, density.shape)
    entropy = distribution.entropy()
    found = {"log_density": _weighted(factor, declaration, density.points), "entropy": expect(entropy)}
    found["size"] = _weighted(factor, declaration, xp.abs(density.points)) + expect(xp.abs(entropy))
    if distribution.constant_base_measure:
        nothing = xp.zeros_like(found["entropy"])
        found |= {"pseudo_entropy": found["entropy"], "log_base_measure": nothing, "expected_log_base_measure": nothing}
    else:
        expected = distribution.expected_log_base_measure()
        found["pseudo_entropy"] = expect(distribution.pseudo_entropy())
        found["log_base_measure"] = expect(distribution.log_base_measure(factor.value))
        found["expected_log_base_measure"] = expect(expected)
        found["size"] = found["size"] + expect(xp.abs(expected))
    weights = weights_of(factor, declaration)
    points = (*weights.shape, *(1,) * (len(density.shape) - weights.ndim))
    summands = float(np.prod(np.broadcast_shapes(density.shape, points)))
    found["summands"] = xp.asarray(summands, dtype=density.points.dtype)
    found["weight"] = xp.asarray(float(factor.weight), dtype=density.points.dtype)
    return found


def magnitude(factor: Factor, declaration: Declaration) -> Array:
    """Σ|terms| behind `totals`, (G,): the scale of their rounding errors."""
    density, scale = log_density_of(factor), factor.distribution.log_density_scale(factor.value)
    xp, shape = namespace(density).xp, np.shape(density)
    parts = [scale, xp.abs(factor.distribution.entropy())]
    if parts_of(factor.distribution).saturates:
        eta, statistics = (
            factor.distribution.natural_parameters(),
            factor.distribution.sufficient_statistics(factor.value),
        )
        events = (factor.distribution.event_ndim,) * len(eta)
        parts += [xp.abs(inner(eta, statistics, events)), xp.abs(factor.distribution.log_partition())]
    if not factor.distribution.constant_base_measure:
        parts.append(xp.abs(factor.distribution.expected_log_base_measure()))
    return sum(_total(factor, declaration, shape, part) for part in parts)


def _total(factor: Factor, declaration: Declaration, shape: tuple[int, ...], elements: Array) -> Array:
    """Σ_n w_n E_{q_n} of `elements`, which broadcast to `shape`: (G,)."""
    ndim = weights_of(factor, declaration).ndim
    xp = namespace(declaration.weights, elements).xp
    if factor.where is not None:
        elements = xp.where(factor.where > 0, elements, xp.zeros_like(elements))
        shape = np.broadcast_shapes(shape, np.shape(elements))
    elements = xp.reshape(elements, (1,) * (len(shape) - elements.ndim) + tuple(elements.shape))
    times = 1.0
    while elements.ndim > ndim:
        times *= shape[elements.ndim - 1] if elements.shape[-1] == 1 else 1
        elements = xp.sum(elements, axis=-1)
    return _weighted(factor, declaration, times * elements)


def _weighted(factor: Factor, declaration: Declaration, points: Array) -> Array:
    """Σ_n w_n E_{q_n} of numbers at the points of q: (G,)."""
    weights = weights_of(factor, declaration)
    xp = namespace(weights, points).xp
    data = xp.reshape(declaration.data_weights, (-1,) + (1,) * (weights.ndim - 1))
    weighted = data * weights * points
    while weighted.ndim > 2:
        weighted = xp.sum(weighted, axis=-1)
    if factor.groups is None:
        return xp.reshape(xp.sum(weighted), (1,))
    return xp.sum(weighted[:, :, None] * factor.groups, axis=(0, 1))


def natural(factor: Factor) -> tuple[Array, ...]:
    """The natural parameters of a factor, each in its own shape, up to what changes no probability."""
    eta = factor.distribution.natural_parameters()
    free = getattr(factor.distribution, "without_gauge", None)
    return tuple(eta) if free is None else tuple(free(eta))


def rescaling_of(factor: Factor, declaration: Declaration) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """(arrays, the derivative of each along a direction that multiplies the values of a factor by 1 + a in q).

    η·T of the factor grows by its degree, H[q] by the number of values, weights and log densities of other factors,
    at the points of q, not at all (THEORY section 5): then β is that direction over the degree.
    """
    distribution, xp = factor.distribution, namespace(declaration.weights, factor.value).xp
    density = log_density_of(factor)
    events = float(np.prod(np.shape(factor.value)[np.ndim(factor.value) - distribution.event_ndim :]))
    number = xp.sum(expectation(factor, declaration, density, events + xp.zeros_like(density)), axis=-1)
    linear = density + distribution.log_partition() - distribution.log_base_measure(factor.value)
    if factor.where is not None:
        density, linear = (xp.where(factor.where > 0, one, xp.zeros_like(one)) for one in (density, linear))
    others = [Density.of(one, declaration).points for one in declaration.factors if one is not factor]
    still = [weights_of(factor, declaration), *others]
    aims = [xp.zeros_like(one) for one in still]
    entropy = declaration.entropy
    growth = float(distribution.scale_degree or 0) * linear
    return (density, entropy, *still), (growth, number + xp.zeros_like(entropy), *aims)


def leverages(factor: Factor, declaration: Declaration) -> tuple[Array, ...]:
    """By how much the gap changes with each of `natural`, in its shape: Σ w_n r_nm |T(u) − ∇A(η)|."""
    distribution, weights = factor.distribution, weights_of(factor, declaration)
    xp = namespace(weights, factor.value).xp
    ndim = np.ndim(distribution.log_density(factor.value))
    weights = weights * xp.reshape(declaration.data_weights, (-1,) + (1,) * (weights.ndim - 1))
    weights = xp.reshape(weights, tuple(weights.shape) + (1,) * (ndim - weights.ndim))
    if factor.where is not None:
        weights = xp.where(factor.where > 0, weights, xp.zeros_like(weights))
    found = []
    for eta, statistic, mean in zip(
        natural(factor), distribution.sufficient_statistics(factor.value), distribution.mean_statistics(), strict=True
    ):
        own_axes = statistic.ndim - np.ndim(factor.value) + distribution.event_ndim  # log |U| of a matrix has none
        event = own_axes if distribution.event_ndim else max(statistic.ndim - ndim, 0)
        each = xp.abs(statistic - mean)
        each = xp.reshape(weights, tuple(weights.shape) + (1,) * event) * each
        own = (1,) * (each.ndim - eta.ndim) + tuple(eta.shape)
        for axis, size in enumerate(own):
            if size == 1 and each.shape[axis] > 1:
                each = xp.sum(each, axis=axis, keepdims=True)
        found.append(xp.reshape(each, tuple(eta.shape)) if tuple(each.shape) == own else each)
    return tuple(found)


def leverage(factor: Factor, declaration: Declaration) -> Array:
    """By how much the gap changes with each of `natural_rows`: w_n r_nm |T(u) − ∇A(η)|, absent elements zero."""
    xp = namespace(declaration.weights, factor.value).xp
    distribution = factor.distribution
    batch = distribution.log_density(factor.value)
    weights, data = weights_of(factor, declaration), declaration.data_weights
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
    log_density = log_density_of(factor)
    xp = namespace(log_density).xp
    expect = partial(expectation, factor, declaration, log_density)
    entropy = distribution.entropy()
    log_base = distribution.log_base_measure(factor.value)
    expected_log_base = distribution.expected_log_base_measure()
    weights = weights_of(factor, declaration)
    points = (*weights.shape, *(1,) * (log_density.ndim - weights.ndim))
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
    elements = elements + namespace(log_density).xp.zeros_like(log_density)
    return averaged(factor, declaration, summed(factor, declaration, elements))


def summed(factor: Factor, declaration: Declaration, elements: Array) -> Array:
    """`elements` of the full shape, summed over what exists at each point of q, like `weights`."""
    xp = namespace(elements).xp
    if factor.where is not None:
        elements = xp.where(factor.where > 0, elements, xp.zeros_like(elements))
    while elements.ndim > weights_of(factor, declaration).ndim:
        elements = xp.sum(elements, axis=-1)
    return elements


def averaged(factor: Factor, declaration: Declaration, points: Array) -> Array:
    """E_q of numbers at the points of q: (N, G) per datum and group."""
    xp = namespace(points).xp
    weighted = weights_of(factor, declaration) * points
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
