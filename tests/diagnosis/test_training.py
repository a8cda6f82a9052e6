"""What `fit` says of training that ends at the wrong place, below its start, at a saddle, or of a wrong bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from elbocheck import Problem
from elbocheck.checks.table import OF_TARGETS
from elbocheck.diagnosis.diagnose import diagnose
from elbocheck.outcome import Diagnosis, Outcome, Result
from support.targets import Mixture, X

MIXTURE = Mixture()
EQUAL = {"logits": np.zeros(2), "components": {"means": np.full(2, 0.3), "variances": [1.1, 1.1]}}
"""Two components that are one: EM keeps them so, and ends at a saddle."""


def judge(problem: Problem, name: str = "fit") -> Result:
    result = OF_TARGETS[name].run(problem)
    assert result is not None
    return result


def reading(problem: Problem) -> Diagnosis:
    result = judge(problem)
    assert result.outcome is Outcome.VIOLATED, result
    found = result.diagnosis or diagnose(problem, result)
    assert found is not None
    return found


def ascent(p: Any, rate: float, steps: int = 200) -> Any:
    """Plain gradient steps; a negative rate is the usual wrong sign."""
    for _ in range(steps):
        slope = MIXTURE.gradient(p)
        variances = np.stack(p["components"]["variances"])
        variances = variances * np.exp(rate * variances * np.stack(slope["components"]["variances"]))
        p = {
            "logits": p["logits"] + rate * slope["logits"],
            "components": {
                "means": p["components"]["means"] + rate * slope["components"]["means"],
                "variances": list(variances),
            },
        }
    return p


def made_equal(p: Any) -> Any:
    """EM that gives both components the same parameters after each step, as a mean over the wrong axis does."""
    for _ in range(200):
        p = MIXTURE.em(p, steps=1)
        means, variances = (np.stack(p["components"][name]) for name in ("means", "variances"))
        p = {
            "logits": p["logits"],
            "components": {"means": np.full(2, means.mean()), "variances": list(np.full(2, variances.mean()))},
        }
    pooled = {"means": np.full(2, X.mean()), "variances": list(np.full(2, X.var()))}
    return {"logits": np.zeros(2), "components": pooled}


@pytest.mark.parametrize(
    ("name", "elbo"),
    {
        "a constant": lambda p: MIXTURE.elbo(p) + 0.1,
        "half of a term": lambda p: MIXTURE.elbo(p) + 0.1 * np.mean(np.stack(p["components"]["variances"])),
    }.items(),
)
def test_a_fault_of_the_value_is_not_reported_again_as_wrong_training(name: str, elbo: Callable[[Any], Any]) -> None:
    for count in (0.0, 0.1):
        problem = MIXTURE.problem(elbo=elbo, grad=None, fit=lambda p, count=count: MIXTURE.em(p, count=count))
        assert judge(problem, "value").outcome is Outcome.VIOLATED
        result = judge(problem)
        if name == "a constant" and not count:  # which training does not see
            assert result.outcome is Outcome.HOLDS
            assert result.note == "but for the value, training is right"
        else:
            assert result.outcome is Outcome.INCONCLUSIVE
            assert "training cannot be judged by a bound that the check value rejects" in result.message


def test_nor_is_a_fault_of_the_gradient() -> None:
    def doubled(p: Any) -> Any:
        gradient = MIXTURE.gradient(p)
        return {**gradient, "logits": gradient["logits"] + 0.1 * (p["logits"] - p["logits"].mean())}

    problem = MIXTURE.problem(grad=doubled, fit=lambda p: MIXTURE.em(p, count=0.1))
    assert judge(problem, "gradient").outcome is Outcome.VIOLATED
    result = judge(problem)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "every point" in result.message or "gradient" in result.message


def test_nor_is_a_wrong_bound_whose_training_leaves_the_numbers() -> None:
    def lost(p: Any) -> Any:
        return {**p, "logits": np.full(2, np.nan)}

    assert judge(MIXTURE.problem(fit=lost)).outcome is Outcome.VIOLATED
    wrong = MIXTURE.problem(elbo=lambda p: MIXTURE.elbo(p) + 0.1, fit=lost)
    assert judge(wrong).outcome is Outcome.INCONCLUSIVE


def test_a_value_that_is_wrong_only_where_training_stops() -> None:
    """A floor under the variances that only the end of training reaches: the value is at fault, not training."""

    def floored(p: Any) -> Any:
        missing = np.log(2 * np.pi) * (np.min(np.real(np.stack(p["components"]["variances"]))) < 0.5)
        return MIXTURE.elbo(p) + 0.5 * missing

    problem = MIXTURE.problem(elbo=floored, grad=None)
    assert judge(problem, "value").outcome is Outcome.HOLDS
    found = reading(problem)
    assert (found.kind, found.factor) == ("value", "x"), found
    assert "½ log 2π" in found.suspect
    assert "where training stops" in judge(problem).message


def test_training_that_lowers_the_bound() -> None:
    problem = MIXTURE.problem(fit=lambda p: ascent(p, -0.05, 20))
    assert "below where it began" in judge(problem).message
    assert (reading(problem).kind, reading(problem).suspect) == ("training", "lowers the bound")
    assert judge(MIXTURE.problem(fit=lambda p: ascent(p, 0.05))).outcome is Outcome.INCONCLUSIVE
    assert judge(MIXTURE.problem(fit=lambda p: ascent(p, 0.1, 20000))).outcome is Outcome.HOLDS


def test_a_saddle_that_training_does_not_leave() -> None:
    found = reading(MIXTURE.problem(fit=made_equal))
    assert (found.kind, found.suspect) == ("training", "a saddle")


def test_a_saddle_where_right_training_was_started_is_none() -> None:
    """EM keeps equal components equal; from a step beside it leaves, which a note says."""
    result = judge(MIXTURE.problem(params=EQUAL))
    assert result.outcome is Outcome.HOLDS, result.message
    assert "training stopped at a saddle" in result.note
    assert not judge(MIXTURE.problem()).note


def test_unsettled_training_is_not_said_to_need_longer() -> None:
    """A step that is far too long jumps to and fro."""
    result = judge(MIXTURE.problem(fit=lambda p: ascent(p, 5.0, 400)))
    assert result.outcome is not Outcome.HOLDS
    assert "run it longer" not in result.message
