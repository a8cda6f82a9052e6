"""Regression, Gaussian processes and linear dynamical systems against the joint Gaussian of all that is random.

Each is y = H z + noise with z ~ N(m, P) for one datum, so that evidence, F and S follow from dense matrices that are
built here from the generative side; the package works with precisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import cdist

from elbocheck import decompose
from elbocheck.bound.problem import Problem
from elbocheck.checks import every_point
from elbocheck.models import find_cell
from elbocheck.models.sample import Cell, Sample
from elbocheck.outcome import Outcome
from elbocheck.solver import find_stationary_point
from elbocheck.strategies import draw_many, samples
from support.oracle_tools import NATS_2PIE, assert_elbo, assert_entropy_sum, by_cell_on_numpy, draw, models

Params = Mapping[str, np.ndarray]
CELLS = models("gaussian-process", "linear-regression", "random-effects", "linear-dynamical-system")
TWO_STATES = replace(find_cell("linear-dynamical-system/exact"), capacity=(6, 4, 2), suffix=", two states", frozen=())
EXACT = [cell for cell in CELLS if cell.variational.optimal]


@dataclass(frozen=True)
class Joint:
    """One datum: z ~ N(mean, covariance), y = map z + noise; `entropies`: of all factors, without q."""

    mean: np.ndarray
    covariance: np.ndarray
    map: np.ndarray
    noise: float
    y: np.ndarray

    @property
    def evidence(self) -> float:
        spread = self.map @ self.covariance @ self.map.T + self.noise * np.eye(len(self.y))
        if not len(self.y):
            return 0.0
        return float(scipy.stats.multivariate_normal(self.map @ self.mean, spread).logpdf(self.y))

    @property
    def posterior(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of z given y."""
        spread = self.map @ self.covariance @ self.map.T + self.noise * np.eye(len(self.y))
        gain = np.linalg.solve(spread, self.map @ self.covariance).T
        mean = self.mean + gain @ (self.y - self.map @ self.mean)
        left = np.eye(len(self.mean)) - gain @ self.map
        return mean, left @ self.covariance @ left.T + self.noise * gain @ gain.T  # Joseph's form

    @property
    def entropies(self) -> float:
        return normal_entropy(self.covariance) + 0.5 * len(self.y) * (NATS_2PIE + np.log(self.noise))


def normal_entropy(covariance: np.ndarray) -> float:
    return float(0.5 * (len(covariance) * NATS_2PIE + np.linalg.slogdet(covariance)[1]))


def regression(sample: Sample, params: Params, n: int) -> Joint:
    features, count = params["features"], sample.latents
    prior = np.exp(params["log_scale"]) * np.eye(count)
    return Joint(np.zeros(count), prior, features, float(np.exp(params["log_variance"])), sample.x[n])


def effects(sample: Sample, params: Params, n: int) -> Joint:
    spreads = np.diag(np.exp(params["log_spreads"]))
    return Joint(params["mean"], spreads, params["design"], float(np.exp(params["log_variance"])), sample.x[n])


def process(sample: Sample, params: Params, n: int) -> Joint:
    """The Matérn kernel of scikit-learn, whose distances are multiplied by √3."""
    from sklearn.gaussian_process.kernels import Matern

    inputs = np.cumsum(np.exp(params["log_gaps"]))[:, None]
    covariance = np.exp(params["log_signal"]) * Matern(length_scale=np.sqrt(3.0), nu=1.5)(inputs)
    assert np.all(np.diff(cdist(inputs, inputs)[0]) > 0)
    zero, every = np.zeros(len(inputs)), np.eye(len(inputs))
    return Joint(zero, covariance, every, float(np.exp(params["log_variance"])), sample.x[n])


def system(sample: Sample, params: Params, n: int) -> Joint:
    """The states of all times; only values that are there (not 0)."""
    times, count, transition = sample.sizes[1], sample.latents, params["transition"]
    means, covariance = [params["start_mean"]], np.zeros((times, count, times, count))
    covariance[0, :, 0] = np.diag(np.exp(params["log_start"]))
    for t in range(1, times):
        means.append(transition @ means[-1])
        covariance[t, :, :t] = np.einsum("ij,jsk->isk", transition, covariance[t - 1, :, :t])
        covariance[:t, :, t] = np.moveaxis(covariance[t, :, :t], 0, -1)
        drift = np.diag(np.exp(params["log_drift"]))
        covariance[t, :, t] = transition @ covariance[t - 1, :, t - 1] @ transition.T + drift
    there = sample.x[n] != 0.0
    observe = np.kron(np.eye(times), params["emission"])[there]
    flat = covariance.reshape(times * count, times * count)
    return Joint(np.concatenate(means), flat, observe, float(np.exp(params["log_variance"])), sample.x[n][there])


JOINTS = {
    "linear-regression": regression,
    "random-effects": effects,
    "gaussian-process": process,
    "linear-dynamical-system": system,
}


def q_of(sample: Sample, params: Params, joint: Joint, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of q."""
    if sample.cell.variational.optimal:
        return joint.posterior
    root = np.diag(np.exp(params["q_log_diagonal"][n])) + np.tril(params["q_lower"][n], -1)
    return params["q_mean"][n], root @ root.T


def divergence(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    """KL of two Gaussians."""
    (mean, covariance), (around, spread) = one, other
    ratio = np.linalg.solve(spread, covariance)
    shift = (mean - around) @ np.linalg.solve(spread, mean - around)
    return float(0.5 * (np.trace(ratio) + shift - len(mean) - np.linalg.slogdet(ratio)[1]))


def oracle(sample: Sample, params: Params) -> np.ndarray:
    """(log evidence, F, S), nats per datum."""
    rows = []
    for n in range(len(sample.x)):
        joint = JOINTS[sample.cell.model.name](sample, params, n)
        q = q_of(sample, params, joint, n)
        loss = 0.0 if sample.cell.variational.optimal else divergence(q, joint.posterior)
        rows.append((joint.evidence, joint.evidence - loss, normal_entropy(q[1]) - joint.entropies))
    return sample.data_weights @ np.array(rows)


def sizes_of(cell: Cell) -> list[tuple[int, int, int]]:
    """Smaller than capacity, so that padding is there; one datum, one element."""
    most = cell.capacity[2]
    return [(6, 4, most), (1, 3, 1), (5, 2, most), (2, 1, 1)]


@by_cell_on_numpy([*CELLS, TWO_STATES])
def test_evidence_elbo_and_entropy_sum(cell: Cell) -> None:
    for seed, sizes in enumerate(sizes_of(cell)):
        sample = draw(cell, sizes, seed)
        problem = sample.problem()
        decomposition = decompose(problem)
        evidence, elbo, entropy_sum = oracle(sample, sample.unpadded(problem.params))
        assert_elbo(decomposition, elbo, sample)
        assert_entropy_sum(decomposition, entropy_sum, sample)
        assert decomposition.delta == 0.0
        assert every_point(problem).outcome is Outcome.HOLDS
        if not cell.variational.optimal:
            assert decomposition.elbo < evidence - 1e-3


@by_cell_on_numpy(EXACT)
def test_the_evidence_at_any_parameters(cell: Cell) -> None:
    for sample in draw_many(samples(cell), 20, entropy=2):
        problem = sample.problem()
        assert_elbo(decompose(problem), oracle(sample, sample.unpadded(problem.params))[0], sample)


@by_cell_on_numpy(EXACT)
def test_at_the_optimum_the_evidence_is_the_entropy_sum(cell: Cell) -> None:
    """From dense matrices alone: S of the oracle equals its evidence where the package says that F is stationary."""
    (sample,) = draw_many(samples(cell, solvable=True), 1, entropy=3)
    point = find_stationary_point(sample.problem(), sample.problem().starts[0])
    assert point.certified, point.reason
    evidence, _, entropy_sum = oracle(sample, sample.unpadded(point.problem.params))
    assert abs(evidence - entropy_sum) <= point.decomposition.bound < 1e-8
    start = oracle(sample, sample.params)
    assert abs(start[0] - start[2]) > 1e-3  # not so elsewhere


def _elbo(sample: Sample) -> float:
    problem: Problem = sample.problem()
    return decompose(problem).elbo


@pytest.mark.xdist_group("linear-dynamical-system/smoothing")
def test_a_missing_value_is_not_a_value_near_it() -> None:
    """Without one value the evidence is that of a shorter vector; a tiny value in its place is an observation."""
    cell = find_cell("linear-dynamical-system/exact")
    sample = draw(cell, (3, 4, 1), 1)
    x = np.where(sample.x == 0.0, 1.0, sample.x)
    x[0, 2] = 0.0
    gap = Sample.checked(cell, x, 1, sample.params)
    tiny = Sample.checked(cell, np.where(x == 0.0, 1e-9, x), 1, sample.params)
    assert_elbo(decompose(gap.problem()), oracle(gap, gap.params)[0], gap)
    assert abs(_elbo(gap) - _elbo(tiny)) > 1e-3
