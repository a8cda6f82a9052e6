"""A reading names a formula only where its term varies, or is a usual one; everything that fits is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from elbocheck import Problem, Target, check_target
from elbocheck.bound.log_density import LogDensity
from elbocheck.checks.compare import told_apart
from elbocheck.diagnosis.influence import parts
from elbocheck.families.base import parts_of
from elbocheck.outcome import Result
from support.real_code import CASES
from support.real_models import MODELS

MAKERS = {name: make for name, (make, *_) in (CASES | MODELS).items() if name not in ("below its ELBO", "jitter")}
BETWEEN = [np.exp(x) for x in np.random.default_rng(7).uniform(-6.0, 2.0, size=12)]


def first(problem: Problem) -> Result:
    (found, *_) = check_target(Target("planted", [problem]), on_fail="report").failures
    assert found.result is not None
    return found.result


def plus(problem: Problem, size: Any) -> Problem:
    elbo = problem.elbo
    assert elbo is not None
    return replace(problem, elbo=lambda p: elbo(p) + (size(p) if callable(size) else size))


@pytest.mark.parametrize("name", MAKERS)
def test_a_random_constant_is_no_multiple_of_anything(name: str) -> None:
    problem = MAKERS[name](False)
    for constant in BETWEEN[:4] if name in CASES else BETWEEN[4:7]:
        for sign in (1.0, -1.0):
            said = first(plus(problem, sign * constant)).reading
            assert "a constant of" in said, said


@pytest.mark.parametrize("name", MAKERS)
def test_a_usual_constant_is_told_as_one(name: str) -> None:
    """½ log 2π once for every datum, and of each element: of the factors that hold it, or of q."""
    problem = MAKERS[name](False)
    said = first(plus(problem, 0.5 * np.log(2 * np.pi))).reading
    factors = problem.declaration.factors
    holds_it = any(parts_of(one.distribution).log_pi for one in factors)
    may_hold_it = any(one.distribution.family == LogDensity.family for one in factors)  # given by numbers
    expected = ["log 2π"] if holds_it else ["a constant of", *(["log 2π"] if may_hold_it else [])]
    assert any(one in said for one in expected), said


def test_what_a_part_depends_on() -> None:
    found = {one.label: one.blocks for one in parts(MAKERS["Bayesian mixture"](False))}
    assert found["factor pi"] == {"alpha"}
    assert found["factor z"] == {"alpha", "r"}
    assert found["factor x"] == {"mean", "count", "shape", "rate", "r"}
    assert found["factor components"] == {"mean", "count", "shape", "rate"}
    assert found["the entropy of q(z)"] == {"r"}


@pytest.mark.parametrize(
    ("block", "places"),
    [("alpha", {"pi", "z", "q"}), ("r", {"z", "x", "q"}), ("rate", {"components", "x", "q"})],
)
def test_no_other_part_is_blamed(block: str, places: set[str]) -> None:
    """Something that depends on one block is blamed on parts that depend on it, whatever its size."""
    problem = plus(MAKERS["Bayesian mixture"](False), lambda p: 0.01 * np.sum(np.sin(p[block])))
    diagnosis = first(problem).diagnosis
    assert diagnosis is not None
    assert {diagnosis.factor, *diagnosis.others} <= places


def test_small_and_smooth_or_noise() -> None:
    """A jitter is told from single precision, and neither from a formula."""
    problem = MAKERS["global weights"](False)
    jitter = first(plus(problem, lambda p: 1e-9 * np.sum(p["m"] ** 2)))
    assert "jitter" in jitter.reading
    elbo = problem.elbo
    assert elbo is not None
    single = replace(problem, elbo=lambda p: elbo(p) + 0.0 if np.iscomplexobj(elbo(p)) else float(np.float32(elbo(p))))
    assert "single precision" in first(single).reading


def test_numbers_are_printed_to_the_digits_in_which_they_differ() -> None:
    assert told_apart(-1.23456789012345, -1.23456789012399) == ("-1.23456789012345", "-1.23456789012399")
    assert told_apart(-1.25, 3.5) == ("-1.25", "3.5")
    assert told_apart(1.0, np.nan) == ("1", "nan")
    assert told_apart(0.0, 1e-12) == ("0", "1e-12")
