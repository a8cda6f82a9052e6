"""The factorial hidden Markov model against the sum over all joint paths, and against a forward loop over bit patterns.

Probabilities come from scipy.stats; the package works with logits and pairs of joint states.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
import scipy.special
import scipy.stats

from elbocheck import decompose
from elbocheck.checks import stationary
from elbocheck.models import find_cell
from elbocheck.models.sample import Sample
from elbocheck.outcome import Outcome
from elbocheck.solver import find_stationary_point
from elbocheck.strategies import draw_many, samples
from support.oracle_tools import assert_elbo, assert_entropy_sum, draw

Params = Mapping[str, np.ndarray]
pytestmark = pytest.mark.xdist_group("factorial-hmm")
CELL = find_cell("factorial-hmm/exact")
SIZES = [(5, 4, 2), (6, 3, 2), (3, 2, 2), (4, 1, 2), (4, 4, 1), (1, 3, 2), (2, 1, 1)]
"""(sequences, times, chains)."""


def paths(times: int, chains: int) -> np.ndarray:
    """All joint paths, (P, T, K) of 0 and 1."""
    flat = np.array(list(itertools.product((0, 1), repeat=times * chains)))
    return flat.reshape(-1, times, chains)


def probabilities(params: Params) -> tuple[np.ndarray, np.ndarray]:
    """p(z_k = 1) at first (K,), and after 0 and after 1 (2, K)."""
    after = np.stack([params["arrival_logits"], params["staying_logits"]])
    return scipy.special.expit(params["start_logits"]), scipy.special.expit(after)


def after(params: Params, before: np.ndarray) -> np.ndarray:
    """p(z_k = 1 | state before), of the shape of `before` (…, K)."""
    return np.where(before == 1, *probabilities(params)[1][::-1])


def noise(params: Params) -> float:
    return float(np.exp(0.5 * params["log_variance"]))


def binary_entropy(probability: np.ndarray) -> np.ndarray:
    return scipy.special.entr(probability) + scipy.special.entr(1.0 - probability)


def log_bernoulli(z: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """log p(z), from logits: 1 − p loses its digits where p is nearly 1."""
    return np.where(z == 1, scipy.special.log_expit(logits), scipy.special.log_expit(-logits))


def log_joint(sample: Sample, params: Params) -> np.ndarray:
    """log p(x_n, path), (N, P)."""
    path = paths(*sample.sizes[1:])
    arriving, staying = params["arrival_logits"], params["staying_logits"]
    log_path = log_bernoulli(path[:, 0], params["start_logits"]).sum(-1)
    log_path += log_bernoulli(path[:, 1:], np.where(path[:, :-1] == 1, staying, arriving)).sum((1, 2))
    means = path @ params["weights"] + params["bias"]
    return log_path + scipy.stats.norm(means, noise(params)).logpdf(sample.x[:, None, :]).sum(-1)


def entropies(sample: Sample, params: Params) -> np.ndarray:
    """Σ of the entropies of all conditionals along each path, (P,)."""
    path = paths(*sample.sizes[1:])
    start = binary_entropy(probabilities(params)[0]).sum()
    transitions = binary_entropy(after(params, path[:, :-1])).sum((1, 2))
    return start + transitions + sample.sizes[1] * scipy.stats.norm(0.0, noise(params)).entropy()


def oracle(sample: Sample, params: Params) -> tuple[float, float]:
    """(log evidence, S), nats per sequence."""
    joint = log_joint(sample, params)
    q = scipy.special.softmax(joint, axis=1)
    entropy_sum = scipy.special.entr(q).sum(1) - q @ entropies(sample, params)
    evidence = scipy.special.logsumexp(joint, axis=1)
    return float(sample.data_weights @ evidence), float(sample.data_weights @ entropy_sum)


def forward(sample: Sample, params: Params) -> float:
    """Log likelihood per sequence: one chain at a time moves, over arrays (N, 2, …, 2)."""
    first, later = probabilities(params)
    chains, total = sample.latents, np.zeros(len(sample.x))
    bits = np.indices((2,) * chains)  # (K, 2, …, 2)
    means = params["bias"] + np.tensordot(params["weights"], bits, axes=1)
    belief = np.ones((len(sample.x), *(2,) * chains))
    for k in range(chains):
        belief = belief * np.where(bits[k] == 1, first[k], 1.0 - first[k])
    for t, column in enumerate(sample.x.T):
        for k in range(chains if t else 0):
            table = np.stack([1.0 - later[:, k], later[:, k]], axis=1)
            belief = np.moveaxis(np.tensordot(belief, table, axes=(k + 1, 0)), -1, k + 1)
        belief = belief * scipy.stats.norm(means, noise(params)).pdf(column.reshape(-1, *(1,) * chains))
        size = belief.sum(tuple(range(1, chains + 1)), keepdims=True)
        total, belief = total + np.log(size.reshape(-1)), belief / size
    return float(sample.data_weights @ total)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_evidence_and_entropy_sum(sizes: tuple[int, int, int]) -> None:
    sample = draw(CELL, sizes, 3)
    problem = sample.problem()
    decomposition, params = decompose(problem), sample.unpadded(problem.params)
    evidence, entropy_sum = oracle(sample, params)
    assert_elbo(decomposition, evidence, sample)
    assert_elbo(decomposition, forward(sample, params), sample)
    assert_entropy_sum(decomposition, entropy_sum, sample)
    assert decomposition.delta == 0.0


def test_the_evidence_at_any_parameters() -> None:
    for sample in draw_many(samples(CELL), 20, entropy=2):
        problem = sample.problem()
        joint = log_joint(sample, sample.unpadded(problem.params))
        assert_elbo(decompose(problem), float(sample.data_weights @ scipy.special.logsumexp(joint, axis=1)), sample)


def test_weights_sum_to_one_where_their_logarithms_are_large() -> None:
    """Where XLA does not optimise, what it computes twice differs by a rounding of −7271, and the sum by as much."""
    params = {
        "start_logits": np.array([-5.239999999999999, -5.239999999999999]),
        "arrival_logits": np.array([-3.185, -3.185]),
        "staying_logits": np.array([0.42499999999999993, 0.42499999999999993]),
        "weights": np.array([-111.63617333209422, -111.63617333209422]),
        "bias": np.array(-26.608385457453174),
        "log_variance": np.array(1.6621360419238194),
    }
    sample = Sample.checked(CELL, np.array([[96.0039258131329, 221.54752110722973]]), 2, params)
    evidence = float(scipy.special.logsumexp(log_joint(sample, params)))
    assert_elbo(decompose(sample.problem()), evidence, sample)


def test_the_posterior_couples_the_chains() -> None:
    """Marginals of both chains at each time are those of all paths, and no product of two."""
    sample = draw(CELL, (5, 3, 2), 1)
    problem = sample.problem()
    points = CELL.variational.points(CELL.model, problem.params, problem.fixed)
    both = np.asarray(points.latents["z"])[0, :, 0].prod(-1)
    one_by_one = np.asarray(points.latents["z"])[0, :, 0]
    path, q = paths(3, 2), scipy.special.softmax(log_joint(sample, sample.params), axis=1)
    for t in range(3):
        weights = np.asarray(points.weights)[:5, :, t]
        np.testing.assert_allclose(weights @ both, q @ path[:, t].prod(-1), atol=1e-13)
        np.testing.assert_allclose(weights @ one_by_one, q @ path[:, t], atol=1e-13)
        assert np.abs(weights @ both - (weights @ one_by_one).prod(-1)).max() > 1e-2


def solvable() -> Sample:
    """One sample of two chains that has a stationary point."""
    return next(one for one in draw_many(samples(CELL, solvable=True), 4, entropy=5) if one.latents == 2)


def test_at_the_optimum_the_evidence_is_the_entropy_sum() -> None:
    """From enumerated paths alone, where the package says that F is stationary; not so elsewhere."""
    sample = solvable()
    problem = sample.problem()
    point = find_stationary_point(problem, problem.starts[0])
    assert point.certified, point.reason
    evidence, entropy_sum = oracle(sample, sample.unpadded(point.problem.params))
    assert abs(evidence - entropy_sum) <= point.decomposition.bound < 1e-8
    start = oracle(sample, sample.params)
    assert abs(start[0] - start[1]) > 1e-3


def test_chains_without_effect_are_stationary_too() -> None:
    """Every start, redundant chains among them, ends in a point where F = S."""
    sample = solvable()
    problem = sample.problem()
    for start in problem.starts:
        if start.index == 0:
            point = find_stationary_point(problem, start)
            assert point.certified, (start.label, point.reason)
    assert stationary(problem).outcome is Outcome.HOLDS
