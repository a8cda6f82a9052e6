"""Observations of correct targets: for each family a log density written out by hand, and what declares it.

Data x are (N, D), for vector-valued families (N, D) or (N, D, C) too. Parameters of K components are (K, D) and
broadcast against data (N, 1, D). Densities are (N, K), already summed over independent columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.special
import scipy.stats

from elbocheck import families as ef
from elbocheck.families import Distribution
from elbocheck.strategies.targets.tools import Array, Tools

Values = Mapping[str, Array]
LOG_2PI = float(np.log(2.0 * np.pi))
CLASSES = 3
"""Of categorical columns."""


@dataclass(frozen=True)
class Ranges:
    """Where the values of a family may lie, and what may move them there."""

    positive: Mapping[str, float] = field(default_factory=dict)
    """Value that lives in a chart -> the power of the unit of the data that it carries."""

    stretch: Mapping[str, float] = field(default_factory=dict)
    """Value -> log10 of the most that stress multiplies it by."""

    located: tuple[str, ...] = ()
    """Values that move with an offset of the data."""

    logits: tuple[str, ...] = ()
    """Values that saturate."""

    normalised: tuple[str, ...] = ()
    """Values that may be shifted along their last axis without changing anything."""


@dataclass(frozen=True)
class Known:
    """Constants of a family that no one trains: numbers of trials, shapes, variances."""

    draw: Callable[[np.random.Generator, int], Any] = lambda rng, D: None
    """(rng, D) -> one for all columns, or one for each (D,); None if there is none."""

    units: float = 0.0
    """The power of the unit of the data that they carry."""


@dataclass(frozen=True)
class Family:
    """One family of `elbocheck.families`, written out by hand."""

    name: str
    """In choices and their labels."""

    draw: Callable[[np.random.Generator, int, int], dict[str, np.ndarray]]
    """(rng, K, D) -> the parameters' values in natural units, each (K, D), for vectors (K, ..., C)."""

    sample: Callable[[np.random.Generator, dict[str, np.ndarray], Any], np.ndarray]
    """(rng, values of each datum, known) -> x (N, ...)."""

    log_density: Callable[[Tools, Array, Values, Any], Array]
    """(tools, x (N, 1, ...), values (K, ...), known) -> (N, K, D), for vectors (N, K)."""

    declare: Callable[[Tools, Values, Any], Distribution]
    """(tools, values, known) -> what declares it."""

    ranges: Ranges = Ranges()
    """Of its values."""

    known: Known = Known()
    """Its constants."""

    scipy: Callable[[np.ndarray, Values, Any], np.ndarray] | None = None
    """(x, values, known) -> the log density by scipy.stats, shaped as `log_density` has it."""

    vector: bool = False
    """Whether one value is a vector, so that columns are not independent."""

    @property
    def scales(self) -> bool:
        """Whether data may be in any unit."""
        return bool(self.known.units or any(self.ranges.positive.values()) or self.ranges.located)


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape)


def _scale(rng: np.random.Generator, *shape: int, centre: float = 0.0, spread: float = 0.5) -> np.ndarray:
    return np.exp(centre + spread * rng.normal(size=shape))


def _log_choose(t: Tools, n: Any, x: Array) -> Array:
    """log C(n, x) of known counts."""
    x = np.asarray(x)
    return t.constant(
        scipy.special.gammaln(n + 1.0) - scipy.special.gammaln(x + 1.0) - scipy.special.gammaln(n - x + 1.0)
    )


def _log_factorial(t: Tools, x: Array) -> Array:
    return t.constant(scipy.special.gammaln(np.asarray(x) + 1.0))


def _numbers(x: Array) -> np.ndarray:
    return np.asarray(x, dtype=float)


def _bernoulli(t: Tools, x: Array, v: Values, known: Any) -> Array:
    return x * v["logits"] - t.softplus(v["logits"])


def _binomial(t: Tools, x: Array, v: Values, n: int) -> Array:
    return _log_choose(t, n, x) + x * v["logits"] - n * t.softplus(v["logits"])


def _geometric(t: Tools, x: Array, v: Values, known: Any) -> Array:
    return -x * t.softplus(-v["logits"]) - t.softplus(v["logits"])


def _negative_binomial(t: Tools, x: Array, v: Values, r: float) -> Array:
    numbers = _numbers(x)
    base = scipy.special.gammaln(numbers + r) - scipy.special.gammaln(r) - scipy.special.gammaln(numbers + 1.0)
    return t.constant(base) - x * t.softplus(-v["logits"]) - r * t.softplus(v["logits"])


def _poisson(t: Tools, x: Array, v: Values, known: Any) -> Array:
    return x * t.xp.log(v["rate"]) - v["rate"] - _log_factorial(t, x)


def _categorical(t: Tools, x: Array, v: Values, known: Any) -> Array:
    return t.xp.sum(x * t.log_softmax(v["logits"]), axis=-1)


def _multinomial(t: Tools, x: Array, v: Values, n: int) -> Array:
    base = float(scipy.special.gammaln(n + 1.0)) - np.sum(scipy.special.gammaln(_numbers(x) + 1.0), axis=-1)
    return t.constant(base) + t.xp.sum(x * t.log_softmax(v["logits"]), axis=-1)


def _beta(t: Tools, x: Array, v: Values, known: Any) -> Array:
    a, b = v["a"], v["b"]
    return (a - 1.0) * t.xp.log(x) + (b - 1.0) * t.xp.log(1.0 - x) - t.gammaln(a) - t.gammaln(b) + t.gammaln(a + b)


def _dirichlet(t: Tools, x: Array, v: Values, known: Any) -> Array:
    a, total = v["concentration"], t.xp.sum(v["concentration"], axis=-1)
    return t.xp.sum((a - 1.0) * t.xp.log(x) - t.gammaln(a), axis=-1) + t.gammaln(total)


def _exponential(t: Tools, x: Array, v: Values, known: Any) -> Array:
    return -t.xp.log(v["scale"]) - x / v["scale"]


def _gamma(t: Tools, x: Array, v: Values, known: Any) -> Array:
    a, b = v["shape"], v["rate"]
    return a * t.xp.log(b) - t.gammaln(a) + (a - 1.0) * t.xp.log(x) - b * x


def _gamma_known_shape(t: Tools, x: Array, v: Values, a: Any) -> Array:
    constant = t.constant((a - 1.0) * np.log(_numbers(x)) - scipy.special.gammaln(a))
    return t.constant(a) * t.xp.log(v["rate"]) - v["rate"] * x + constant


def _inverse_gaussian(t: Tools, x: Array, v: Values, known: Any) -> Array:
    m, s = v["mean"], v["shape"]
    return 0.5 * (t.xp.log(s) - LOG_2PI - 3.0 * t.xp.log(x)) - 0.5 * s * ((x - m) / m) ** 2 / x


def _laplace(t: Tools, x: Array, v: Values, known: Any) -> Array:
    return -t.xp.log(2.0 * v["scale"]) - t.xp.abs(x) / v["scale"]


def _gaussian(t: Tools, x: Array, mean: Array, variance: Array) -> Array:
    return -0.5 * (LOG_2PI + t.xp.log(variance) + (x - mean) ** 2 / variance)


def _log_normal(t: Tools, x: Array, v: Values, known: Any) -> Array:
    return _gaussian(t, t.xp.log(x), v["mean"], v["variance"]) - t.xp.log(x)


def _pareto(t: Tools, x: Array, v: Values, m: Any) -> Array:
    return t.xp.log(v["shape"]) + v["shape"] * t.constant(np.log(m)) - (v["shape"] + 1.0) * t.xp.log(x)


def _rayleigh(t: Tools, x: Array, v: Values, known: Any) -> Array:
    return t.xp.log(x) - t.xp.log(v["variance"]) - x * x / (2.0 * v["variance"])


def _von_mises(t: Tools, x: Array, v: Values, known: Any) -> Array:
    c, s = v["cosine"], v["sine"]
    return c * t.xp.cos(x) + s * t.xp.sin(x) - LOG_2PI - t.log_i0(t.xp.sqrt(c * c + s * s))


def _weibull(t: Tools, x: Array, v: Values, k: Any) -> Array:
    k = t.constant(k)
    log_ratio = t.xp.log(x) - t.xp.log(v["scale"])
    return t.xp.log(k) - t.xp.log(v["scale"]) + (k - 1.0) * log_ratio - t.xp.exp(k * log_ratio)


def _one_hot(rng: np.random.Generator, logits: np.ndarray) -> np.ndarray:
    p = scipy.special.softmax(logits, axis=-1)
    chosen = np.sum(rng.random(p.shape[:-1])[..., None] > np.cumsum(p, axis=-1)[..., :-1], axis=-1)
    return np.eye(p.shape[-1])[chosen]


def _counts(rng: np.random.Generator, n: int, logits: np.ndarray) -> np.ndarray:
    return rng.multinomial(n, scipy.special.softmax(logits, axis=-1)).astype(float)


def _simplex(rng: np.random.Generator, concentration: np.ndarray) -> np.ndarray:
    x = rng.standard_gamma(concentration) + 1e-3
    return x / x.sum(axis=-1, keepdims=True)


def _angles(v: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.arctan2(v["sine"], v["cosine"]), np.hypot(v["sine"], v["cosine"])


def _von_mises_samples(rng: np.random.Generator, v: dict[str, np.ndarray], known: Any) -> np.ndarray:
    return rng.vonmises(*_angles(v))


def _logits(rng: np.random.Generator, K: int, D: int) -> dict[str, np.ndarray]:
    return {"logits": _normal(rng, K, D)}


def _probability(v: Values) -> np.ndarray:
    return np.asarray(scipy.special.expit(v["logits"]))


st = scipy.stats
SCALARS = (
    Family(
        "Bernoulli", _logits, lambda rng, v, _: (rng.random(v["logits"].shape) < _probability(v)).astype(float),
        _bernoulli, lambda t, v, _: ef.Bernoulli(v["logits"]), ranges=Ranges(logits=("logits",)),
        scipy=lambda x, v, _: st.bernoulli.logpmf(x, _probability(v)),
    ),
    Family(
        "beta", lambda rng, K, D: {"a": _scale(rng, K, D, centre=0.7), "b": _scale(rng, K, D, centre=0.7)},
        lambda rng, v, _: np.clip(rng.beta(v["a"], v["b"]), 1e-3, 1.0 - 1e-3), _beta,
        lambda t, v, _: ef.Beta(v["a"], v["b"]),
        ranges=Ranges(positive={"a": 0.0, "b": 0.0}, stretch={"a": 2.0, "b": 2.0}),
        scipy=lambda x, v, _: st.beta.logpdf(x, v["a"], v["b"]),
    ),
    Family(
        "binomial", _logits, lambda rng, v, n: rng.binomial(n, _probability(v)).astype(float), _binomial,
        lambda t, v, n: ef.Binomial(v["logits"], n), ranges=Ranges(logits=("logits",)),
        known=Known(lambda rng, D: int(rng.integers(1, 13))),
        scipy=lambda x, v, n: st.binom.logpmf(x, n, _probability(v)),
    ),
    Family(
        "exponential", lambda rng, K, D: {"scale": _scale(rng, K, D)}, lambda rng, v, _: rng.exponential(v["scale"]),
        _exponential, lambda t, v, _: ef.Exponential(1.0 / v["scale"]),
        ranges=Ranges(positive={"scale": 1.0}, stretch={"scale": 5.0}),
        scipy=lambda x, v, _: st.expon.logpdf(x, scale=v["scale"]),
    ),
    Family(
        "gamma", lambda rng, K, D: {"shape": _scale(rng, K, D, centre=0.7), "rate": _scale(rng, K, D)},
        lambda rng, v, _: rng.gamma(v["shape"], 1.0 / v["rate"]) + 1e-9 / v["rate"], _gamma,
        lambda t, v, _: ef.Gamma(v["shape"], v["rate"]),
        ranges=Ranges(positive={"shape": 0.0, "rate": -1.0}, stretch={"shape": 2.0, "rate": 5.0}),
        scipy=lambda x, v, _: st.gamma.logpdf(x, v["shape"], scale=1.0 / v["rate"]),
    ),
    Family(
        "gamma, known shape", lambda rng, K, D: {"rate": _scale(rng, K, D)},
        lambda rng, v, a: rng.gamma(a, 1.0 / v["rate"]) + 1e-9 / v["rate"], _gamma_known_shape,
        lambda t, v, a: ef.GammaKnownShape(v["rate"], t.constant(a)),
        ranges=Ranges(positive={"rate": -1.0}, stretch={"rate": 5.0}),
        known=Known(lambda rng, D: _scale(rng, D, centre=0.5)),
        scipy=lambda x, v, a: st.gamma.logpdf(x, a, scale=1.0 / v["rate"]),
    ),
    Family(
        "geometric", _logits, lambda rng, v, _: rng.geometric(1.0 - _probability(v)) - 1.0, _geometric,
        lambda t, v, _: ef.Geometric(v["logits"]), ranges=Ranges(logits=("logits",)),
        scipy=lambda x, v, _: st.geom.logpmf(x + 1.0, scipy.special.expit(-v["logits"])),
    ),
    Family(
        "inverse Gaussian", lambda rng, K, D: {"mean": _scale(rng, K, D), "shape": _scale(rng, K, D)},
        lambda rng, v, _: rng.wald(v["mean"], v["shape"]), _inverse_gaussian,
        lambda t, v, _: ef.InverseGaussian(v["mean"], v["shape"]),
        ranges=Ranges(positive={"mean": 1.0, "shape": 1.0}, stretch={"mean": 3.0, "shape": 5.0}),
        scipy=lambda x, v, _: st.invgauss.logpdf(x, v["mean"] / v["shape"], scale=v["shape"]),
    ),
    Family(
        "Laplace", lambda rng, K, D: {"scale": _scale(rng, K, D)}, lambda rng, v, _: rng.laplace(0.0, v["scale"]),
        _laplace, lambda t, v, _: ef.Laplace(v["scale"]),
        ranges=Ranges(positive={"scale": 1.0}, stretch={"scale": 5.0}),
        scipy=lambda x, v, _: st.laplace.logpdf(x, 0.0, v["scale"]),
    ),
    Family(
        "log-normal", lambda rng, K, D: {"mean": _normal(rng, K, D), "variance": _scale(rng, K, D, centre=-1.0)},
        lambda rng, v, _: rng.lognormal(v["mean"], np.sqrt(v["variance"])), _log_normal,
        lambda t, v, _: ef.LogNormal(v["mean"], v["variance"]),
        ranges=Ranges(positive={"variance": 0.0}, stretch={"variance": 10.0}),
        scipy=lambda x, v, _: st.lognorm.logpdf(x, np.sqrt(v["variance"]), scale=np.exp(v["mean"])),
    ),
    Family(
        "negative binomial", _logits,
        lambda rng, v, r: rng.negative_binomial(r, scipy.special.expit(-v["logits"])).astype(float), _negative_binomial,
        lambda t, v, r: ef.NegativeBinomial(v["logits"], r), ranges=Ranges(logits=("logits",)),
        known=Known(lambda rng, D: float(rng.choice([0.5, 1.0, 2.0, 3.5]))),
        scipy=lambda x, v, r: st.nbinom.logpmf(x, r, scipy.special.expit(-v["logits"])),
    ),
    Family(
        "normal", lambda rng, K, D: {"mean": 2.0 * _normal(rng, K, D), "variance": _scale(rng, K, D)},
        lambda rng, v, _: rng.normal(v["mean"], np.sqrt(v["variance"])),
        lambda t, x, v, _: _gaussian(t, x, v["mean"], v["variance"]),
        lambda t, v, _: ef.Normal(v["mean"], v["variance"]),
        ranges=Ranges(positive={"variance": 2.0}, stretch={"variance": 10.0}, located=("mean",)),
        scipy=lambda x, v, _: st.norm.logpdf(x, v["mean"], np.sqrt(v["variance"])),
    ),
    Family(
        "normal, known variance", lambda rng, K, D: {"mean": 2.0 * _normal(rng, K, D)},
        lambda rng, v, k: rng.normal(v["mean"], np.sqrt(k)),
        lambda t, x, v, k: _gaussian(t, x, v["mean"], t.constant(k)),
        lambda t, v, k: ef.NormalKnownVariance(v["mean"], t.constant(k)), ranges=Ranges(located=("mean",)),
        known=Known(lambda rng, D: _scale(rng, D), 2.0), scipy=lambda x, v, k: st.norm.logpdf(x, v["mean"], np.sqrt(k)),
    ),
    Family(
        "Pareto", lambda rng, K, D: {"shape": _scale(rng, K, D, centre=0.5)},
        lambda rng, v, m: m * (1.0 + rng.pareto(v["shape"])), _pareto,
        lambda t, v, m: ef.Pareto(v["shape"], t.constant(m)),
        ranges=Ranges(positive={"shape": 0.0}, stretch={"shape": 4.0}), known=Known(lambda rng, D: _scale(rng, D), 1.0),
        scipy=lambda x, v, m: st.pareto.logpdf(x, v["shape"], scale=m),
    ),
    Family(
        "Poisson", lambda rng, K, D: {"rate": _scale(rng, K, D, centre=1.0, spread=1.0)},
        lambda rng, v, _: rng.poisson(v["rate"]).astype(float), _poisson,
        lambda t, v, _: ef.Poisson(t.xp.log(v["rate"])), ranges=Ranges(positive={"rate": 0.0}, stretch={"rate": 4.0}),
        scipy=lambda x, v, _: st.poisson.logpmf(x, v["rate"]),
    ),
    Family(
        "Rayleigh", lambda rng, K, D: {"variance": _scale(rng, K, D)},
        lambda rng, v, _: rng.rayleigh(np.sqrt(v["variance"])), _rayleigh, lambda t, v, _: ef.Rayleigh(v["variance"]),
        ranges=Ranges(positive={"variance": 2.0}, stretch={"variance": 10.0}),
        scipy=lambda x, v, _: st.rayleigh.logpdf(x, scale=np.sqrt(v["variance"])),
    ),
    Family(
        "von Mises", lambda rng, K, D: {"cosine": 2.0 * _normal(rng, K, D), "sine": 2.0 * _normal(rng, K, D)},
        _von_mises_samples, _von_mises, lambda t, v, _: ef.VonMises(v["cosine"], v["sine"]),
        scipy=lambda x, v, _: st.vonmises.logpdf(x - _angles(v)[0], _angles(v)[1]),
    ),
    Family(
        "Weibull", lambda rng, K, D: {"scale": _scale(rng, K, D)},
        lambda rng, v, k: v["scale"] * rng.weibull(k + 0.0 * v["scale"]), _weibull,
        lambda t, v, k: ef.Weibull(v["scale"], t.constant(k)),
        ranges=Ranges(positive={"scale": 1.0}, stretch={"scale": 3.0}),
        known=Known(lambda rng, D: _scale(rng, D, centre=0.4, spread=0.3)),
        scipy=lambda x, v, k: st.weibull_min.logpdf(x, k, scale=v["scale"]),
    ),
)  # fmt: skip


def _rowwise(logpdf: Callable[..., Any], x: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """scipy.stats' functions of one vector: (N, 1, C) against (K, C) gives (N, K)."""
    return np.array([[float(logpdf(row[0], one)) for one in parameters] for row in x])


VECTORS = (
    Family(
        "categorical", lambda rng, K, D: {"logits": rng.normal(size=(K, D, CLASSES))},
        lambda rng, v, _: _one_hot(rng, v["logits"]), _categorical, lambda t, v, _: ef.Categorical(v["logits"]),
        ranges=Ranges(logits=("logits",), normalised=("logits",)),
        scipy=lambda x, v, _: np.sum(
            scipy.special.xlogy(x, scipy.special.softmax(v["logits"], axis=-1)), axis=-1
        ),
    ),
    Family(
        "Dirichlet", lambda rng, K, D: {"concentration": _scale(rng, K, D + 1, centre=0.5)},
        lambda rng, v, _: _simplex(rng, v["concentration"]), _dirichlet,
        lambda t, v, _: ef.Dirichlet(v["concentration"]),
        ranges=Ranges(positive={"concentration": 0.0}, stretch={"concentration": 2.0}), vector=True,
        scipy=lambda x, v, _: _rowwise(st.dirichlet.logpdf, x, v["concentration"]),
    ),
    Family(
        "multinomial", lambda rng, K, D: {"logits": _normal(rng, K, D + 1)},
        lambda rng, v, n: _counts(rng, n, v["logits"]), _multinomial, lambda t, v, n: ef.Multinomial(v["logits"], n),
        ranges=Ranges(logits=("logits",), normalised=("logits",)), known=Known(lambda rng, D: int(rng.integers(1, 9))),
        vector=True,
        scipy=lambda x, v, n: _rowwise(
            lambda row, p: st.multinomial.logpmf(row, n, p), x, scipy.special.softmax(v["logits"], axis=-1)
        ),
    ),
)  # fmt: skip

FAMILIES: dict[str, Family] = {one.name: one for one in (*SCALARS, *VECTORS)}
MULTIVARIATE = "multivariate normal"
"""Has charts of its own, see `components`."""
NAMES = (*FAMILIES, MULTIVARIATE)
