"""Base measures that are not constant, and data on which the plain identity misses by a large δ.

NumPy and SciPy formulas of data and parameters; they share no code with the family layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy
from scipy import special

from elbocheck.bound.problem import Problem
from elbocheck.models import (
    binomial_mixture,
    gamma_known_shape_mixture,
    multinomial_mixture,
    negative_binomial_mixture,
    normal_known_variance_mixture,
    weibull_mixture,
)
from elbocheck.models.base import Params
from elbocheck.models.sample import Sample, random_sample

Values = Callable[[np.random.Generator, int, int], np.ndarray]
HELD = {"log-normal-mixture": "means", "inverse-gaussian-mixture": "log_means"}


def narrow(values: Values) -> Callable[[Sample], Sample]:
    """Data that vary far less than the family can: values(rng, N, D).

    A log-normal log h = −log u is one of the sufficient statistics, so that δ vanishes once the means are stationary:
    they are held where they do not fit. So are those of the inverse Gaussian, whose other parameter fits anything.
    """

    def arrange(sample: Sample) -> Sample:
        x = values(np.random.default_rng(sample.seed), *sample.x.shape)
        moved = random_sample(sample.cell, x, sample.latents, sample.seed, sample.data_weights, label=sample.label)
        means = HELD.get(sample.cell.model.name)
        if means is None:
            return moved
        return replace(moved, frozen=(means,)).with_params({means: moved.params[means] + 0.5})

    return arrange


def narrow_counts(rng: np.random.Generator, data: int, observed: int) -> np.ndarray:
    """Counts c_d or c_d + 1."""
    return rng.integers(1, 20, size=observed) + (np.arange(data) % 2)[:, None]


def narrow_lengths(rng: np.random.Generator, data: int, observed: int) -> np.ndarray:
    """Positive data within ten per cent of each other."""
    return rng.uniform(2.0, 3.0, size=observed) * rng.uniform(0.95, 1.05, size=(data, observed))


def near_totals(rng: np.random.Generator, data: int, observed: int) -> np.ndarray:
    """Rows of counts with sum `multinomial_mixture.TRIALS`, all as even as they can be."""
    even = multinomial_mixture.TRIALS // observed
    rows = np.full((data, observed), float(even))
    rows[:, 0] += multinomial_mixture.TRIALS - even * observed
    return rows


@dataclass(frozen=True)
class BaseMeasure:
    """log h and E log h of one family, from textbook formulas or SciPy, where parameters are (K, D) each."""

    log_h: Callable[[np.ndarray], np.ndarray]
    """x -> log h, element by element."""

    expected: Callable[..., np.ndarray]
    """params -> E log h under each component (K, D)."""

    log_joint: Callable[..., np.ndarray]
    """(x (N, 1, D), params) -> Σ_d log p(x_nd | component k) (N, K)."""


def base_measure_mismatch(measure: BaseMeasure) -> Callable[[Sample, Problem], float]:
    """δ = Σ_n w_n Σ_c r_nc Σ_d (log h(x_nd) − E log h under component c)."""

    def predicted(sample: Sample, problem: Problem) -> float:
        params = sample.unpadded(problem.params)
        x = sample.x[:, None]
        log_joint = special.log_softmax(params["logits"]) + measure.log_joint(x, params)
        if "q_logits" in params:
            log_joint = params["q_logits"]
        r = sample.data_weights[:, None] * special.softmax(log_joint, axis=1)
        return float(np.sum(r * (measure.log_h(sample.x).sum(-1)[:, None] - measure.expected(params).sum(-1))))

    return predicted


def _scipy(frozen: Callable[[Params], object], pdf: str = "logpdf") -> Callable[..., np.ndarray]:
    """Σ_d log p(x_nd | component c) (N, K) by scipy.stats."""
    return lambda x, params: getattr(frozen(params), pdf)(x).sum(-1)


def _summed(log_h: Callable[[np.ndarray], np.ndarray], frozen: Callable[[Params], object], most: int) -> Callable:
    """E log h by direct summation over 0 … most."""
    counts = np.arange(most + 1.0)

    def expected(params: Params) -> np.ndarray:
        probabilities = frozen({name: np.asarray(value)[..., None] for name, value in params.items()}).pmf(counts)  # type: ignore[attr-defined]
        return probabilities @ log_h(counts)

    return expected


def _log_choose(total: float, x: np.ndarray) -> np.ndarray:
    return special.gammaln(total + 1) - special.gammaln(x + 1) - special.gammaln(total - x + 1)


R, N_BINOMIAL, N_MULTINOMIAL = negative_binomial_mixture.FAILURES, binomial_mixture.TRIALS, multinomial_mixture.TRIALS
A, K, V = gamma_known_shape_mixture.SHAPE, weibull_mixture.SHAPE, normal_known_variance_mixture.VARIANCE


def _poisson(params: Params) -> object:
    return scipy.stats.poisson(np.exp(params["log_rates"]))


def _binomial(params: Params) -> object:
    return scipy.stats.binom(N_BINOMIAL, special.expit(params["logits_x"]))


def _negative_binomial(params: Params) -> object:
    return scipy.stats.nbinom(R, special.expit(-params["logits_x"]))


def _log_gamma_choose(x: np.ndarray) -> np.ndarray:
    return special.gammaln(x + R) - special.gammaln(x + 1) - special.gammaln(R)


def _negative_log_factorial(x: np.ndarray) -> np.ndarray:
    return -special.gammaln(x + 1)


def _multinomial_log_joint(x: np.ndarray, params: Params) -> np.ndarray:
    return (x * special.log_softmax(params["logits_x"], axis=-1)).sum(-1)


def _multinomial_expected(params: Params) -> np.ndarray:
    counts, p = np.arange(N_MULTINOMIAL + 1.0), special.softmax(params["logits_x"], axis=-1)
    return -(scipy.stats.binom(N_MULTINOMIAL, p[..., None]).pmf(counts) @ special.gammaln(counts + 1))


def _inverse_gaussian_expected(params: Params) -> np.ndarray:
    """−3/2 E log u with E log u = log μ − e^{2λ/μ} E₁(2λ/μ); e^x E₁(x) = ∫ e^{−t}/(x + t) dt by quadrature."""
    mean, shape = np.exp(params["log_means"]), np.exp(params["log_shapes"])
    ratio = 2.0 * shape / mean

    def integral(x: float) -> float:
        return float(scipy.integrate.quad(lambda t: np.exp(-t) / (x + t), 0, 60, epsabs=0, epsrel=1e-13)[0])

    scaled = np.vectorize(integral)
    return -1.5 * (np.log(mean) - scaled(ratio))


MEASURES: dict[str, tuple[Values, BaseMeasure]] = {
    "poisson-mixture": (
        narrow_counts,
        BaseMeasure(
            _negative_log_factorial, _summed(_negative_log_factorial, _poisson, 200), _scipy(_poisson, "logpmf")
        ),
    ),
    "binomial-mixture": (
        lambda rng, data, observed: np.full((data, observed), N_BINOMIAL // 2) + 0.0,
        BaseMeasure(
            lambda x: _log_choose(N_BINOMIAL, x),
            _summed(lambda x: _log_choose(N_BINOMIAL, x), _binomial, N_BINOMIAL),
            _scipy(_binomial, "logpmf"),
        ),
    ),
    "negative-binomial-mixture": (
        narrow_counts,
        BaseMeasure(
            _log_gamma_choose,
            _summed(_log_gamma_choose, _negative_binomial, 2000),
            _scipy(_negative_binomial, "logpmf"),
        ),
    ),
    "multinomial-mixture": (
        near_totals,
        BaseMeasure(_negative_log_factorial, _multinomial_expected, _multinomial_log_joint),
    ),
    "rayleigh-mixture": (
        narrow_lengths,
        BaseMeasure(
            np.log,
            lambda p: 0.5 * (p["log_variances"] + np.log(2.0) - np.euler_gamma),
            _scipy(lambda p: scipy.stats.rayleigh(scale=np.exp(0.5 * p["log_variances"]))),
        ),
    ),
    "weibull-mixture": (
        narrow_lengths,
        BaseMeasure(
            lambda x: (K - 1) * np.log(x),
            lambda p: (K - 1) * (p["log_scales"] - np.euler_gamma / K),
            _scipy(lambda p: scipy.stats.weibull_min(K, scale=np.exp(p["log_scales"]))),
        ),
    ),
    "log-normal-mixture": (
        narrow_lengths,
        BaseMeasure(
            lambda x: -np.log(x),
            lambda p: -p["means"],
            _scipy(lambda p: scipy.stats.lognorm(np.exp(0.5 * p["log_variances"]), scale=np.exp(p["means"]))),
        ),
    ),
    "inverse-gaussian-mixture": (
        narrow_lengths,
        BaseMeasure(
            lambda x: -1.5 * np.log(x),
            _inverse_gaussian_expected,
            _scipy(
                lambda p: scipy.stats.invgauss(np.exp(p["log_means"] - p["log_shapes"]), scale=np.exp(p["log_shapes"]))
            ),
        ),
    ),
    "gamma-known-shape-mixture": (
        narrow_lengths,
        BaseMeasure(
            lambda x: (A - 1) * np.log(x),
            lambda p: (A - 1) * (special.digamma(A) - p["log_rates"]),
            _scipy(lambda p: scipy.stats.gamma(A, scale=np.exp(-p["log_rates"]))),
        ),
    ),
    "normal-known-var-mixture": (
        narrow_lengths,
        BaseMeasure(
            lambda x: -(x**2) / (2 * V),
            lambda p: -(p["means"] ** 2 + V) / (2 * V),
            _scipy(lambda p: scipy.stats.norm(p["means"], np.sqrt(V))),
        ),
    ),
}
"""Narrow data and base measure of every mixture whose base measure is not constant."""
