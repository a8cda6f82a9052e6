"""Sigmoid belief networks of any depth against enumeration of all states of all hidden units."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import scipy.special

from elbocheck import decompose
from elbocheck.models.sample import Cell, Sample
from elbocheck.strategies import draw_many, samples
from support.oracle_tools import assert_elbo, assert_entropy_sum, by_cell_on_numpy, models, moderate

Params = Mapping[str, np.ndarray]
CELLS = models("sbn", "deep-sbn-2", "deep-sbn-3")
log_expit = scipy.special.log_expit


def layers(sample: Sample) -> int:
    return 1 if sample.cell.model.name == "sbn" else int(sample.cell.model.name[-1])


def states(sample: Sample) -> np.ndarray:
    """(M, K·L) binary vectors, the first unit running fastest.

    Unit k of layer l, counted from 0 next to x, is column k·L + l.
    """
    return np.array(list(itertools.product((0.0, 1.0), repeat=sample.latents * layers(sample))))[:, ::-1]


def conditionals(sample: Sample, params: Params) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(logits, value) of every layer given the one above: top layer, …, first layer, x; (M, units) or (N, 1, D)."""
    depth, table = layers(sample), states(sample)
    layer = [table[:, one::depth] for one in range(depth)]
    yield np.broadcast_to(params["prior_logits"], layer[-1].shape), layer[-1]
    for above in range(depth - 1, -1, -1):
        names = ("weights", "bias") if depth == 1 else (f"weights_{above}", f"bias_{above}")
        weights, bias = (params[name] for name in names)
        yield layer[above] @ weights.T + bias, layer[above - 1] if above else sample.x[:, None]


def log_joint(sample: Sample, params: Params) -> np.ndarray:
    """log p(x_n, z_m), (N, M)."""
    terms = [
        (u * log_expit(logits) + (1 - u) * log_expit(-logits)).sum(-1) for logits, u in conditionals(sample, params)
    ]
    return sum(terms[:-1]) + terms[-1]


def weights_of_q(sample: Sample, params: Params) -> np.ndarray:
    """q_n(z_m), (N, M)."""
    if sample.cell.variational.optimal:
        return scipy.special.softmax(log_joint(sample, params), axis=1)
    if sample.cell.variational.name == "mean-field":
        u, logits = states(sample), params["q_logits"][:, None]
        return np.exp((u * log_expit(logits) + (1 - u) * log_expit(-logits)).sum(-1))
    return scipy.special.softmax(params["q_logits"], axis=1)


@by_cell_on_numpy(CELLS)
def test_elbo_entropy_sum_and_evidence(cell: Cell) -> None:
    for sample in moderate(cell):
        problem = sample.problem()
        decomposition, params = decompose(problem), sample.unpadded(problem.params)
        joint, q = log_joint(sample, params), weights_of_q(sample, params)
        entropy_q = scipy.special.entr(q).sum(1)
        entropies = [
            scipy.special.entr(p := scipy.special.expit(logits)).sum(-1) + scipy.special.entr(1 - p).sum(-1)
            for logits, _ in conditionals(sample, params)
        ]
        assert_elbo(decomposition, float(sample.data_weights @ ((q * joint).sum(1) + entropy_q)), sample)
        assert_entropy_sum(decomposition, float(sample.data_weights @ (entropy_q - q @ sum(entropies))), sample)
        assert decomposition.delta == 0.0
        evidence = float(sample.data_weights @ scipy.special.logsumexp(joint, axis=1))
        if cell.variational.optimal:
            assert_elbo(decomposition, evidence, sample)
        else:
            assert decomposition.elbo < evidence - 1e-6


@by_cell_on_numpy([cell for cell in CELLS if cell.variational.optimal])
def test_log_likelihood_at_any_parameters(cell: Cell) -> None:
    for sample in draw_many(samples(cell), 20, entropy=3):
        problem = sample.problem()
        joint = log_joint(sample, sample.unpadded(problem.params))
        assert_elbo(decompose(problem), float(sample.data_weights @ scipy.special.logsumexp(joint, axis=1)), sample)


@by_cell_on_numpy([cell for cell in CELLS if not cell.variational.optimal])
def test_q_at_its_best_attains_the_evidence(cell: Cell) -> None:
    """Any q over states contains the posterior; a mean-field q does so with a single unit."""
    tight = 0
    for sample in moderate(cell):
        joint = log_joint(sample, sample.params)
        best = joint[:, 1:] - joint[:, :1] if cell.variational.name == "mean-field" else joint
        if best.shape != sample.params["q_logits"].shape:
            continue
        tight += 1
        evidence = float(sample.data_weights @ scipy.special.logsumexp(joint, axis=1))
        assert_elbo(decompose(sample.with_params({"q_logits": best}).problem()), evidence, sample)
    assert tight >= 2
