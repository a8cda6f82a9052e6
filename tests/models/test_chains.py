"""Hidden Markov models and a switching autoregression against a forward loop and the sum over all paths."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import partial

import numpy as np
import scipy.special
import scipy.stats

from elbocheck import decompose
from elbocheck.models import find_cell
from elbocheck.models.sample import Cell, Sample
from elbocheck.strategies import draw_many, samples
from support.oracle_tools import assert_delta, assert_elbo, assert_entropy_sum, by_cell_on_numpy, draw, models

Params = Mapping[str, np.ndarray]
COUNTS = np.arange(2000.0)[:, None]  # rates stay far below
CELLS = models("hmm-categorical", "hmm-gaussian", "hmm-poisson", "switching-ar")
CHAINS = [(5, 4, 3), (4, 4, 2), (6, 3, 3), (3, 2, 2), (1, 1, 3), (4, 1, 1), (2, 4, 1)]
"""(sequences, times, states): of capacity, and shorter or with fewer states."""


def chains_of(cell: Cell) -> list[tuple[int, int, int]]:
    """`CHAINS` with as many states as the cell has."""
    return [(data, times, min(states, cell.capacity[2])) for data, times, states in CHAINS]


def emissions(sample: Sample, params: Params) -> np.ndarray:
    """log p(x_nt | z_t = k), (N, T, K)."""
    x = sample.x[..., None]
    if "emission_logits" in params:
        table = scipy.special.log_softmax(params["emission_logits"], axis=1)
        return np.moveaxis(table[:, sample.x.astype(int)], 0, -1)
    if "log_rates" in params:
        return scipy.stats.poisson.logpmf(x, np.exp(params["log_rates"]))
    means = params["means"] if "means" in params else regressed(sample, params)
    return scipy.stats.norm.logpdf(x, means, np.exp(0.5 * params["log_variances"]))


def regressed(sample: Sample, params: Params) -> np.ndarray:
    """a_k x_n,t−1 + b_k, (N, T, K), time by time; the first value comes after 0."""
    means = np.empty((*sample.x.shape, sample.latents))
    for t in range(sample.sizes[1]):
        before = sample.x[:, t - 1, None] if t else 0.0
        means[:, t] = before * params["slopes"] + params["intercepts"]
    return means


def emission_entropy(params: Params) -> np.ndarray:
    """H[p(x_t | z_t = k)], (K,)."""
    if "emission_logits" in params:
        return scipy.special.entr(scipy.special.softmax(params["emission_logits"], axis=1)).sum(1)
    if "log_rates" in params:
        return scipy.special.entr(scipy.stats.poisson.pmf(COUNTS, np.exp(params["log_rates"]))).sum(0)
    return scipy.stats.norm(0, np.exp(0.5 * params["log_variances"])).entropy()


def base_measure(sample: Sample, params: Params) -> np.ndarray:
    """log h(x_nt) − E log h under p(x | k), (N, T, K)."""
    if "log_rates" not in params:
        return np.zeros((1, 1, 1))
    expected = scipy.stats.poisson.pmf(COUNTS, np.exp(params["log_rates"])) * scipy.special.gammaln(COUNTS + 1)
    return expected.sum(0) - scipy.special.gammaln(sample.x + 1)[..., None]


def start_and_transition(params: Params) -> tuple[np.ndarray, np.ndarray]:
    """log π (K,) and log A (K, K), rows summing to one."""
    log_softmax = partial(scipy.special.log_softmax, axis=-1)
    return log_softmax(params["initial_logits"]), log_softmax(params["transition_logits"])


def forward(sample: Sample, params: Params) -> float:
    """Log likelihood per sequence."""
    (start, transition), log_x = start_and_transition(params), emissions(sample, params)
    alpha = start + log_x[:, 0]
    for t in range(1, sample.sizes[1]):
        alpha = scipy.special.logsumexp(alpha[:, :, None] + transition, axis=1) + log_x[:, t]
    return float(sample.data_weights @ scipy.special.logsumexp(alpha, axis=1))


def enumerated(sample: Sample) -> np.ndarray:
    """All paths, (P, T) states."""
    return np.array(list(itertools.product(range(sample.latents), repeat=sample.sizes[1])))


def log_joint(sample: Sample, params: Params) -> np.ndarray:
    """log p(x_n, path), (N, P)."""
    (start, transition), log_x, path = start_and_transition(params), emissions(sample, params), enumerated(sample)
    log_path = start[path[:, 0]] + transition[path[:, :-1], path[:, 1:]].sum(1)
    return log_path + log_x[:, np.arange(path.shape[1]), path].sum(-1)


def path_weights(sample: Sample, params: Params) -> np.ndarray:
    """q_n(path), (N, P)."""
    if sample.cell.variational.optimal:
        return scipy.special.softmax(log_joint(sample, params), axis=1)
    path, potentials = enumerated(sample), params["q_potentials"]
    log_q = potentials[:, 0].mean(axis=1)[:, path[:, 0]]  # no state before time 0: the mean of all rows
    for t in range(1, path.shape[1]):
        log_q = log_q + potentials[:, t, path[:, t - 1], path[:, t]]
    return scipy.special.softmax(log_q, axis=1)


@by_cell_on_numpy(CELLS)
def test_elbo_entropy_sum_delta_and_evidence(cell: Cell) -> None:
    for seed, sizes in enumerate(chains_of(cell)):
        sample = draw(cell, sizes, seed)
        problem = sample.problem()
        decomposition, params = decompose(problem), sample.unpadded(problem.params)
        path, q, (start, transition) = enumerated(sample), path_weights(sample, params), start_and_transition(params)
        occupied = np.stack(
            [np.stack([q @ (path == k)[:, t] for k in range(sizes[2])], -1) for t in range(sizes[1])], 1
        )
        entropy_q = scipy.special.entr(q).sum(1)
        elbo = (q * log_joint(sample, params)).sum(1) + entropy_q
        rows = scipy.special.entr(np.exp(transition)).sum(1)
        entropies = occupied[:, :-1].sum(1) @ rows + occupied.sum(1) @ emission_entropy(params)
        prior = scipy.special.entr(np.exp(start)).sum()
        assert_elbo(decomposition, float(sample.data_weights @ elbo), sample)
        assert_entropy_sum(decomposition, float(sample.data_weights @ (entropy_q - entropies) - prior), sample)
        delta = (occupied * base_measure(sample, params)).sum((1, 2))
        assert_delta(decomposition, float(sample.data_weights @ delta), sample)
        assert abs(decomposition.entropy_q - sample.data_weights @ entropy_q) <= decomposition.elbo_rounding
        evidence = forward(sample, params)
        assert decomposition.elbo <= evidence + decomposition.elbo_rounding
        if cell.variational.optimal:
            assert_elbo(decomposition, evidence, sample)
        elif sizes[2] > 1:  # with one state there is one path only
            assert decomposition.elbo < evidence - 1e-3


@by_cell_on_numpy([cell for cell in CELLS if cell.variational.optimal])
def test_log_likelihood_at_any_parameters(cell: Cell) -> None:
    for sample in draw_many(samples(cell), 20, entropy=2):
        problem = sample.problem()
        assert_elbo(decompose(problem), forward(sample, sample.unpadded(problem.params)), sample)


def test_a_switching_autoregression_without_memory_is_a_hidden_markov_model() -> None:
    """And with memory it is another one: slopes count from the second time on."""
    for seed, (times, same) in enumerate([(4, False), (1, True)]):
        sample = draw(find_cell("switching-ar/exact"), (6, times, 2), seed)
        memoryless = sample.with_params({"slopes": np.zeros(2)})
        likelihoods = {slopes: decompose(one.problem()) for slopes, one in (("drawn", sample), ("none", memoryless))}
        plain = {**memoryless.params, "means": memoryless.params["intercepts"]}
        assert_elbo(likelihoods["none"], forward(memoryless, plain), memoryless)
        gap = abs(likelihoods["drawn"].elbo - likelihoods["none"].elbo)
        assert (gap <= likelihoods["none"].elbo_rounding) if same else (gap > 1e-2)


@by_cell_on_numpy(CELLS)
def test_pair_marginals(cell: Cell) -> None:
    cell = find_cell(cell.name)  # whose problems are padded
    for seed, sizes in enumerate(chains_of(cell)):
        sample = draw(cell, sizes, seed)
        (data, times, states), (_, longest, most) = sizes, cell.capacity
        problem = sample.problem()
        points = cell.variational.points(cell.model, problem.params, problem.fixed)
        weights = np.asarray(points.weights).reshape(-1, most, most, longest)
        assert np.asarray(points.latents["before"])[0, 1 * most + 0, 0].tolist() == np.eye(most)[1].tolist()
        assert not weights[:, states:, :, :].any()
        assert not weights[:, :, states:, :].any()
        np.testing.assert_allclose(weights.sum((1, 2)), 1.0, atol=1e-13)
        path, q = enumerated(sample), path_weights(sample, sample.unpadded(problem.params))
        for (t, i), j in itertools.product(itertools.product(range(times), range(states)), range(states)):
            here = path[:, t] == j
            if t == 0:  # whatever came before
                np.testing.assert_allclose(weights[:data, :, j, 0].sum(1), q @ here, atol=1e-13)
            else:
                np.testing.assert_allclose(weights[:data, i, j, t], q @ (here & (path[:, t - 1] == i)), atol=1e-13)


@by_cell_on_numpy([cell for cell in CELLS if not cell.variational.optimal])
def test_a_chain_with_the_potentials_of_the_model_attains_the_evidence(cell: Cell) -> None:
    for seed, sizes in enumerate(chains_of(cell)):
        sample = draw(cell, sizes, seed)
        (start, transition), log_x = start_and_transition(sample.params), emissions(sample, sample.params)
        potentials = np.broadcast_to(transition, (*log_x.shape, sizes[2])) + log_x[:, :, None, :]
        potentials[:, 0] = (start + log_x[:, 0])[:, None]
        best = sample.with_params({"q_potentials": potentials})
        assert_elbo(decompose(best.problem()), forward(sample, sample.params), sample)
