"""Every check of a downstream's bound accepts a correct one and rejects the faults it exists for, with the cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from elbocheck import Departure, Problem, decompose
from elbocheck.checks.table import OF_TARGETS
from elbocheck.diagnosis.diagnose import diagnose
from elbocheck.errors import InputError
from elbocheck.outcome import Outcome, Result
from support.targets import START, Mixture

MIXTURE = Mixture()
CORRECT = MIXTURE.problem()


def plus(size: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda p: MIXTURE.elbo(p) + size(p)


def with_gradient(change: Callable[[Any], Any]) -> dict[str, Any]:
    return {"grad": lambda p: change(MIXTURE.gradient(p))}


def doubled_means(gradient: Any) -> Any:
    gradient["components"]["means"] = 2 * gradient["components"]["means"]
    return gradient


def dependent_on_order(p: Any, rows: np.ndarray) -> Any:
    return MIXTURE.subset(p, rows) + 1e-9 * rows[0]


# name -> (changed fields, check that rejects it, kind, factor, part of the suspect)
FAULTS: dict[str, tuple[dict[str, Any], str, str, str, str]] = {
    "loss": ({"elbo": lambda p: -MIXTURE.elbo(p)}, "convention", "sign", "", "loss"),
    "total": ({"elbo": lambda p: 6 * MIXTURE.elbo(p)}, "convention", "scale", "", "total over N = 6"),
    "batch": ({"elbo": lambda p: 3 * MIXTURE.elbo(p)}, "convention", "scale", "", "batch"),
    "constant": ({"elbo": plus(lambda p: 0.5 * np.log(2 * np.pi))}, "value", "value", "x", "½ log 2π"),
    "tiny": ({"elbo": plus(lambda p: 1e-11)}, "value", "value", "", "a constant"),
    "tilted": ({"elbo": plus(lambda p: 1e-3 * np.sum(p["logits"] ** 2))}, "value", "value", "z", ""),
    "gradient of means": (with_gradient(doubled_means), "gradient", "gradient", "x", "twice as large"),
    "evidence": ({"log_evidence": lambda p: MIXTURE.evidence(p) - 1e-9}, "evidence", "data", "q", ""),
    "loose": ({"log_evidence": lambda p: MIXTURE.evidence(p) + 1e-9}, "evidence", "data", "q", ""),
    "sum": ({"subset": lambda p, rows: len(rows) / 6 * MIXTURE.subset(p, rows)}, "scale", "scale", "", ""),
    "particles": ({"particles": (MIXTURE.elbo, plus(lambda p: 1e-9))}, "scale", "scale", "", ""),
    "order": ({"subset": dependent_on_order}, "permutation", "data", "", ""),
    "n − 1": ({"fit": lambda p: MIXTURE.em(p, count=0.1)}, "fit", "training", "x", ""),
    "frozen weights": (
        {"fit": lambda p: {**MIXTURE.em(p), "logits": np.asarray(p["logits"])}},
        "fit",
        "training",
        "z",
        "",
    ),
}


def judge(problem: Problem, name: str) -> Result:
    result = OF_TARGETS[name].run(problem)
    assert result is not None
    return result


@pytest.mark.parametrize("name", OF_TARGETS)
def test_correct_code_passes(name: str) -> None:
    assert OF_TARGETS[name].applies(CORRECT)
    result = judge(CORRECT, name)
    assert result.outcome is Outcome.HOLDS, result.message
    assert diagnose(CORRECT, result) is None


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_rejected_with_the_cause(name: str) -> None:
    fields, check, kind, factor, suspect = FAULTS[name]
    problem = MIXTURE.problem(**fields)
    result = judge(problem, check)
    assert result.outcome is Outcome.VIOLATED, result
    found = diagnose(problem, result)
    assert found is not None
    assert (found.kind, found.factor) == (kind, factor), found
    assert suspect in found.suspect, found


def test_value_needs_no_luck_with_the_parameters() -> None:
    """At variances of 1 a wrong log σ² is invisible, and at a nearby point it is not."""
    ones = {"logits": START["logits"], "components": {"means": START["components"]["means"], "variances": [1.0, 1.0]}}

    def doubled(p: Any) -> Any:
        log_variances = np.log(np.stack(p["components"]["variances"]))
        return MIXTURE.elbo(p) - 0.5 * np.mean(np.sum(MIXTURE.responsibilities(p) * log_variances, axis=1))

    problem = MIXTURE.problem(params=ones, elbo=doubled)
    assert abs(float(doubled(ones)) - float(MIXTURE.elbo(ones))) == 0.0
    result = judge(problem, "value")
    assert result.outcome is Outcome.VIOLATED
    found = diagnose(problem, result)
    assert found is not None
    assert found.suspect == "twice: ½ log σ²"


def test_training_that_stops_early_is_told_from_a_wrong_fixed_point() -> None:
    nearly = judge(MIXTURE.problem(fit=lambda p: MIXTURE.em(p, steps=13)), "fit")
    assert nearly.outcome is Outcome.HOLDS
    assert "stopped early" in nearly.note
    early = judge(MIXTURE.problem(fit=lambda p: MIXTURE.em(p, steps=5)), "fit")
    assert early.outcome is Outcome.INCONCLUSIVE
    assert "run it longer" in early.message


def shrunk_variances(gap: float) -> Problem:
    """An M-step whose variances are too small by 1 %: gap_x = −½ Σ_c r̄_c 0.01/0.99 … = ½(1 − 1/0.99) per dimension."""

    def fit(p: Any) -> Any:
        for _ in range(3000):
            p = MIXTURE.em(p, steps=1)
            p["components"]["variances"] = [0.99 * v for v in p["components"]["variances"]]
        return p

    return MIXTURE.problem(fit=fit, departures=(Departure("variances × 0.99", {"x": gap}),))


def test_known_departures_are_subtracted_and_named() -> None:
    explained = judge(shrunk_variances(0.5 * (1 - 1 / 0.99)), "fit")
    assert explained.outcome is Outcome.HOLDS, explained.message
    assert explained.note == "explained by variances × 0.99"
    wrong = judge(shrunk_variances(0.5 * (1 - 1 / 0.98)), "fit")
    assert wrong.outcome is Outcome.VIOLATED
    assert "variances × 0.99" in wrong.message


def test_annealing_is_declared_with_weights() -> None:
    """F_b = E log p(x | z) + b (H[q] + E log p(z)), q its optimum: every identity holds with the declared weights."""
    weight = 0.3

    def annealed_q(p: Any) -> tuple[Any, Any, Any]:
        log_pi = p["logits"] - np.log(np.sum(np.exp(p["logits"])))
        log_x = MIXTURE.log_joint(p) - log_pi
        r = np.exp(log_pi + log_x / weight)
        return r / r.sum(axis=1, keepdims=True), log_pi, log_x

    def annealed(p: Any) -> Any:
        r, log_pi, log_x = annealed_q(p)
        return np.mean(np.sum(r * (log_x + weight * (log_pi - np.log(r))), axis=1))

    def declared(p: Any, weight: float = weight) -> Any:
        one = MIXTURE.factors(p)
        z, x = one.factors
        q = {"weights": annealed_q(p)[0], "entropy_weight": weight, "optimal": False}
        return replace(one, factors=(replace(z, weight=weight), x), **q)

    plain = Problem(START, annealed, lambda p: declared(p, 1.0))
    found = diagnose(plain, judge(plain, "value"))
    assert found is not None
    assert found.suspect == "β ≠ 1: KL × 0.3"
    problem = Problem(START, annealed, declared)
    for name in ("convention", "value", "every point"):
        result = judge(problem, name)
        assert result.outcome is Outcome.HOLDS, result.message


@pytest.mark.parametrize("name", OF_TARGETS)
def test_checks_need_what_they_compare(name: str) -> None:
    bare = Problem(START, factors=MIXTURE.factors)
    needs = name not in ("every point", "gradient")
    assert OF_TARGETS[name].applies(bare) is not needs
    if needs or name == "gradient":
        assert OF_TARGETS[name].run(bare) is None


def test_training_of_a_black_box_is_judged_on_its_declaration() -> None:
    """float() allows differences only: the stationary point is sought on the declared bound, which is exact."""

    def opaque(p: Any) -> float:
        return float(np.real(MIXTURE.elbo({**p, "logits": np.array([float(np.real(v)) for v in p["logits"]])})))

    problem = MIXTURE.problem(elbo=opaque, fit=lambda p: MIXTURE.em(p, count=0.1))
    result = judge(problem, "fit")
    assert problem.compiled.backend.error_of(problem.compiled.gradient) > 0.0
    assert result.outcome is Outcome.VIOLATED, result.message
    assert "it leaves" in result.message
    assert judge(MIXTURE.problem(elbo=opaque), "fit").outcome is Outcome.HOLDS


def test_factors_may_name_the_same_parameters() -> None:
    """Names are hints: neither is refused, and both factors are covered."""

    def shared(p: Any) -> Any:
        one = MIXTURE.factors(p)
        return replace(
            one, factors=(replace(one.factors[0], parameters=("logits", "components.means")), one.factors[1])
        )

    problem = MIXTURE.problem(factors=shared)
    assert judge(problem, "every point").outcome is Outcome.HOLDS
    assert all(claim.covered for claim in decompose(problem).claims)


def test_parameters_of_another_structure_are_refused() -> None:
    with pytest.raises(InputError, match=r"params have the shapes .*'logits': \(2,\)"):
        decompose(CORRECT, {"logits": np.zeros(2)})
