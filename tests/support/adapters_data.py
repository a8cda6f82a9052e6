"""Real data for the tests of adapters, and what they all do with a problem."""

from __future__ import annotations

from importlib import resources

import numpy as np

from elbocheck import Problem, decompose
from elbocheck.bound.decomposition import Decomposition


def shipped(name: str) -> np.ndarray:
    """A data set of the package as an array (N, D)."""
    with resources.as_file(resources.files("elbocheck.data") / f"{name}.csv") as path:
        return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)


def moved(problem: Problem, seed: int, size: float = 0.5) -> Problem:
    """The problem at random parameters."""
    return problem.at(problem.vector + size * np.random.default_rng(seed).normal(size=problem.vector.size))


def gaps(terms: Decomposition) -> dict[str, float]:
    """Factor -> F − S − δ, components summed."""
    found: dict[str, float] = {}
    for term in terms.factors:
        found[term.name] = found.get(term.name, 0.0) + term.gap - term.delta
    return found


def assert_identity(problem: Problem, tolerance: float = 1e-10) -> None:
    """Every factor's gap is its β·∇F + δ, relative to its terms, and the reported ELBO is the declared one."""
    terms = decompose(problem)
    assert abs(terms.elbo - terms.declared) <= tolerance * terms.magnitude
    for term in terms.factors:
        assert term.scaling.residual == 0.0, term.name
        assert abs(term.residual) <= tolerance * max(abs(term.log_density), abs(term.entropy)), term.name
