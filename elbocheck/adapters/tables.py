"""Which family or density of elbocheck's own each class of the libraries is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from elbocheck import densities, families
from elbocheck.adapters.distributions import Family, Fields, Unwrapped, as_array, as_it_is, unwrapped
from elbocheck.adapters.maps import EXP, maps_of
from elbocheck.backends.namespace import Array, namespace
from elbocheck.errors import InputError


def family_of(inside: Unwrapped, site: str) -> Family:
    """The family of an unwrapped distribution; raises `InputError` naming the site and the class if there is none."""
    distribution = inside.base
    found = next((TABLE[kind.__name__] for kind in type(distribution).__mro__ if kind.__name__ in TABLE), None)
    if found is None:
        raise InputError(f"site {site!r}: {type(distribution).__name__} is no family or density that is known here")
    family = found if isinstance(found, Family) else found(distribution, site)
    if not inside.transforms:
        return family
    if family is NORMAL and maps_of(inside.transforms, site) == (EXP,):
        return LOG_NORMAL
    return replace(family, known=(), fixed={}, mapped=True, density="a mapped distribution is known by its density")


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


@dataclass(frozen=True)
class Given:
    """A density that is a number, whatever the value."""

    log_factor: Array

    def log_density(self, value: Array) -> Array:
        return self.log_factor


def _of(make: Any, fields: Callable[[Any], Fields], **more: Any) -> Family:
    """The record of an exponential family."""
    return Family(make, fields, event_ndim=make.event_ndim, **more)


def _outside(make: Any, fields: Callable[[Any], Fields], **more: Any) -> Family:
    """The record of a density."""
    return Family(make, fields, density=f"{make.family} is no exponential family", **more)


NORMAL = _of(
    families.Normal,
    lambda d: {"mean": d.loc, "variance": d.scale * d.scale},
    fixed={"variance": "NormalKnownVariance"},
)
GAMMA = _of(families.Gamma, lambda d: {"shape": d.concentration, "rate": d.rate}, fixed={"shape": "GammaKnownShape"})
BERNOULLI = _of(families.Bernoulli, lambda d: {"logits": _logits(d)})
CATEGORICAL = _of(families.Categorical, lambda d: {"logits": _class_logits(d)}, value=_one_hot)
ONE_HOT = _of(families.Categorical, lambda d: {"logits": _class_logits(d)})
GEOMETRIC = _of(families.Geometric, lambda d: {"logits": -_logits(d)})  # its logits are those of going on
TRIALS: dict[str, Any] = {"known": ("trials",), "whole": ("trials",)}
BINOMIAL = _of(families.Binomial, lambda d: {"logits": _logits(d), "trials": d.total_count}, **TRIALS)
MULTINOMIAL = _of(
    families.Multinomial, lambda d: {"logits": _class_logits(d), "trials": d.total_count}, single=("trials",), **TRIALS
)
NEGATIVE_BINOMIAL = _of(
    families.NegativeBinomial,
    lambda d: {"logits": _logits(d), "failures": d.total_count},
    known=("failures",),
    single=("failures",),
)
GAMMA_POISSON = _of(
    families.NegativeBinomial,
    lambda d: {"logits": -_log(d.rate), "failures": d.concentration},
    known=("failures",),
    single=("failures",),
)
LOG_NORMAL = _of(families.LogNormal, lambda d: {"mean": d.loc, "variance": d.scale * d.scale})


def _truncated(distribution: Any, site: str) -> Family:
    """A normal distribution that is cut on one side or on both."""
    base = distribution.base_dist
    if type(base).__name__ != "Normal":
        raise InputError(f"site {site!r}: a truncated {type(base).__name__} is no family or density that is known here")
    cuts = [one for one in ("low", "high") if hasattr(distribution, one)]

    def fields(d: Any) -> Fields:
        scale = d.base_dist.scale
        return {"mean": d.base_dist.loc, "variance": scale * scale, **{one: getattr(d, one) for one in cuts}}

    return _outside(densities.TruncatedNormal, fields)


def _nested(inside: Unwrapped, site: str) -> Family:
    """The family of what another density is made of; raises `InputError` for one whose values are changed."""
    family = family_of(inside, site)
    if family.mapped or family.whole or family.value is not as_it_is:
        raise InputError(f"site {site!r}: {type(inside.base).__name__} inside another distribution is not known here")
    return family


def _inflated(distribution: Any, site: str) -> Family:
    """Zero inflation of any counts."""
    of_counts = _nested(unwrapped(distribution.base_dist), site)
    by_logits = "gate_logits" in vars(distribution)

    def fields(d: Any) -> Fields:
        if by_logits:
            logits = d.gate_logits
        else:
            xp = namespace(d.gate).xp
            logits = xp.log(d.gate) - xp.log1p(-d.gate)
        return {"zeros": logits, **of_counts.fields(unwrapped(d.base_dist).base)}

    def make(zeros: Array, **counts: Array) -> densities.ZeroInflated:
        return densities.ZeroInflated(zeros, of_counts.make(**counts))

    return replace(_outside(densities.ZeroInflated, fields), make=make)


def _mixture(distribution: Any, site: str) -> Family:
    """Components of one family, whose state is summed."""
    inside = unwrapped(distribution.component_distribution)
    of_component = _nested(inside, site)

    def mixing(d: Any) -> Any:
        return d.mixing_distribution if hasattr(d, "mixing_distribution") else d.mixture_distribution

    def fields(d: Any) -> Fields:
        logits, components = _class_logits(mixing(d)), unwrapped(d.component_distribution)
        xp, batch = namespace(logits).xp, len(tuple(components.base.batch_shape))
        found = {"mixing": logits}
        for name, array in of_component.fields(components.base).items():
            array = as_array(array, logits)
            event = tuple(array.shape[batch:]) if array.ndim > batch else ()
            found[name] = xp.broadcast_to(array, (*components.shape, *event))
        return found

    def make(mixing: Array, **components: Array) -> densities.Mixture:
        return densities.Mixture(mixing, of_component.make(**components), inside.events)

    event_ndim = of_component.event_ndim + inside.events
    return replace(_outside(densities.Mixture, fields), make=make, event_ndim=event_ndim)


TABLE: dict[str, Family | Callable[[Any, str], Family]] = {
    "Normal": NORMAL,
    "MultivariateNormal": _of(families.MultivariateNormal, _scale_tril),
    "LowRankMultivariateNormal": _of(families.MultivariateNormal, _low_rank),
    "LogNormal": LOG_NORMAL,
    "HalfNormal": _of(families.HalfNormal, lambda d: {"variance": d.scale * d.scale}),
    "Laplace": _of(families.Laplace, lambda d: {"scale": d.scale}, value=lambda d, value: value - d.loc),
    "Gamma": GAMMA,
    "InverseGamma": _of(families.InverseGamma, lambda d: {"shape": d.concentration, "rate": d.rate}),
    "Exponential": _of(families.Exponential, lambda d: {"rate": d.rate}),
    "Beta": _of(families.Beta, lambda d: {"alpha": d.concentration1, "beta": d.concentration0}),
    "Dirichlet": _of(families.Dirichlet, lambda d: {"concentration": d.concentration}),
    "Pareto": _of(families.Pareto, lambda d: {"shape": d.alpha, "minimum": d.scale}, known=("minimum",)),
    "VonMises": _of(families.VonMises, _direction),
    "Weibull": _of(families.Weibull, lambda d: {"scale": d.scale, "shape": d.concentration}, known=("shape",)),
    "Poisson": _of(families.Poisson, lambda d: {"log_rate": _log(d.rate)}),
    **dict.fromkeys(("Bernoulli", "BernoulliLogits", "BernoulliProbs"), BERNOULLI),
    **dict.fromkeys(("Categorical", "CategoricalLogits", "CategoricalProbs"), CATEGORICAL),
    "OneHotCategorical": ONE_HOT,
    **dict.fromkeys(("Geometric", "GeometricLogits", "GeometricProbs"), GEOMETRIC),
    **dict.fromkeys(("Binomial", "BinomialLogits", "BinomialProbs"), BINOMIAL),
    **dict.fromkeys(("Multinomial", "MultinomialLogits", "MultinomialProbs"), MULTINOMIAL),
    "GammaPoisson": GAMMA_POISSON,
    **dict.fromkeys(("NegativeBinomial", "NegativeBinomialLogits", "NegativeBinomialProbs"), NEGATIVE_BINOMIAL),
    "StudentT": _outside(densities.StudentT, lambda d: {"df": d.df, "location": d.loc, "scale": d.scale}),
    "Cauchy": _outside(densities.StudentT, lambda d: {"df": 1.0 + 0.0 * d.loc, "location": d.loc, "scale": d.scale}),
    "HalfCauchy": _outside(densities.HalfCauchy, lambda d: {"scale": d.scale}),
    "Uniform": _outside(densities.Uniform, lambda d: {"low": d.low, "high": d.high}),
    "LKJCholesky": _outside(densities.LKJCholesky, lambda d: {"concentration": d.concentration}, event_ndim=2),
    "Unit": Family(
        Given,
        lambda d: {"log_factor": d.log_factor},
        value=lambda d, value: d.log_factor,
        density="a factor statement is a number, no distribution",
    ),
    **dict.fromkeys(
        ("LeftTruncatedDistribution", "RightTruncatedDistribution", "TwoSidedTruncatedDistribution"), _truncated
    ),
    **dict.fromkeys(("ZeroInflatedProbs", "ZeroInflatedLogits", "ZeroInflatedDistribution"), _inflated),
    "MixtureSameFamily": _mixture,
}
"""Class name -> family; a subclass counts as the class that it is derived from."""
KNOWN_CONSTANTS: dict[str, tuple[Callable[..., families.Distribution], tuple[str, ...]]] = {
    "NormalKnownVariance": (families.NormalKnownVariance, ("variance",)),
    "GammaKnownShape": (families.GammaKnownShape, ("shape",)),
}
