"""Mixtures of every family against scipy.stats: log likelihood, entropy sum and δ."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

from elbocheck import decompose
from elbocheck.models.sample import Cell, Sample
from elbocheck.models.variational.truncated import STATES
from elbocheck.strategies import draw_many, samples
from support.oracle_tools import NATS_2PIE, assert_delta, assert_elbo, assert_entropy_sum, by_cell, models, moderate

Params = Mapping[str, np.ndarray]
TRIALS, FAILURES, GAMMA_SHAPE, WEIBULL_SHAPE, VARIANCE = 6, 2.5, 2.5, 1.5, 0.8  # the catalogue's known constants
exp, expit, log_expit, stats = np.exp, scipy.special.expit, scipy.special.log_expit, scipy.stats


def precision_root(params: Params) -> np.ndarray:
    """Triangular C with precision C Cᵀ, (K or 1, D, D)."""
    log_diagonal = params["precision_log_diagonal"]
    root = exp(log_diagonal)[..., None] * np.eye(log_diagonal.shape[-1]) + np.tril(params["precision_lower"], -1)
    return root.reshape(-1, *root.shape[-2:])


ELEMENTWISE: dict[str, Callable[[Params], Any]] = {
    "bernoulli-mixture": lambda p: stats.bernoulli(expit(p["logits_x"])),
    "beta-mixture": lambda p: stats.beta(exp(p["log_alphas"]), exp(p["log_betas"])),
    "binomial-mixture": lambda p: stats.binom(TRIALS, expit(p["logits_x"])),
    "exponential-mixture": lambda p: stats.expon(scale=exp(-p["log_rates"])),
    "gamma-known-shape-mixture": lambda p: stats.gamma(GAMMA_SHAPE, scale=exp(-p["log_rates"])),
    "gamma-mixture": lambda p: stats.gamma(exp(p["log_shapes"]), scale=exp(-p["log_rates"])),
    "normal-known-var-mixture": lambda p: stats.norm(p["means"], np.sqrt(VARIANCE)),
    "geometric-mixture": lambda p: stats.geom(expit(-p["logits_x"]), loc=-1),
    "gmm-diagonal": lambda p: stats.norm(p["means"], exp(0.5 * p["log_variances"])),
    "gmm-spherical": lambda p: stats.norm(p["means"], exp(0.5 * p["log_variances"])[:, None]),
    "inverse-gaussian-mixture": lambda p: stats.invgauss(
        exp(p["log_means"] - p["log_shapes"]), scale=exp(p["log_shapes"])
    ),
    "laplace-mixture": lambda p: stats.laplace(scale=exp(p["log_scales"])),
    "log-normal-mixture": lambda p: stats.lognorm(exp(0.5 * p["log_variances"]), scale=exp(p["means"])),
    "negative-binomial-mixture": lambda p: stats.nbinom(FAILURES, expit(-p["logits_x"])),
    "pareto-mixture": lambda p: stats.pareto(exp(p["log_shapes"])),
    "poisson-mixture": lambda p: stats.poisson(exp(p["log_rates"])),
    "rayleigh-mixture": lambda p: stats.rayleigh(scale=exp(0.5 * p["log_variances"])),
    "von-mises-mixture": lambda p: stats.vonmises(
        np.hypot(p["cosines"], p["sines"]), loc=np.arctan2(p["sines"], p["cosines"])
    ),
    "weibull-mixture": lambda p: stats.weibull_min(WEIBULL_SHAPE, scale=exp(p["log_scales"])),
}
VECTORS: dict[str, Callable[[Params], list[Any]]] = {
    "categorical-mixture": lambda p: [stats.multinomial(1, scipy.special.softmax(a, -1)) for a in p["logits_x"]],
    "dirichlet-mixture": lambda p: [stats.dirichlet(exp(a)) for a in p["log_concentrations"]],
    "multinomial-mixture": lambda p: [stats.multinomial(TRIALS, scipy.special.softmax(a)) for a in p["logits_x"]],
}
FAILURE_COUNTS: dict[str, Callable[[np.ndarray], Any]] = {
    "bernoulli-mixture": lambda x: 1 - x, "binomial-mixture": lambda x: TRIALS - x,
    "geometric-mixture": np.ones_like, "negative-binomial-mixture": lambda x: np.full_like(x, FAILURES),
}  # fmt: skip
COUNTS = ("binomial-mixture", "geometric-mixture", "negative-binomial-mixture", "poisson-mixture")


def log_likelihood(sample: Sample, params: Params) -> np.ndarray:
    """log p(x_n | c), (N, K)."""
    name, x = sample.cell.model.name, sample.x
    if name in ("gmm-full", "gmm-tied"):
        root = precision_root(params)  # scipy.stats wants a covariance, which is worse conditioned
        white = np.einsum("...i,...ij->...j", x[:, None] - params["means"], root)
        return stats.norm.logpdf(white).sum(-1) + np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(-1)
    if name == "categorical-mixture":  # scipy.stats wants probabilities, which lose digits at saturated logits
        log_p = scipy.special.log_softmax(params["logits_x"], axis=-1)
        return np.stack([log_p[:, np.arange(row.size), row.astype(int)].sum(-1) for row in x])
    if name == "multinomial-mixture":  # the same, by tilting the distribution with equal odds
        log_p = scipy.special.log_softmax(params["logits_x"], axis=-1)
        equal = stats.multinomial(TRIALS, np.full(x.shape[1], 1 / x.shape[1])).logpmf(x) + TRIALS * np.log(x.shape[1])
        return (x[:, None] * log_p).sum(-1) + np.reshape(equal, (-1, 1))
    if name in VECTORS:
        columns = VECTORS[name](params)
        found = [d.logpdf(x.T) if name == "dirichlet-mixture" else d.logpmf(x) for d in columns]
        return np.stack([np.reshape(column, -1) for column in found], axis=1)
    value = x[:, None]
    if name in FAILURE_COUNTS:  # the same, by tilting the distribution with equal odds
        logits, equal, failures = params["logits_x"], ELEMENTWISE[name]({"logits_x": 0.0}), FAILURE_COUNTS[name](value)
        base = equal.logpmf(value) + (value + failures) * np.log(2)  # first: a sure outcome is less than its rounding
        return (base + value * log_expit(logits) + failures * log_expit(-logits)).sum(-1)
    if name == "pareto-mixture":  # log x is exponential; scipy.stats takes the logarithm of a density that underflows
        return (stats.expon(scale=exp(-params["log_shapes"])).logpdf(np.log(value)) - np.log(value)).sum(-1)
    family = ELEMENTWISE[name](params)
    return (family.logpmf(value) if name in COUNTS else family.logpdf(value)).sum(-1)


def counts(family: Any) -> tuple[np.ndarray, np.ndarray]:
    """(all counts that matter, their probabilities), along a new first axis."""
    most = int(np.max(family.mean() + 60 * (family.mean() + family.std()))) + 60
    values = np.arange(most + 1.0).reshape(-1, 1, 1)
    return values, family.pmf(values)


def component_entropy(name: str, params: Params, observed: int) -> np.ndarray:
    """H[p(x | c)], (K,)."""
    if name in ("gmm-full", "gmm-tied"):
        tied_or_not = 0.5 * observed * NATS_2PIE - np.linalg.slogdet(precision_root(params))[1]
        return tied_or_not + 0.0 * params["logits"]
    if name == "categorical-mixture":
        return scipy.special.entr(scipy.special.softmax(params["logits_x"], axis=-1)).sum((-1, -2))
    if name in VECTORS:
        return np.array([float(each.entropy()) for each in VECTORS[name](params)])
    family = ELEMENTWISE[name](params)
    if name in COUNTS:
        return scipy.special.entr(counts(family)[1]).sum((0, -1))
    return np.broadcast_to(family.entropy(), (len(params["logits"]), observed)).sum(-1)


def log_choose(total: Any, count: Any) -> Any:
    """log of total! / count! (total − count)!, for totals that are not integers too."""
    return -np.log(total + 1) - scipy.special.betaln(count + 1, total - count + 1)


LOG_H: dict[str, Callable[[Any], Any]] = {
    "binomial-mixture": functools.partial(log_choose, TRIALS),
    "negative-binomial-mixture": lambda u: log_choose(u + FAILURES - 1, u),
    "poisson-mixture": lambda u: -scipy.special.gammaln(u + 1),
    "gamma-known-shape-mixture": lambda u: (GAMMA_SHAPE - 1) * np.log(u),
    "normal-known-var-mixture": lambda u: -(u**2) / (2 * VARIANCE),
    "inverse-gaussian-mixture": lambda u: -1.5 * np.log(u),
    "log-normal-mixture": lambda u: -np.log(u),
    "rayleigh-mixture": np.log,
    "weibull-mixture": lambda u: (WEIBULL_SHAPE - 1) * np.log(u),
}
"""log of the base measure, up to a constant."""


def base_measure(sample: Sample, params: Params) -> np.ndarray:
    """log h(x_n) − E log h under p(x | c), (N, K), E by summation or quadrature over log x."""
    name, x = sample.cell.model.name, sample.x[:, None]
    if name == "multinomial-mixture":  # log h = −Σ log x_d!, each x_d binomial
        families = stats.binom(TRIALS, scipy.special.softmax(params["logits_x"], axis=-1))
        values, p = counts(families)
        factorials = scipy.special.gammaln(values + 1)
        return ((p * factorials).sum(0) - scipy.special.gammaln(x + 1)).sum(-1)
    if name not in LOG_H:
        return np.zeros((1, 1))
    log_h, family = LOG_H[name], ELEMENTWISE[name](params)
    if name in COUNTS:
        values, p = counts(family)
        expected = np.where(p > 0, p * log_h(np.where(p > 0, values, 0)), 0).sum(0)
    elif name == "normal-known-var-mixture":
        expected = -(params["means"] ** 2 + VARIANCE) / (2 * VARIANCE)
    else:
        centre = np.log(family.median())

        def integrand(t: float) -> np.ndarray:
            return family.pdf(exp(centre + t)) * exp(centre + t) * log_h(exp(centre + t))

        expected = scipy.integrate.quad_vec(integrand, -45, 45, epsabs=1e-13, points=[-3, 0, 3])[0]
    return (log_h(x) - expected).sum(-1)


def joint(sample: Sample, params: Params) -> np.ndarray:
    logits = params["logits"]
    log_weights = -np.logaddexp.reduce(logits - logits[:, None], axis=1)  # SciPy's loses digits of one close to 0
    return log_weights + log_likelihood(sample, params)


def responsibilities(sample: Sample, params: Params) -> np.ndarray:
    logits = joint(sample, params) if sample.cell.variational.optimal else params["q_logits"]
    return scipy.special.softmax(logits, axis=1)


MIXTURES = models("-mixture", "-full", "-diagonal", "-spherical", "-tied")
EXACT = [cell for cell in MIXTURES if cell.variational.name == "exact"]
OTHERS = [cell for cell in MIXTURES if cell.variational.name != "exact"]


def test_there_is_an_oracle_for_every_mixture() -> None:
    assert {cell.model.name for cell in MIXTURES} == {*ELEMENTWISE, *VECTORS, "gmm-full", "gmm-tied"}
    varying = {cell.model.name for cell in MIXTURES if not cell.model.constant_base_measure}
    assert varying == {*LOG_H, "multinomial-mixture"}


@by_cell(EXACT)
def test_log_likelihood_at_any_parameters(cell: Cell) -> None:
    """F of the exact posterior, saturated logits and extreme shapes included."""
    for sample in draw_many(samples(cell), 20, entropy=1):
        problem = sample.problem()
        params = sample.unpadded(problem.params)
        oracle = sample.data_weights @ np.logaddexp.reduce(joint(sample, params), axis=1)
        assert_elbo(decompose(problem), float(oracle), sample)


@by_cell(MIXTURES)
def test_elbo_entropy_sum_and_delta(cell: Cell) -> None:
    for sample in moderate(cell):
        problem = sample.problem()
        decomposition, params = decompose(problem), sample.unpadded(problem.params)
        table, q = joint(sample, params), responsibilities(sample, params)
        entropy_q = scipy.special.entr(q).sum(1)
        prior = scipy.special.entr(scipy.special.softmax(params["logits"])).sum()
        observed = q @ component_entropy(cell.model.name, params, sample.sizes[1])
        assert_elbo(decomposition, float(sample.data_weights @ ((q * table).sum(1) + entropy_q)), sample)
        assert_entropy_sum(decomposition, float(sample.data_weights @ (entropy_q - observed) - prior), sample)
        assert_delta(decomposition, float(sample.data_weights @ (q * base_measure(sample, params)).sum(1)), sample)
        evidence = float(sample.data_weights @ scipy.special.logsumexp(table, axis=1))
        assert decomposition.elbo <= evidence + decomposition.elbo_rounding
        if cell.variational.optimal:
            assert_elbo(decomposition, evidence, sample)


@by_cell(OTHERS)
def test_only_the_exact_responsibilities_attain_the_evidence(cell: Cell) -> None:
    for sample in moderate(cell):
        params = sample.unpadded(sample.problem().params)
        table = joint(sample, params)
        evidence = float(sample.data_weights @ scipy.special.logsumexp(table, axis=1))
        if "q_logits" in params:
            assert_elbo(decompose(sample.with_params({"q_logits": table}).problem()), evidence, sample)
        elif cell.variational.name == "truncated":  # log Σ over the best components alone
            best = np.sort(table, axis=1)[:, -STATES:]
            truncated = float(sample.data_weights @ scipy.special.logsumexp(best, axis=1))
            assert_elbo(decompose(sample.problem()), truncated, sample)
        if sample.latents > (STATES if cell.variational.name == "truncated" else 1):  # else q has no choice
            assert decompose(sample.problem()).elbo < evidence - 1e-3


@pytest.mark.parametrize("name", FAILURE_COUNTS)
def test_tilting_agrees_with_scipy_at_moderate_logits(name: str) -> None:
    (cell,) = [cell for cell in EXACT if cell.model.name == name]
    for sample in moderate(cell):
        direct = ELEMENTWISE[name](sample.params).logpmf(sample.x[:, None]).sum(-1)
        np.testing.assert_allclose(log_likelihood(sample, sample.params), direct, rtol=1e-12)
