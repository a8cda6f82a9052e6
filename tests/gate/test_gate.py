"""The gate from outside: targets that cannot be judged, reports, cases and their repetition, known failures, doors."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from rich.console import Console

from elbocheck import Declaration, Factor, Problem, Target, check_target, iter_checks, load_known_failures
from elbocheck.checks import every_point
from elbocheck.commands.replay import replay
from elbocheck.commands.targets import rows_of, verify_targets
from elbocheck.errors import ElbocheckError, InputError, TargetError
from elbocheck.families import Bernoulli
from elbocheck.gate.failure_text import explain_failure
from elbocheck.gate.known_failures import KnownFailure
from elbocheck.gate.records import CheckFailure, CheckReport
from elbocheck.gate.replays import target_replay
from elbocheck.gate.sources import load_targets
from elbocheck.models import find_cell
from elbocheck.outcome import Outcome
from elbocheck.replay_files import read_replay, write_replay
from elbocheck.runs.replays import sample_replay
from elbocheck.strategies import draw_many, samples
from support import targets
from support.processes import python
from support.targets import START, Mixture, X

MIXTURE = Mixture()
HERE = Path(targets.__file__).parent


def in_place(p: Any) -> Any:
    p["components"]["means"] += 1.0
    return MIXTURE.elbo(p)


def raising(p: Any) -> Any:
    raise ValueError("matrix is singular")


def hanging(p: Any) -> Any:
    while True:
        time.sleep(0.01)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "raises": ({"elbo": raising}, r"elbo\(params\) raised ValueError: matrix is singular"),
    "NaN": ({"elbo": lambda p: MIXTURE.elbo(p) + np.nan}, "is nan at the problem's own parameters"),
    "vector": ({"elbo": lambda p: np.zeros(6)}, r"must return one number, nats per datum; got shape \(6,\)"),
    "nothing": ({"elbo": lambda p: None}, "must return one number"),
    "whole number": ({"elbo": lambda p: 3}, "real floating-point number; got 3"),
    "single precision": ({"elbo": lambda p: np.float32(MIXTURE.elbo(p).real)}, "computes in float32"),
    "changes its input": ({"elbo": in_place}, r"changes its input in place \('components.means'\)"),
    "random": ({"elbo": lambda p: MIXTURE.elbo(p) + np.random.default_rng().normal()}, "differs between two calls"),
    "hangs": ({"elbo": hanging}, "did not come back within 0.5 s"),
    "factors raise": ({"factors": raising}, r"factors\(params\) raised ValueError"),
    "no declaration": ({"factors": lambda p: (1, 2)}, "must return a Declaration; got tuple"),
    "gradient of another structure": ({"grad": lambda p: {"logits": np.zeros(2)}}, "'components.means' is missing"),
    "gradient of another shape": (
        {"grad": lambda p: {"logits": np.zeros(3), "components": START["components"]}},
        r"'logits' has the shape \(3,\)",
    ),
    "unknown block": (
        {
            "factors": lambda p: Declaration(
                (MIXTURE.factors(p).factors[0],) * 2, MIXTURE.responsibilities(p), None, np.full(6, 1 / 6)
            )
        },
        "two factors are called 'z'",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_targets_get_a_paragraph_and_exit_code_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    fields, message = BAD[name]
    target = Target("bad", [MIXTURE.problem(**fields)], timeout=0.5 if name == "hangs" else 60.0)
    with pytest.raises(ElbocheckError, match=message):
        check_target(target)
    report, code = verify_targets([target], "somewhere:bad", "quick", (), Console(quiet=True))
    assert (code, report.rows) == (2, ())
    said = capsys.readouterr().err
    assert "cannot be judged" in said
    assert "Traceback" not in said
    assert max(len(line) for line in said.splitlines()) <= 80


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Target("", [MIXTURE.problem()]), "needs a name"),
        (lambda: Target("t", []), "non-empty sequence"),
        (lambda: Target("t", [3]), "3 in `problems` is not a Problem"),  # type: ignore[list-item]
        (lambda: Target("t", targets.drawn, {"seed": 3}), "must be Hypothesis strategies"),  # type: ignore[dict-item]
        (lambda: Target("t", targets.drawn, {"sead": st.integers()}), "does not fit.*'seed'"),
        (
            lambda: Target("t", [MIXTURE.problem()], timeout=0),
            "timeout must be a number of seconds from 0.001 to 1e\\+06; got 0",
        ),
        (lambda: Problem({"a": np.array([np.nan])}, factors=MIXTURE.factors), "'a' is not finite"),
        (lambda: Problem({}, factors=MIXTURE.factors), "holds no array"),
        (lambda: Problem(START), "`factors` is missing"),
        (lambda: Problem(START, factors=3), "`factors` must be a function; got 3"),  # type: ignore[arg-type]
        (lambda: Problem(START, factors=MIXTURE.factors, free={"logit": True}), r"`free` names \['logit'\]"),
        (lambda: Problem(START, factors=MIXTURE.factors, library="tensorflow"), "got 'tensorflow'"),
        (lambda: Problem({"a": "b", "c": 1j}, factors=MIXTURE.factors), "'c' must hold real numbers"),
        (lambda: check_target(Target("t", targets.drawn, {"seed": st.just(1), "count": st.just(0)})), "."),
    ],
)
def test_wrong_fields_are_named_with_their_value(make: Callable[[], Any], message: str) -> None:
    with pytest.raises((InputError, ElbocheckError), match=message):
        make()


def test_a_correct_target_passes_every_check() -> None:
    report = check_target(targets.target)
    assert report.ok
    assert {one.check for one in report.results} == {run.check for run in iter_checks(targets.target)}
    assert all(one.outcome is Outcome.HOLDS for one in report.results)


def test_a_wrong_target_raises_with_everything_a_person_needs() -> None:
    with pytest.raises(CheckFailure) as caught:
        check_target(Target("wrong", [MIXTURE.problem(elbo=lambda p: 0.5 + MIXTURE.elbo(p))]))
    text = str(caught.value)
    for part in (
        "promise",
        "(theory,",
        "target    wrong, N = 6; elbocheck",
        "numpy",
        "reading   factor x",
        "½ per dimension",
    ):
        assert part in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert caught.value.report.exit_code == 1


def test_failures_of_drawn_problems_are_shrunk(broken_report: CheckReport) -> None:
    case = broken_report.failures[0].case
    assert case.arguments is not None
    assert 5 <= case.arguments["count"] <= 6  # 5 is the simplest; the time for shrinking is limited


@dataclass
class Left:
    """What a failing run leaves."""

    case: Path
    text: str
    code: int


@pytest.fixture(scope="module")
def failing_run(tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder = tmp_path_factory.mktemp("failing")
    console = Console(record=True, width=80, file=io.StringIO())
    with contextlib.chdir(folder):
        _, code = verify_targets([targets.broken], f"{HERE / 'targets.py'}:broken", "quick", (), console)
    (case,) = [one for one in folder.glob("elbocheck-cases/*.json") if "value" in one.name]
    return Left(case, console.export_text(), code)


@pytest.fixture
def left(failing_run: Left, tmp_path: Path) -> Left:
    """In a folder of the test's own, where it can be damaged."""
    shutil.copytree(failing_run.case.parents[1], tmp_path, dirs_exist_ok=True)
    return replace(failing_run, case=tmp_path / failing_run.case.relative_to(failing_run.case.parents[1]))


@pytest.fixture(scope="module")
def broken_report() -> CheckReport:
    """Of the broken target, whose failures are shrunk for some seconds."""
    return check_target(targets.broken, on_fail="report")


def test_a_failure_is_repeated_from_its_case(left: Left) -> None:
    assert left.code == 1
    assert f"elbocheck replay {left.case.relative_to(left.case.parents[1])}" in left.text
    again = replay(left.case)
    assert again.result is not None
    assert again.result.outcome.value == again.recorded == "violated"
    assert again.result.gap == read_replay(left.case)["gap"]
    assert not list(left.case.parent.glob("*.part"))


def test_cases_keep_every_bit_of_a_catalogue_problem(tmp_path: Path) -> None:
    sample = draw_many(samples(find_cell("poisson-mixture/exact")), 3, entropy=1)[-1]
    result = every_point(sample.problem())
    path = write_replay(sample_replay(sample, result), tmp_path)
    again = replay(path)
    assert again.result is not None
    assert (again.result.gap, again.result.bound) == (result.gap, result.bound)
    assert path == write_replay(sample_replay(sample, result), tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"check": "valeu"}, "unknown check 'valeu'"),
        ({"name": "other"}, "no target called 'other'"),
        ({"arguments": {"mapping": {"seed": {"array": "!"}}}}, "damaged"),
        ({"target": "nowhere:target"}, "cannot load 'nowhere'"),
    ],
)
def test_damaged_cases_are_refused(left: Left, change: dict[str, Any], message: str) -> None:
    left.case.write_text(json.dumps({**read_replay(left.case), **change}), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        replay(left.case)


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "target"}'])
def test_other_files_are_no_cases(tmp_path: Path, text: str) -> None:
    (tmp_path / "case.json").write_text(text)
    with pytest.raises(InputError, match="is no case"):
        replay(tmp_path / "case.json")


def test_problems_drawn_directly_cannot_be_written_down() -> None:
    target = Target("direct", st.just(MIXTURE.problem(elbo=lambda p: 1.0 + MIXTURE.elbo(p))))
    report = check_target(target, on_fail="report")
    assert report.failures
    assert target_replay(report.failures[0], target, "") is None


KNOWN = KnownFailure("broken mixtures::value", "½ log 2π")


def test_known_failures_are_strict_both_ways() -> None:
    both = (KNOWN, KnownFailure("broken mixtures::every*", "the same"))
    assert check_target(targets.broken, known_failures=both).ok
    passing = (*both, KnownFailure("broken mixtures::convention", "no reason"))
    nothing = (*both, KnownFailure("other::value", "no reason"))
    for known, what in ((passing, "passes now"), (nothing, "matches no check")):
        report = check_target(targets.broken, known_failures=known, on_fail="report")
        assert report.exit_code == 1
        assert what in report.stale[0]


def test_expired_failures_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text('[[known]]\nid = "broken mixtures::*"\nreason = "½ log 2π"\nexpires = 2001-01-01\n')
    report = check_target(targets.broken, known_failures=load_known_failures(path), on_fail="report")
    assert report.failures
    assert "expired on 2001-01-01" in report.stale[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[known", "no TOML file"),
        ("[[knwon]]\n", "expected entries"),
        ("known = 3", "expected entries"),
        ('[[known]]\nid = "a"\n', r"entry 1: without \['reason'\]"),
        ('[[known]]\nid = "a"\nreason = " "\n', "non-empty `reason`"),
        ('[[known]]\nid = "a"\nreason = "b"\ndate = "soon"\n', "`date` must be a date"),
        ('[[known]]\nid = "a"\nreason = "b"\nwho = "me"\n', r"unknown \['who'\]"),
    ],
)
def test_lists_of_known_failures_are_validated(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_known_failures(path)
    with pytest.raises(InputError, match="cannot read"):
        load_known_failures(tmp_path / "missing.toml")


def test_rows_have_the_common_layout(broken_report: CheckReport) -> None:
    rows = rows_of(targets.broken, broken_report)
    assert [row.check for row in rows if row.outcome == "violated"] == ["value", "every point"]
    assert all(row.target == "broken mixtures" for row in rows)


def test_black_boxes_that_do_not_continue_are_checked_with_differences() -> None:
    """float() keeps complex steps out; the bounds are wider then, and say so."""
    problem = MIXTURE.problem(elbo=lambda p: MIXTURE.elbo({**p, "logits": np.asarray(p["logits"], dtype=float)}))
    assert every_point(problem).outcome is Outcome.HOLDS
    assert problem.compiled.slope(declared=False).error > 0.0
    wrong = MIXTURE.problem(elbo=lambda p: (1 + 1e-6) * MIXTURE.elbo({**p, "logits": np.asarray(p["logits"], float)}))
    assert every_point(wrong).outcome is Outcome.VIOLATED


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Python, with `targets` as a module of the user's own."""
    return python(*arguments, folder=folder, environment={**os.environ, "PYTHONPATH": str(HERE)})


def test_the_command_line(tmp_path: Path) -> None:
    command = ("-m", "elbocheck")
    good = run(*command, "verify", "targets:target", "--json", "report.json", folder=tmp_path)
    assert good.returncode == 0, good.stderr
    assert "mixture: 8 checks, 8 holds" in good.stdout
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["summary"]["violated"] == 0
    assert {cell["target"] for cell in content["cells"]} == {"mixture"}
    bad = run(*command, "verify", "targets:broken", "--json", "bad.json", folder=tmp_path)
    assert bad.returncode == 1
    readings = {one["check"]: one["reading"] for one in json.loads((tmp_path / "bad.json").read_text())["cells"]}
    assert "½ log 2π per dimension" in readings["value"]
    assert readings["convention"] == ""
    assert "reading   factor x: ½ log 2π per dimension" in bad.stdout
    line = next(line for line in bad.stdout.splitlines() if "elbocheck replay" in line)
    again = run(*command, *line.split()[2:], folder=tmp_path)
    assert again.returncode == 1
    assert "violated (as recorded)" in again.stdout
    for wrong in (["nowhere:target"], ["targets:nothing"], ["targets:X"], ["targets:target", "--dtype", "float32"]):
        refused = run(*command, "verify", *wrong, folder=tmp_path)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert len(refused.stderr.splitlines()) == 1
    assert "targets are checked in float64" in refused.stderr


def test_the_pytest_door(tmp_path: Path) -> None:
    command = ("-m", "pytest", "--pyargs", "elbocheck.properties", "-p", "no:cacheprovider")
    good = run(
        *command,
        "--elbocheck-target",
        "targets:target",
        "--elbocheck-report",
        "r.json",
        "--junitxml",
        "j.xml",
        folder=tmp_path,
    )
    assert good.returncode == 0, good.stdout
    assert "target targets:target, dtype float64, profile quick" in good.stdout
    assert "mixture: 8 checks, 8 holds" in good.stdout
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["summary"]["cells"], report["backend"], report["dtype"]) == (8, "target", "float64")
    for name in ("residual", "bound", "gradient_norm", "backend", "dtype", "seed"):
        assert f'<property name="{name}"' in (tmp_path / "j.xml").read_text()
    (tmp_path / "known.toml").write_text('[[known]]\nid = "broken mixtures::value"\nreason = "½ log 2π"\n')
    options = ("--elbocheck-target", "targets:broken", "--elbocheck-known-failures", "known.toml")
    bad = run(*command, *options, "--elbocheck-report", "b.json", "--junitxml", "b.xml", folder=tmp_path)
    assert bad.returncode == 1
    assert re.search('name="reading" value="[^"]*½ log 2π per dimension', (tmp_path / "b.xml").read_text())
    assert any("½ log 2π" in one["reading"] for one in json.loads((tmp_path / "b.json").read_text())["cells"])
    assert "reading   factor x: ½ log 2π per dimension" in bad.stdout
    assert "elbocheck replay elbocheck-cases" in bad.stdout
    assert "known" in bad.stdout
    for wrong, message in (
        (["targets:nothing"], "has no attribute 'nothing'"),
        (["targets:target", "--elbocheck-dtype", "float32"], "targets are checked in float64"),
    ):
        refused = run(*command, "--elbocheck-target", *wrong, folder=tmp_path)
        assert refused.returncode == 4
        assert message in refused.stderr


@pytest.mark.parametrize("library", ["numpy", "jax"])
def test_code_under_test_runs_in_float64(library: str) -> None:
    def declare(p: Any) -> Declaration:
        coin = Factor("x", Bernoulli(p["logit"]), 0.0 * p["logit"] + np.ones((2, 1)), parameters=("logit",))
        return Declaration((coin,), np.ones((2, 1)), np.zeros(2), np.full(2, 0.5))

    problem = Problem({"logit": np.array(0.3)}, factors=declare, library=library)
    assert problem.compiled.backend.dtype == "float64"
    result = every_point(problem)
    assert result.outcome is Outcome.HOLDS
    assert result.bound < 1e-12


def test_the_decorator(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import elbocheck, targets\n"
        "@elbocheck.parametrize_with_checks([targets.target, targets.random_target])\n"
        "def test_bound(check):\n    check()\n"
    )
    done = run("-m", "pytest", "-p", "no:cacheprovider", folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "50 passed" in done.stdout


def test_targets_are_found_by_module_and_file() -> None:
    assert load_targets("support.targets:target") == (targets.target,)
    assert load_targets(f"{HERE / 'targets.py'}:random_target")[0].name == "random mixtures"
    assert len(X) == 6


def test_everything_wrong_with_code_is_a_target_error(broken_report: CheckReport) -> None:
    assert issubclass(TargetError, InputError)
    assert "VIOLATED" in explain_failure(broken_report.failures[0])


def test_the_property_modules_run_on_cells_of_a_user(tmp_path: Path) -> None:
    """The catalogue is the default only: with cells of a user's own the same tests run on those."""
    (tmp_path / "mine.py").write_text(
        "from elbocheck.models import find_cell\nCELLS = (find_cell('exponential-mixture/exact'),)\n"
    )
    command = ("-m", "pytest", "--pyargs", "elbocheck.properties", "-p", "no:cacheprovider", "-q")
    done = run(*command, "--elbocheck-target", "mine", "--elbocheck-max-examples", "5", folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.rsplit(" passed", 1)[0].split()[-1]) >= 10
    assert "5 problems per cell" in run(*command[:-1], "--elbocheck-max-examples", "5", "--co", folder=tmp_path).stdout
