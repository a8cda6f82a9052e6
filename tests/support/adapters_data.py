"""Real data for the tests of adapters, and what they all do with a problem."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

import numpy as np

from elbocheck import Problem, Target, check_target, decompose
from elbocheck.backends.namespace import double_precision, plain
from elbocheck.bound.decomposition import Decomposition
from elbocheck.bound.factors import log_density_of
from elbocheck.bound.terms import averaged, summed
from elbocheck.checks import value
from elbocheck.outcome import Outcome


def shipped(name: str) -> np.ndarray:
    """A data set of the package as an array (N, D)."""
    with resources.as_file(resources.files("elbocheck.data") / f"{name}.csv") as path:
        return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)


FACTOR = np.linalg.cholesky([[[1.0, 0.4, 0.1], [0.4, 1.0, -0.3], [0.1, -0.3, 1.0]]])
REALS, WHOLE = [0.5, 1.2, 2.5], [0.0, 2.0, 3.0]


def careless(made: Any, wrong: Callable[[Any, Any], Any]) -> Any:
    """A library's distribution with another log density, of a class derived from its own."""
    kind = type(made)
    made.__class__ = type(
        "Careless", (kind,), {"log_prob": lambda self, value: kind.log_prob(self, value) + wrong(self, value)}
    )
    return made


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


ROWS = np.random.default_rng(0)
FEATURES = ROWS.normal(size=(10, 2))
TARGETS = FEATURES @ np.array([1.0, -0.5]) + 0.3 * ROWS.normal(size=10)
COUNTS = ROWS.poisson(2.0, size=10) * (ROWS.random(10) < 0.7).astype(float)
"""Ten rows for regressions: features (10, 2), real targets, and counts with more zeros than a Poisson has."""


def named(problem: Problem) -> str:
    """What the gate says of the value of a problem: "holds", or what the diagnosis names."""
    report = check_target(Target("named", [problem]), on_fail="report")
    failed = next((one.result for one in report.failures if one.check == "value"), None)
    if failed is None:
        return "; ".join(f"{one.check} {one.outcome}" for one in report.failures) or "holds"
    assert failed.diagnosis is not None
    return failed.diagnosis.sentence


def value_of(problem: Problem) -> Outcome:
    """The outcome of the value check alone."""
    result = value(problem)
    assert result is not None
    return result.outcome


def apart(problem: Problem) -> float:
    """|F reported − F declared| over Σ|terms|, without anything being compiled."""
    declaration, params = problem.declaration, problem.code_params(problem.vector)
    shares = plain(declaration.data_weights)
    parts = [shares * plain(declaration.entropy)]
    with double_precision():
        for factor in declaration.factors:
            points = summed(factor, declaration, log_density_of(factor))
            parts.append(shares[:, None] * factor.weight * plain(averaged(factor, declaration, points)))
    declared = sum(float(part.sum()) for part in parts)
    scale = sum(float(np.abs(part).sum()) for part in parts)
    return abs(float(plain(problem.call("elbo", params))) - declared) / scale
