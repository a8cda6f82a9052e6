"""Mixtures of every family against scipy.stats: log likelihood, entropy sum and δ."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from elbocheck import decompose
from elbocheck.models.sample import Cell, Sample
from elbocheck.models.variational.truncated import STATES
from elbocheck.strategies import draw_many, samples
from support.oracle_tools import assert_delta, assert_elbo, assert_entropy_sum, by_cell_on_numpy, models, moderate
from support.oracles import MIXTURES
from support.oracles.components import Params


def joint(sample: Sample, params: Params) -> np.ndarray:
    logits = params["logits"]
    log_weights = -np.logaddexp.reduce(logits - logits[:, None], axis=1)  # SciPy's loses digits of one close to 0
    return log_weights + MIXTURES[sample.cell.model.name].log_likelihood(sample.x, params)


def responsibilities(sample: Sample, params: Params) -> np.ndarray:
    logits = joint(sample, params) if sample.cell.variational.optimal else params["q_logits"]
    return scipy.special.softmax(logits, axis=1)


EVERY = models("-mixture", "-full", "-diagonal", "-spherical", "-tied")
CELLS = [cell for cell in EVERY if cell.variational.optimal or cell.variational.blocks[0].name == "q_logits"]
"""Those whose q this oracle can tell: the exact one, or free responsibilities."""
EXACT = [cell for cell in CELLS if cell.variational.name == "exact"]
OTHERS = [cell for cell in CELLS if cell.variational.name != "exact"]


def test_there_is_an_oracle_for_every_mixture() -> None:
    assert {cell.model.name for cell in CELLS} == {*MIXTURES}
    varying = {cell.model.name for cell in CELLS if not cell.model.theory.constant_base_measure}
    assert varying == {name for name, one in MIXTURES.items() if one.base_measure}


@by_cell_on_numpy(EXACT)
def test_log_likelihood_at_any_parameters(cell: Cell) -> None:
    """F of the exact posterior, saturated logits and extreme shapes included."""
    for sample in draw_many(samples(cell), 20, entropy=1):
        problem = sample.problem()
        params = sample.unpadded(problem.params)
        oracle = sample.data_weights @ np.logaddexp.reduce(joint(sample, params), axis=1)
        assert_elbo(decompose(problem), float(oracle), sample)


@by_cell_on_numpy(CELLS)
def test_elbo_entropy_sum_and_delta(cell: Cell) -> None:
    oracle = MIXTURES[cell.model.name]
    for sample in moderate(cell):
        problem = sample.problem()
        decomposition, params = decompose(problem), sample.unpadded(problem.params)
        table, q = joint(sample, params), responsibilities(sample, params)
        entropy_q = scipy.special.entr(q).sum(1)
        prior = scipy.special.entr(scipy.special.softmax(params["logits"])).sum()
        observed = q @ oracle.entropy(params, sample.sizes[1])
        base_measure = oracle.base_measure(sample.x, params) if oracle.base_measure else np.zeros((1, 1))
        assert_elbo(decomposition, float(sample.data_weights @ ((q * table).sum(1) + entropy_q)), sample)
        assert_entropy_sum(decomposition, float(sample.data_weights @ (entropy_q - observed) - prior), sample)
        assert_delta(decomposition, float(sample.data_weights @ (q * base_measure).sum(1)), sample)
        evidence = float(sample.data_weights @ scipy.special.logsumexp(table, axis=1))
        assert decomposition.elbo <= evidence + decomposition.elbo_rounding
        if cell.variational.optimal:
            assert_elbo(decomposition, evidence, sample)


@by_cell_on_numpy(OTHERS)
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


@pytest.mark.parametrize("name", [name for name, one in MIXTURES.items() if one.direct])
def test_what_keeps_its_digits_agrees_with_scipy_at_moderate_parameters(name: str) -> None:
    oracle = MIXTURES[name]
    (cell,) = [cell for cell in EXACT if cell.model.name == name]
    for sample in moderate(cell):
        assert oracle.direct is not None
        direct = oracle.direct(sample.x, sample.params)
        np.testing.assert_allclose(oracle.log_likelihood(sample.x, sample.params), direct, rtol=1e-12)
