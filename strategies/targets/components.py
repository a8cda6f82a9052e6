"""Observations of several components: their parameters in charts, densities by hand, and their declaration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats

from elbocheck.families import Distribution, MultivariateNormal
from elbocheck.strategies.targets.choice import SATURATED, Choice, saturated, stretched
from elbocheck.strategies.targets.families import FAMILIES, LOG_2PI, MULTIVARIATE, Family
from elbocheck.strategies.targets.tools import Array, Chart, Params, Rows, Tools

SLOW_MEANS = {"geometric": 15.0, "negative binomial": 15.0}
"""Families whose means grow as exp(logits)."""


@dataclass(frozen=True)
class Components:
    """K components, and data that were drawn from them."""

    params: dict[str, np.ndarray]
    """Blocks, in the charts that are trained."""

    x: Array
    """Data as declared (N, 1, ...)."""

    log_density: Callable[[Params, Rows], Array]
    """(params, rows) -> (n, K), by hand."""

    values: Callable[[Params], dict[str, Array]]
    """params -> the family's parameters, each (K, ...)."""

    distribution: Callable[[dict[str, Array]], Distribution]
    """What declares these values."""


def components(t: Tools, choice: Choice, rng: np.random.Generator, labels: np.ndarray) -> Components:
    """Components of the chosen family, with data (N, D) drawn from those that `labels` (N,) name."""
    if choice.family == MULTIVARIATE:
        return _multivariate(t, choice, rng, labels)
    family = FAMILIES[choice.family]
    _, dims, count = choice.sizes
    known = family.known.draw(rng, dims)
    natural = family.draw(rng, count, dims)
    x = family.sample(rng, {name: value[labels] for name, value in natural.items()}, known)
    unit, offset = (choice.data.unit, choice.data.offset) if family.scales else (1.0, 0.0)
    if not family.ranges.located:
        offset = 0.0
    x = (x + offset) * unit
    known = known if known is None or not family.known.units else known * unit**family.known.units
    for name in family.ranges.located:
        natural[name] = (natural[name] + offset) * unit
    powers = family.ranges.positive
    natural = {name: value * unit ** powers.get(name, 0.0) for name, value in natural.items()}
    natural = _stressed(choice, family, rng, natural)
    charts = {name: Chart(choice.style.chart).fitting(t, natural[name]) for name in powers}
    params = {f"x.{name}": charts[name].inverse(value) if name in charts else value for name, value in natural.items()}

    def values(p: Params) -> dict[str, Array]:
        found = {name: charts[name].value(t, p[f"x.{name}"]) if name in charts else p[f"x.{name}"] for name in natural}
        return {
            name: t.log_softmax(value) if choice.style.normalise and name in family.ranges.normalised else value
            for name, value in found.items()
        }

    data = t.constant(x)
    columns = not family.vector

    def log_density(p: Params, rows: Rows) -> Array:
        chosen = data[t.rows(rows)][:, None]
        if choice.style.scipy and family.scipy is not None:
            each: Array = family.scipy(chosen, values(p), known)
        else:
            each = family.log_density(t, chosen, values(p), known)
        return t.xp.sum(each, axis=-1) if columns else each

    return Components(params, data[:, None], log_density, values, lambda v: family.declare(t, v, known))


def _stressed(choice: Choice, family: Family, rng: np.random.Generator, natural: dict[str, Any]) -> dict[str, Any]:
    if choice.stress == "scales":
        reach = family.ranges.stretch
        return {name: stretched(rng, value, reach[name]) if name in reach else value for name, value in natural.items()}
    if choice.stress == "logits":
        most = SLOW_MEANS.get(family.name, SATURATED)
        return {
            name: saturated(rng, value, most) if name in family.ranges.logits else value
            for name, value in natural.items()
        }
    if choice.stress == "equal":
        return {name: value[:1] * (1.0 + 1e-9 * rng.normal(size=value.shape)) for name, value in natural.items()}
    return natural


def _multivariate(t: Tools, choice: Choice, rng: np.random.Generator, labels: np.ndarray) -> Components:
    """Multivariate normals; covariance L Lᵀ or precision L Lᵀ with L in a chart, or the covariance matrix itself."""
    _, dims, count = choice.sizes
    unit, form = choice.data.unit, choice.style.covariance
    lower = 0.4 * np.tril(rng.normal(size=(count, dims, dims)), -1)
    diagonal = np.exp(0.3 * rng.normal(size=(count, dims)))
    factor = lower + diagonal[..., None] * np.eye(dims)
    mean = 2.0 * rng.normal(size=(count, dims))
    root = np.swapaxes(np.linalg.inv(factor), -1, -2) if form == "precision" else factor
    x = mean[labels] + np.einsum("nij,nj->ni", root[labels], rng.normal(size=(len(labels), dims)))
    x, mean = (x + choice.data.offset) * unit, (mean + choice.data.offset) * unit
    factor = factor * (1.0 / unit if form == "precision" else unit)
    if choice.stress == "scales":
        factor = factor * stretched(rng, np.ones((count, 1, 1)), 5.0)
    if choice.stress == "equal":
        mean = mean[:1] * (1.0 + 1e-9 * rng.normal(size=mean.shape))
        factor = np.repeat(factor[:1], count, axis=0)
    below = np.tril_indices(dims, -1)
    places = np.zeros((len(below[0]), dims, dims))
    places[np.arange(len(below[0])), below[0], below[1]] = 1.0
    diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
    chart = Chart(choice.style.chart).fitting(t, diagonal)
    params = {"x.mean": mean}
    if form == "matrix":
        params["x.covariance"] = factor @ np.swapaxes(factor, -1, -2)
    else:
        params["x.diagonal"] = chart.inverse(diagonal)
        if dims > 1:
            params["x.lower"] = factor[:, below[0], below[1]]
    basis, eye, data = t.constant(places), t.constant(np.eye(dims)), t.constant(x)
    xp = t.xp

    def values(p: Params) -> dict[str, Array]:
        if form == "matrix":
            return {"mean": p["x.mean"], "covariance": 0.5 * (p["x.covariance"] + _transposed(xp, p["x.covariance"]))}
        diagonal = chart.value(t, p["x.diagonal"])
        found = diagonal[..., None] * eye
        if dims > 1:
            found = found + xp.einsum("kp,pij->kij", p["x.lower"], basis)
        return {"mean": p["x.mean"], "factor": found, "diagonal": diagonal}

    def log_density(p: Params, rows: Rows) -> Array:
        v = values(p)
        deviation = data[t.rows(rows)][:, None] - v["mean"]
        if choice.style.scipy:
            covariance = v["covariance"] if form == "matrix" else _covariance(xp, v["factor"], form)
            logpdf = scipy.stats.multivariate_normal.logpdf
            zero = np.zeros(dims)
            return np.stack([np.reshape(logpdf(deviation[:, k], zero, covariance[k]), -1) for k in range(count)], -1)
        if form == "matrix":
            inverse = xp.linalg.inv(v["covariance"])
            squares = xp.einsum("nki,kij,nkj->nk", deviation, inverse, deviation)
            return -0.5 * (squares + t.log_det(v["covariance"]) + dims * LOG_2PI)
        log_diagonal = xp.sum(xp.log(v["diagonal"]), axis=-1)
        if form == "precision":
            white = xp.einsum("nki,kij->nkj", deviation, v["factor"])
            return -0.5 * xp.sum(white * white, axis=-1) + log_diagonal - 0.5 * dims * LOG_2PI
        white = xp.einsum("kij,nkj->nki", xp.linalg.inv(v["factor"]), deviation)
        return -0.5 * xp.sum(white * white, axis=-1) - log_diagonal - 0.5 * dims * LOG_2PI

    def distribution(v: dict[str, Array]) -> Distribution:
        if form == "precision":
            return MultivariateNormal(v["mean"], v["factor"])
        covariance = v["covariance"] if form == "matrix" else _covariance(xp, v["factor"], form)
        return MultivariateNormal.from_covariance(v["mean"], covariance)

    return Components(params, data[:, None], log_density, values, distribution)


def _transposed(xp: Any, matrix: Array) -> Array:
    return xp.swapaxes(matrix, -1, -2) if hasattr(xp, "swapaxes") else xp.matrix_transpose(matrix)


def _covariance(xp: Any, factor: Array, form: str) -> Array:
    product = xp.matmul(factor, _transposed(xp, factor))
    return xp.linalg.inv(product) if form == "precision" else product
