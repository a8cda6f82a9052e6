"""One entry for each exponential family: how its members and their values are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from elbocheck import families as ef
from elbocheck.errors import InputError
from elbocheck.families import FAMILIES, Distribution

Shape = tuple[int, ...]
LEAST = 1e-9
"""Values of densities that begin at zero are at least so large: their logarithms count."""


@dataclass(frozen=True)
class Recipe:
    """How to draw a family."""

    member: Callable[[np.random.Generator, Shape, int], Any]
    """(rng, batch, length) -> a member with parameters (*batch), vectors of `length`."""

    values: Callable[[np.random.Generator, Any, Shape], np.ndarray]
    """(rng, member, shape) -> values (*shape), for vectors (*shape, length), for matrices (*shape, length, length).

    `shape` ends with the batch.
    """


def _positive(rng: np.random.Generator, shape: Shape, centre: float = 1.0) -> np.ndarray:
    """Positive numbers about `centre`, within a factor of five of it, with three digits or so."""
    return np.asarray(centre * np.round(np.exp(0.5 * rng.normal(size=shape)), 2))


def _trials(rng: np.random.Generator) -> int:
    return int(rng.integers(1, 13))


def _cholesky(rng: np.random.Generator, batch: Shape, length: int) -> np.ndarray:
    below = 0.5 * np.tril(rng.normal(size=(*batch, length, length)), -1)
    return np.asarray(below + np.eye(length) * _positive(rng, (*batch, 1, length)))


def _gaussian(rng: np.random.Generator, member: Any, shape: Shape) -> np.ndarray:
    """m + C⁻ᵀ ε, of precision C Cᵀ."""
    noise = rng.normal(size=(*shape, member.mean.shape[-1], 1))
    return np.asarray(member.mean + np.linalg.solve(np.swapaxes(member.precision_cholesky, -1, -2), noise)[..., 0])


def _one_hot(rng: np.random.Generator, member: Any, shape: Shape) -> np.ndarray:
    limits = np.cumsum(special.softmax(member.logits, axis=-1), axis=-1)[..., :-1]
    return np.eye(member.logits.shape[-1])[np.sum(rng.random(shape)[..., None] > limits, axis=-1)]


def _simplex(rng: np.random.Generator, member: Any, shape: Shape) -> np.ndarray:
    parts = rng.gamma(member.concentration, size=(*shape, member.concentration.shape[-1])) + 1e-6
    return np.asarray(parts / parts.sum(axis=-1, keepdims=True))


def _angles(rng: np.random.Generator, member: Any, shape: Shape) -> np.ndarray:
    direction, concentration = np.arctan2(member.sine, member.cosine), np.hypot(member.sine, member.cosine)
    return np.asarray(rng.vonmises(direction, concentration, size=shape))


def _wishart(rng: np.random.Generator, batch: Shape, length: int) -> ef.Wishart:
    root = _cholesky(rng, batch, length)
    return ef.Wishart(length - 1.0 + _positive(rng, batch, 2.0), root @ np.swapaxes(root, -1, -2))


def _matrices(rng: np.random.Generator, member: Any, shape: Shape) -> np.ndarray:
    """L A (L A)ᵀ, of scale L Lᵀ and Bartlett's A: chi-squared numbers on the diagonal, normal ones below it."""
    length = member.scale.shape[-1]
    halves = 0.5 * (member.degrees[..., None] - np.arange(length))
    diagonal = np.sqrt(_at_least(2.0 * rng.gamma(halves, size=(*shape, length))))
    below = np.tril(rng.normal(size=(*shape, length, length)), -1)
    root = np.linalg.cholesky(member.scale) @ (below + np.eye(length) * diagonal[..., None, :])
    return np.asarray(root @ np.swapaxes(root, -1, -2))


def _at_least(x: Any) -> np.ndarray:
    return np.maximum(x, LEAST)


RECIPES: dict[Any, Recipe] = {
    ef.Bernoulli: Recipe(
        lambda rng, batch, _: ef.Bernoulli(rng.normal(size=batch)),
        lambda rng, m, shape: (rng.random(shape) < special.expit(m.logits)).astype(float),
    ),
    ef.Beta: Recipe(
        lambda rng, batch, _: ef.Beta(_positive(rng, batch, 2.0), _positive(rng, batch, 2.0)),
        lambda rng, m, shape: np.clip(rng.beta(m.alpha, m.beta, size=shape), 1e-6, 1.0 - 1e-6),
    ),
    ef.Binomial: Recipe(
        lambda rng, batch, _: ef.Binomial(rng.normal(size=batch), _trials(rng)),
        lambda rng, m, shape: rng.binomial(m.trials, special.expit(m.logits), size=shape).astype(float),
    ),
    ef.Categorical: Recipe(lambda rng, batch, length: ef.Categorical(rng.normal(size=(*batch, length))), _one_hot),
    ef.Dirichlet: Recipe(lambda rng, batch, length: ef.Dirichlet(_positive(rng, (*batch, length), 2.0)), _simplex),
    ef.Exponential: Recipe(
        lambda rng, batch, _: ef.Exponential(_positive(rng, batch)),
        lambda rng, m, shape: rng.exponential(1.0 / m.rate, size=shape),
    ),
    ef.Gamma: Recipe(
        lambda rng, batch, _: ef.Gamma(_positive(rng, batch, 2.0), _positive(rng, batch)),
        lambda rng, m, shape: _at_least(rng.gamma(m.shape, 1.0 / m.rate, size=shape)),
    ),
    ef.GammaKnownShape: Recipe(
        lambda rng, batch, _: ef.GammaKnownShape(_positive(rng, batch), _positive(rng, batch, 2.0)),
        lambda rng, m, shape: _at_least(rng.gamma(m.shape, 1.0 / m.rate, size=shape)),
    ),
    ef.Geometric: Recipe(
        lambda rng, batch, _: ef.Geometric(rng.normal(size=batch)),
        lambda rng, m, shape: rng.geometric(special.expit(-m.logits), size=shape) - 1.0,
    ),
    ef.HalfNormal: Recipe(
        lambda rng, batch, _: ef.HalfNormal(_positive(rng, batch)),
        lambda rng, m, shape: np.abs(rng.normal(0.0, np.sqrt(m.variance), size=shape)),
    ),
    ef.InverseGamma: Recipe(
        lambda rng, batch, _: ef.InverseGamma(_positive(rng, batch, 2.0), _positive(rng, batch)),
        lambda rng, m, shape: m.rate / _at_least(rng.gamma(m.shape, size=shape)),
    ),
    ef.InverseGaussian: Recipe(
        lambda rng, batch, _: ef.InverseGaussian(_positive(rng, batch), _positive(rng, batch)),
        lambda rng, m, shape: rng.wald(m.mean, m.shape, size=shape),
    ),
    ef.Laplace: Recipe(
        lambda rng, batch, _: ef.Laplace(_positive(rng, batch)),
        lambda rng, m, shape: rng.laplace(0.0, m.scale, size=shape),
    ),
    ef.LogNormal: Recipe(
        lambda rng, batch, _: ef.LogNormal(rng.normal(size=batch), _positive(rng, batch)),
        lambda rng, m, shape: rng.lognormal(m.mean, np.sqrt(m.variance), size=shape),
    ),
    ef.Multinomial: Recipe(
        lambda rng, batch, length: ef.Multinomial(rng.normal(size=(*batch, length)), _trials(rng)),
        lambda rng, m, shape: rng.multinomial(m.trials, special.softmax(m.logits, axis=-1), size=shape).astype(float),
    ),
    ef.MultivariateNormal: Recipe(
        lambda rng, batch, length: ef.MultivariateNormal(
            rng.normal(size=(*batch, length)), _cholesky(rng, batch, length)
        ),
        _gaussian,
    ),
    ef.NegativeBinomial: Recipe(
        lambda rng, batch, _: ef.NegativeBinomial(rng.normal(size=batch), float(rng.choice([1.0, 0.5, 2.0, 3.5]))),
        lambda rng, m, shape: rng.negative_binomial(m.failures, special.expit(-m.logits), size=shape).astype(float),
    ),
    ef.Normal: Recipe(
        lambda rng, batch, _: ef.Normal(rng.normal(size=batch), _positive(rng, batch)),
        lambda rng, m, shape: rng.normal(m.mean, np.sqrt(m.variance), size=shape),
    ),
    ef.NormalKnownVariance: Recipe(
        lambda rng, batch, _: ef.NormalKnownVariance(rng.normal(size=batch), _positive(rng, batch)),
        lambda rng, m, shape: rng.normal(m.mean, np.sqrt(m.variance), size=shape),
    ),
    ef.Pareto: Recipe(
        lambda rng, batch, _: ef.Pareto(_positive(rng, batch, 2.0), _positive(rng, batch)),
        lambda rng, m, shape: m.minimum * (1.0 + rng.pareto(m.shape, size=shape)),
    ),
    ef.Poisson: Recipe(
        lambda rng, batch, _: ef.Poisson(rng.normal(size=batch)),
        lambda rng, m, shape: rng.poisson(np.exp(m.log_rate), size=shape).astype(float),
    ),
    ef.Rayleigh: Recipe(
        lambda rng, batch, _: ef.Rayleigh(_positive(rng, batch)),
        lambda rng, m, shape: rng.rayleigh(np.sqrt(m.variance), size=shape),
    ),
    ef.VonMises: Recipe(lambda rng, batch, _: ef.VonMises(rng.normal(size=batch), rng.normal(size=batch)), _angles),
    ef.Weibull: Recipe(
        lambda rng, batch, _: ef.Weibull(_positive(rng, batch), _positive(rng, batch, 2.0)),
        lambda rng, m, shape: m.scale * rng.weibull(m.shape, size=shape),
    ),
    ef.Wishart: Recipe(_wishart, _matrices),
}
RECIPES |= {family: Recipe(*family.recipe) for family in FAMILIES if hasattr(family, "recipe")}
"""A family may bring its own, the pair of these two functions, as a class attribute `recipe`."""


def family_of(given: Any, where: str) -> type[Distribution]:
    """A family from itself or its name. Raises `InputError`, beginning with `where`, for anything else."""
    for family in FAMILIES:
        if given is family or given == family.family:
            return family
    names = ", ".join(family.family for family in FAMILIES)
    raise InputError(f"{where}: family must be one of elbocheck.families or a name of theirs ({names}); got {given!r}")


def least_length(family: type[Distribution]) -> int:
    """Fewest columns of data of a family: elements of one value, of which families of shares and counts need two."""
    return 2 if family.event_ndim == 1 and family is not ef.MultivariateNormal else 1


def is_wide(family: type[Distribution]) -> bool:
    """Whether a row of data may be any number of its values, or a value of any length."""
    return family.event_ndim < 2 and family is not ef.NormalGamma
