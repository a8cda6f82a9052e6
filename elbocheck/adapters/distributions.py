"""Distributions of NumPyro and of Pyro (the names and attributes agree) as members of elbocheck's own families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from array_api_compat import is_torch_array

from elbocheck import families
from elbocheck.backends.namespace import Array, namespace
from elbocheck.errors import InputError

Fields = dict[str, Array]


@dataclass(frozen=True)
class Unwrapped:
    """A library's distribution without what only shapes it.

    `base`: the distribution inside Independent, ExpandedDistribution and MaskedDistribution; `shape`: all axes along
    which independent values of it lie, plates and `to_event` alike; `mask`: which of them count, or None.
    """

    base: Any
    shape: tuple[int, ...]
    mask: Any = None


@dataclass(frozen=True)
class Family:
    """How one class of distributions becomes a member of a family of elbocheck.

    `fields(distribution) -> constructor arguments` of `make`; `known`: those that are constants of the family and must
    not be learned (`whole`: integers, `single`: one number for all elements); `fixed`: argument -> name of another
    family, which it is (for its base measure is another one) where this argument is fixed and others are not. `value`:
    the value as the family wants it.
    """

    make: Callable[..., families.Distribution]
    fields: Callable[[Any], Fields]
    known: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    single: tuple[str, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    value: Callable[[Any, Array], Array] = lambda distribution, value: value

    @property
    def event_ndim(self) -> int:
        """Trailing axes of one value."""
        return int(self.make.event_ndim)  # type: ignore[attr-defined]


def as_array(value: Any, like: Array) -> Array:
    """`value`, a number or an array of any library, as an array of the library that `like` is of."""
    if is_torch_array(value):  # already one, and asarray would think about its gradient
        return value
    return namespace(like).xp.asarray(value)


def unwrapped(distribution: Any) -> Unwrapped:
    """The base distribution, the shape of all its independent values, and the mask."""
    shape, masks = tuple(distribution.batch_shape) + tuple(distribution.event_shape), []
    while True:
        kind = type(distribution).__name__
        if kind == "MaskedDistribution":
            masks.append((distribution._mask, len(tuple(distribution.event_shape))))
        elif kind not in ("Independent", "ExpandedDistribution"):
            break
        distribution = distribution.base_dist
    own, mask = len(tuple(distribution.event_shape)), None
    for one, event in masks:  # a mask has the axes of its batch; those of `to_event` follow them
        shaped = one.reshape((*one.shape, *(1,) * (event - own))) if getattr(one, "ndim", 0) else one
        mask = shaped if mask is None else mask & shaped
    shape = shape[: len(shape) - own]
    return Unwrapped(distribution, shape, mask)


def family_of(distribution: Any, site: str) -> Family:
    """The family of an unwrapped distribution; raises `InputError` naming the site and the class if there is none."""
    for kind in type(distribution).__mro__:
        if kind.__name__ in TABLE:
            return TABLE[kind.__name__]
    supported = ", ".join(sorted({name.removesuffix("Probs").removesuffix("Logits") for name in TABLE}))
    raise InputError(
        f"site {site!r}: {type(distribution).__name__} belongs to no exponential family known here; "
        f"supported are {supported}"
    )


def _logits(distribution: Any) -> Array:
    """log π/(1 − π), from logits where those are the parameter."""
    if type(distribution).__name__.endswith("Probs"):
        xp = namespace(distribution.probs).xp
        return xp.log(distribution.probs) - xp.log1p(-distribution.probs)
    return distribution.logits


def _class_logits(distribution: Any) -> Array:
    """Logits of a categorical distribution with mean zero: uniform ones have natural parameters 0 then."""
    if type(distribution).__name__.endswith("Probs"):
        logits = namespace(distribution.probs).xp.log(distribution.probs)
    else:
        logits = distribution.logits
    return logits - namespace(logits).xp.mean(logits, axis=-1, keepdims=True)


def _one_hot(distribution: Any, value: Array) -> Array:
    logits = _class_logits(distribution)
    xp = namespace(logits).xp
    return xp.astype(as_array(value, logits)[..., None] == xp.arange(logits.shape[-1]), logits.dtype)


def _scale_tril(distribution: Any) -> Fields:
    """Λ = C Cᵀ with C = L⁻ᵀ: nothing in the family needs C to be a lower triangle, only a triangle."""
    xp = namespace(distribution.scale_tril).xp
    return {
        "mean": distribution.loc,
        "precision_cholesky": xp.matrix_transpose(xp.linalg.inv(distribution.scale_tril)),
    }


def _low_rank(distribution: Any) -> Fields:
    normal = families.MultivariateNormal.from_covariance(distribution.loc, distribution.covariance_matrix)
    return {"mean": normal.mean, "precision_cholesky": normal.precision_cholesky}


def _direction(distribution: Any) -> Fields:
    xp = namespace(distribution.loc, distribution.concentration).xp
    return {
        "cosine": distribution.concentration * xp.cos(distribution.loc),
        "sine": distribution.concentration * xp.sin(distribution.loc),
    }


def _log(array: Array) -> Array:
    return namespace(array).xp.log(array)


NORMAL = Family(
    families.Normal,
    lambda d: {"mean": d.loc, "variance": d.scale * d.scale},
    fixed={"variance": "NormalKnownVariance"},
)
GAMMA = Family(families.Gamma, lambda d: {"shape": d.concentration, "rate": d.rate}, fixed={"shape": "GammaKnownShape"})
BERNOULLI = Family(families.Bernoulli, lambda d: {"logits": _logits(d)})
CATEGORICAL = Family(families.Categorical, lambda d: {"logits": _class_logits(d)}, value=_one_hot)
ONE_HOT = Family(families.Categorical, lambda d: {"logits": _class_logits(d)})
GEOMETRIC = Family(families.Geometric, lambda d: {"logits": -_logits(d)})  # its logits are those of going on
TRIALS: dict[str, Any] = {"known": ("trials",), "whole": ("trials",)}
BINOMIAL = Family(families.Binomial, lambda d: {"logits": _logits(d), "trials": d.total_count}, **TRIALS)
MULTINOMIAL = Family(
    families.Multinomial, lambda d: {"logits": _class_logits(d), "trials": d.total_count}, single=("trials",), **TRIALS
)
NEGATIVE_BINOMIAL = Family(
    families.NegativeBinomial,
    lambda d: {"logits": _logits(d), "failures": d.total_count},
    known=("failures",),
    single=("failures",),
)
TABLE: dict[str, Family] = {
    "Normal": NORMAL,
    "MultivariateNormal": Family(families.MultivariateNormal, _scale_tril),
    "LowRankMultivariateNormal": Family(families.MultivariateNormal, _low_rank),
    "LogNormal": Family(families.LogNormal, lambda d: {"mean": d.loc, "variance": d.scale * d.scale}),
    "Laplace": Family(families.Laplace, lambda d: {"scale": d.scale}, value=lambda d, value: value - d.loc),
    "Gamma": GAMMA,
    "Exponential": Family(families.Exponential, lambda d: {"rate": d.rate}),
    "Beta": Family(families.Beta, lambda d: {"alpha": d.concentration1, "beta": d.concentration0}),
    "Dirichlet": Family(families.Dirichlet, lambda d: {"concentration": d.concentration}),
    "Pareto": Family(families.Pareto, lambda d: {"shape": d.alpha, "minimum": d.scale}, known=("minimum",)),
    "VonMises": Family(families.VonMises, _direction),
    "Weibull": Family(families.Weibull, lambda d: {"scale": d.scale, "shape": d.concentration}, known=("shape",)),
    "Poisson": Family(families.Poisson, lambda d: {"log_rate": _log(d.rate)}),
    **dict.fromkeys(("Bernoulli", "BernoulliLogits", "BernoulliProbs"), BERNOULLI),
    **dict.fromkeys(("Categorical", "CategoricalLogits", "CategoricalProbs"), CATEGORICAL),
    "OneHotCategorical": ONE_HOT,
    **dict.fromkeys(("Geometric", "GeometricLogits", "GeometricProbs"), GEOMETRIC),
    **dict.fromkeys(("Binomial", "BinomialLogits", "BinomialProbs"), BINOMIAL),
    **dict.fromkeys(("Multinomial", "MultinomialLogits", "MultinomialProbs"), MULTINOMIAL),
    **dict.fromkeys(("NegativeBinomial", "NegativeBinomialLogits", "NegativeBinomialProbs"), NEGATIVE_BINOMIAL),
}
"""Class name -> family; a subclass counts as the class that it is derived from."""
KNOWN_CONSTANTS: dict[str, tuple[Callable[..., families.Distribution], tuple[str, ...]]] = {
    "NormalKnownVariance": (families.NormalKnownVariance, ("variance",)),
    "GammaKnownShape": (families.GammaKnownShape, ("shape",)),
}
