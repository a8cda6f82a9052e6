"""Mixtures of regressions and of experts against densities of scipy.stats and responsibilities by softmax."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.special
import scipy.stats

from elbocheck import decompose
from elbocheck.models.sample import Cell, Sample
from support.oracle_tools import (
    NATS_2PIE,
    assert_delta,
    assert_elbo,
    assert_entropy_sum,
    by_cell_on_numpy,
    draw,
    models,
)

Params = Mapping[str, np.ndarray]
CELLS = models("linear-regressions", "poisson-regressions", "experts")
COUNTS = np.arange(400.0)
SIZES = ((9, 3, 2), (1, 2, 1), (4, 2, 2), (8, 3, 1))
"""(N, D, K): a response and one or two inputs."""


def predictors(sample: Sample, params: Params) -> np.ndarray:
    """b_k + w_k · u_n, (N, K)."""
    return params["intercepts"] + sample.x[:, 1:] @ params["slopes"][:, 1:].T


def log_weights(sample: Sample, params: Params) -> np.ndarray:
    """log p(c | u_n), (N, K)."""
    if "logits" in params:
        logits = np.tile(params["logits"], (len(sample.x), 1))
    else:
        logits = params["gate_intercepts"] + sample.x[:, 1:] @ params["gate_slopes"][:, 1:].T
    return scipy.special.log_softmax(logits, axis=1)


def densities(sample: Sample, params: Params) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(log p(y | c), H[p(y | c)], log h(y) − E log h), each (N, K)."""
    mean, y = predictors(sample, params), sample.x[:, :1]
    if "log_variances" in params:
        log_p = scipy.stats.norm(mean, np.exp(0.5 * params["log_variances"])).logpdf(y)
        return log_p, 0.5 * (NATS_2PIE + params["log_variances"]) + 0.0 * mean, 0.0 * mean
    probabilities = scipy.stats.poisson(np.exp(mean)[..., None]).pmf(COUNTS)
    expected = probabilities @ scipy.special.gammaln(COUNTS + 1)
    entropy = -scipy.special.xlogy(probabilities, probabilities).sum(-1)
    return scipy.stats.poisson(np.exp(mean)).logpmf(y), entropy, expected - scipy.special.gammaln(y + 1)


@by_cell_on_numpy(CELLS)
def test_elbo_entropy_sum_delta_and_evidence(cell: Cell) -> None:
    for seed, sizes in enumerate(SIZES):
        sample = draw(cell, sizes, seed)
        problem = sample.problem()
        decomposition, params = decompose(problem), sample.unpadded(problem.params)
        (log_p, entropies, base), log_prior = densities(sample, params), log_weights(sample, params)
        joint = log_p + log_prior
        q = scipy.special.softmax(params.get("q_logits", joint), axis=1)
        entropy_q, prior = scipy.special.entr(q).sum(1), scipy.special.entr(np.exp(log_prior)).sum(1)
        elbo = float(sample.data_weights @ ((q * joint).sum(1) + entropy_q))
        assert_elbo(decomposition, elbo, sample)
        entropy_sum = sample.data_weights @ (entropy_q - prior - (q * entropies).sum(1))
        assert_entropy_sum(decomposition, float(entropy_sum), sample)
        assert_delta(decomposition, float(sample.data_weights @ (q * base).sum(1)), sample)
        evidence = float(sample.data_weights @ scipy.special.logsumexp(joint, axis=1))
        assert elbo <= evidence + decomposition.elbo_rounding
        if cell.variational.optimal:
            assert_elbo(decomposition, evidence, sample)


@by_cell_on_numpy(CELLS)
def test_the_slope_of_the_response_counts_for_nothing(cell: Cell) -> None:
    sample = draw(cell, (9, 3, 2), 4)
    moved = {name: value.copy() for name, value in sample.params.items() if name.endswith("slopes")}
    for value in moved.values():
        value[:, 0] += 3.0
    assert decompose(sample.with_params(moved).problem()).elbo == decompose(sample.problem()).elbo
    for value in moved.values():
        value[0, 1] += 3.0
    assert decompose(sample.with_params(moved).problem()).elbo != decompose(sample.problem()).elbo
