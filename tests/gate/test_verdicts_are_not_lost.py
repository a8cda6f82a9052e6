"""One check that cannot be finished costs its own verdict only: calls that hang, raise, end in NaN or need memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elbocheck import Declaration, Factor, Problem, Target, check_target
from elbocheck.errors import ElbocheckError, InputError, TargetError
from elbocheck.families import Bernoulli, NegativeBinomial
from elbocheck.gate.sources import load_targets
from elbocheck.outcome import Outcome
from support.targets import Mixture

MIXTURE = Mixture()


def hanging(*_: Any) -> Any:
    while True:
        time.sleep(0.01)


def hoarding(*_: Any) -> Any:
    raise MemoryError("Unable to allocate 243 GiB")


def raising(*_: Any) -> Any:
    raise RuntimeError("no convergence")


def outcomes(**changes: Any) -> dict[str, tuple[Outcome, str]]:
    target = Target("one", [MIXTURE.problem(**changes)], timeout=0.5)
    report = check_target(target, on_fail="report")
    assert report.exit_code == 1
    return {one.check: (one.result.outcome, one.result.message) for one in report.checked if one.result is not None}


@pytest.mark.parametrize(
    ("field", "check"),
    [("fit", "fit"), ("log_evidence", "evidence"), ("subset", "scale"), ("subset", "permutation")],
)
@pytest.mark.parametrize(
    ("code", "said"),
    [(hanging, "did not come back within 0.5 s"), (hoarding, "243 GiB"), (raising, "RuntimeError: no convergence")],
)
def test_a_check_without_verdict_leaves_the_others(field: str, check: str, code: Any, said: str) -> None:
    found = outcomes(**{field: code})
    assert found[check][0] is Outcome.INCONCLUSIVE
    assert said in found[check][1]
    others = {outcome for name, (outcome, _) in found.items() if name not in (check, "scale", "permutation")}
    assert others == {Outcome.HOLDS}


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_training_that_leaves_the_numbers_has_failed(number: float) -> None:
    found = outcomes(fit=lambda p: {**p, "logits": np.full(2, number)})
    assert found["fit"][0] is Outcome.VIOLATED
    assert "not finite" in found["fit"][1]
    assert {outcome for name, (outcome, _) in found.items() if name != "fit"} == {Outcome.HOLDS}


def test_compilation_and_the_work_of_elbocheck_do_not_count() -> None:
    """Many calls, each of which is allowed its time."""
    slow = MIXTURE.problem(elbo=lambda p: (time.sleep(0.05), MIXTURE.elbo(p))[1], fit=None)
    assert check_target(Target("slow", [slow], timeout=0.3)).seconds > 0.5


def test_import_and_recipes_have_the_limit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hypothesis.strategies as st

    def recipe(seed: int) -> Problem:
        hanging()
        raise AssertionError

    with pytest.raises(TargetError, match=r"problems\(\*\*arguments\) did not come back within 0.3 s"):
        check_target(Target("recipe", recipe, {"seed": st.integers(0, 9)}, timeout=0.3))
    (tmp_path / "endless.py").write_text("import time\nwhile True:\n    time.sleep(0.01)\n")
    monkeypatch.setattr("elbocheck.limits.IMPORT", 0.3)
    with pytest.raises(InputError, match=r"did not come back within 0\.3 s"):
        load_targets(f"{tmp_path / 'endless.py'}:target")


MISFITS: dict[str, tuple[Any, str]] = {
    "shapes that do not broadcast": (lambda: Bernoulli(np.zeros(3)), "factor 'x': its log density raised ValueError"),
    "text for an array": (lambda: Bernoulli("0.5"), "factor 'x': its log density raised"),
    "arrays of counts": (lambda: NegativeBinomial(np.zeros(2), np.array([1.5, 2.5])), ""),
}


@pytest.mark.parametrize("name", MISFITS)
def test_families_that_do_not_fit_are_one_paragraph(name: str) -> None:
    make, said = MISFITS[name]
    x = np.array([[1.0, 0.0], [0.0, 1.0]])

    def declare(p: Any) -> Declaration:
        return Declaration((Factor("x", make(), x[:, None]),), np.ones((2, 1)), np.zeros(2), np.full(2, 0.5))

    problem = Problem({"l": np.array(0.3)}, lambda p: -1.0 + 0.0 * p["l"], declare)
    if said:
        with pytest.raises(ElbocheckError, match=said):
            check_target(Target("misfit", [problem]))
    else:
        assert check_target(Target("counts", [problem]), on_fail="report").exit_code == 1  # a wrong value, not a crash


def test_differences_that_differ_from_zero_by_rounding_are_zero() -> None:
    """The criterion of the catalogue does not refuse a derivative of 1e-13, which differences cannot tell from 0."""
    from elbocheck.bound.criterion import criteria

    problem = MIXTURE.problem(
        factors=lambda p: MIXTURE.factors({**p, "logits": np.asarray([float(np.real(v)) for v in p["logits"]])})
    )
    assert set(criteria(problem)) == {"z", "x"}
