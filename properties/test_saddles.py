"""Saddles found on purpose: subsets of eigenvectors, redundant components and units (THEORY section 6)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from elbocheck.bound.problem import Problem
from elbocheck.checks import stationary
from elbocheck.models import find_cell
from elbocheck.models.sample import Cell, Sample
from elbocheck.models.starts import collapsed_start
from elbocheck.outcome import Result
from elbocheck.solver import certify, find_stationary_point
from elbocheck.strategies import samples
from elbocheck.strategies.of_cells import SEEDS
from elbocheck.testing.properties import backend_under_test, budget_for, cells_under_test, run_property

CELLS = cells_under_test()


def ppca_stationary_points(sample: Sample, seed: int) -> list[Problem]:
    """One problem for each W = U_S (Λ_S − σ²)^½ R over all admissible subsets S of eigenvectors."""
    mean = sample.data_weights @ sample.x
    deviation = sample.x - mean
    eigenvalues, vectors = np.linalg.eigh((sample.data_weights[:, None] * deviation).T @ deviation)
    size = len(eigenvalues)
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(sample.latents, sample.latents)))[0]
    found = []
    for code in range(2**size):
        subset = np.flatnonzero((code >> np.arange(size)) & 1)
        left = np.setdiff1d(np.arange(size), subset)
        if subset.size > sample.latents or not left.size:
            continue
        variance = eigenvalues[left].mean()
        if variance <= 1e-9 * eigenvalues.max() or np.any(eigenvalues[subset] <= variance * (1 + 1e-6)):
            continue
        loadings = np.zeros((size, sample.latents))
        loadings[:, : subset.size] = vectors[:, subset] * np.sqrt(eigenvalues[subset] - variance)
        params = {"loadings": loadings @ rotation, "mean": mean, "log_variance": np.log(variance)}
        found.append(sample.with_params(params).problem())
    return found


@pytest.mark.xdist_group("ppca/exact")
def test_every_subset_of_eigenvectors_is_stationary(elbocheck_settings: settings) -> None:
    cell = find_cell("ppca/exact").on(backend_under_test())
    count = 0

    def check(drawn: tuple[Sample, int]) -> list[Result]:
        nonlocal count
        sample, seed = drawn
        points = [certify(problem, "closed form") for problem in ppca_stationary_points(sample, seed)]
        count += len(points)
        return [stationary(point.problem, [point]) for point in points]

    strategy = st.tuples(samples(cell, solvable=True).map(lambda sample: replace(sample, frozen=())), SEEDS)
    run_property(elbocheck_settings, strategy, check).require_conclusive()
    assert 2 * count >= elbocheck_settings.max_examples  # data without a variance to explain have none


@pytest.mark.parametrize(
    "cell",
    [pytest.param(cell, id=cell.name, marks=pytest.mark.xdist_group(cell.group)) for cell in CELLS if cell.has_saddles],
)
def test_redundant_latents_are_stationary(cell: Cell, elbocheck_settings: settings) -> None:
    """Duplicated components, units and latents without weights: refined with everything free, and verified."""

    def check(sample: Sample) -> Result:
        problem = sample.problem()
        start = collapsed_start(sample, np.ones(sample.latents, dtype=bool))
        return stationary(problem, [find_stationary_point(problem, start)])

    strategy = samples(cell, solvable=True, min_latents=2)
    run_property(budget_for(elbocheck_settings, cell, 5), strategy, check).require_conclusive()
