"""Sparse Gaussian processes against Titsias' bound and one-dimensional integrals, and the gap that they leave."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import scipy.special
import scipy.stats

from elbocheck import decompose
from elbocheck.models import find_cell
from elbocheck.models.sample import Sample
from elbocheck.solver import find_stationary_point
from elbocheck.strategies import draw_many, samples
from support.oracle_tools import assert_elbo, draw

Params = Mapping[str, np.ndarray]
GAUSSIAN, BERNOULLI = find_cell("sparse-gp/inducing"), find_cell("sparse-gp-bernoulli/inducing")


def matern(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    distance = np.abs(one[:, None] - other[None, :])
    return (1.0 + distance) * np.exp(-distance)


def covariances(params: Params) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(K_ff, K_fu, K_uu) times s."""
    f, u = (np.cumsum(np.exp(params[name])) for name in ("log_gaps", "log_inducing_gaps"))
    signal = np.exp(params["log_signal"])
    return signal * matern(f, f), signal * matern(f, u), signal * matern(u, u)


def inducing(params: Params, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of q(u), of whitened parameters."""
    root = np.linalg.cholesky(covariances(params)[2])
    lower = np.tril(params["q_lower"][n], -1) + np.diag(np.exp(params["q_log_diagonal"][n]))
    return root @ params["q_mean"][n], root @ lower @ lower.T @ root.T


def marginals(params: Params, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances of q(f_d)."""
    (f, cross, u), (mean, spread) = covariances(params), inducing(params, n)
    project = np.linalg.solve(u, cross.T).T
    return project @ mean, np.diag(f - project @ (u - spread) @ project.T)


def divergence(params: Params, n: int) -> float:
    """KL of q(u) from the prior."""
    (_, _, prior), (mean, spread) = covariances(params), inducing(params, n)
    ratio = np.linalg.solve(prior, spread)
    shift = mean @ np.linalg.solve(prior, mean)
    return float(0.5 * (np.trace(ratio) + shift - len(mean) - np.linalg.slogdet(ratio)[1]))


def trace_term(params: Params) -> float:
    """Σ s k̃ / 2σ²."""
    f, cross, u = covariances(params)
    return float(np.trace(f - cross @ np.linalg.solve(u, cross.T)) / (2.0 * np.exp(params["log_variance"])))


def titsias(sample: Sample, params: Params) -> float:
    """log N(y; 0, Q_ff + σ²I) less the trace term: the bound at the best q(u)."""
    f, cross, u = covariances(params)
    spread = cross @ np.linalg.solve(u, cross.T) + np.exp(params["log_variance"]) * np.eye(len(f))
    log_y = scipy.stats.multivariate_normal(np.zeros(len(f)), spread).logpdf(sample.x)
    return float(sample.data_weights @ np.atleast_1d(log_y)) - trace_term(params)


def expected(sample: Sample, params: Params, n: int) -> float:
    """E_q log N(y_n; f, σ²I)."""
    mean, variance = marginals(params, n)
    y = sample.x[n]
    noise = np.exp(params["log_variance"])
    return float(np.sum(-0.5 * np.log(2 * np.pi * noise) - ((y - mean) ** 2 + variance) / (2 * noise)))


@pytest.mark.xdist_group(GAUSSIAN.group)
def test_the_bound_is_the_expected_likelihood_less_the_divergence() -> None:
    for seed, sizes in enumerate([(5, 3, 2), (1, 2, 1), (4, 4, 2), (3, 3, 1)]):
        sample = draw(GAUSSIAN, sizes, seed)
        problem = sample.problem()
        params = sample.unpadded(problem.params)
        each = [expected(sample, params, n) - divergence(params, n) for n in range(len(sample.x))]
        decomposition = decompose(problem)
        assert_elbo(decomposition, float(sample.data_weights @ each), sample)
        assert decomposition.elbo < titsias(sample, params)


@pytest.mark.xdist_group(GAUSSIAN.group)
def test_at_the_optimum_the_gap_is_the_trace_term_of_titsias() -> None:
    (sample,) = draw_many(samples(GAUSSIAN, solvable=True, min_latents=2), 1, entropy=1)
    point = find_stationary_point(sample.problem(), sample.problem().starts[0])
    assert point.certified, point.reason
    params, terms = sample.unpadded(point.problem.params), point.decomposition
    assert abs(terms.elbo - titsias(sample, params)) <= terms.elbo_rounding
    assert abs(terms.gap + trace_term(params)) <= terms.bound
    assert trace_term(params) > 1e-3
    assert not terms.covered


@pytest.mark.xdist_group(GAUSSIAN.group)
def test_without_a_trace_term_there_is_no_gap() -> None:
    """Inducing points at the data: the sparse process is the exact one."""
    (sample,) = draw_many(samples(GAUSSIAN, solvable=True, min_latents=2), 1, entropy=1)
    gaps = sample.params["log_gaps"][:2]
    same = {**sample.params, "log_gaps": gaps, "log_inducing_gaps": gaps}
    sample = Sample.checked(GAUSSIAN, sample.x[:, :2], 2, same)
    point = find_stationary_point(sample.problem(), sample.problem().starts[0])
    assert point.certified, point.reason
    params = sample.unpadded(point.problem.params)
    assert abs(trace_term(params)) < 1e-14
    assert abs(point.decomposition.gap) <= point.decomposition.bound < 1e-6


@pytest.mark.xdist_group(BERNOULLI.group)
def test_bernoulli_expectations_are_those_of_three_nodes() -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    grid = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 3)
    joint = np.prod(np.meshgrid(*[weights / weights.sum()] * 3, indexing="ij"), axis=0).ravel()
    sample = draw(BERNOULLI, (4, 3, 2), 0)
    problem = sample.problem()
    params = sample.unpadded(problem.params)
    (f, cross, u), total = covariances(params), []
    for n, y in enumerate(sample.x):
        project = np.linalg.solve(u, cross.T).T
        left = np.diag(f - project @ cross.T)
        mean, spread = inducing(params, n)
        # the points of q(u) are those of whitened parameters
        root = np.linalg.cholesky(u) @ (
            np.tril(params["q_lower"][n], -1) + np.diag(np.exp(params["q_log_diagonal"][n]))
        )
        assert np.allclose(root @ root.T, spread)
        logits = (mean + grid[:, :2] @ root.T) @ project.T + np.sqrt(left) * grid[:, 2:]
        log_p = -np.logaddexp(0.0, (1 - 2 * y) * logits).sum(-1)
        total.append(joint @ log_p - divergence(params, n))
    assert_elbo(decompose(problem), float(sample.data_weights @ total), sample)
