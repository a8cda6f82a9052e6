"""The command line: exit codes, bad input refused before computing, JSON layout, progress in a log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elbocheck import cli
from elbocheck.jobs import ControlJob, RandomJob, RealJob, Row
from elbocheck.outcome import Outcome, Result
from elbocheck.verify import Report

BINARY = "a,b\n0,1\n1,0\n1,1\n0,1\n"

BAD_INPUT = {
    "NaN": ("gmm-full", "a,b\n1,2\nnan,3\n4,5\n", [], "found nan at row 1, column 0"),
    "infinity": ("ppca", "a,b\n1,2\n3,inf\n4,5\n", [], "found inf at row 1, column 1"),
    "ragged rows": ("ppca", "a,b\n1,2\n3\n", [], "line 3: 1 values, but the header has 2"),
    "no number": ("ppca", "a,b\n1,2\n3,x\n", [], "'x' is no number"),
    "no rows": ("ppca", "a,b\n", [], "at least one row"),
    "not binary": ("sbn", "a,b\n0,1\n2,0\n", [], "binary data (0 or 1) are needed; found 2 at row 1, column 0"),
    "negative count": ("poisson-mixture", "a\n3\n-1\n", [], "counts (non-negative integers) are needed; found -1"),
    "fractional count": ("poisson-mixture", "a\n3\n0.5\n", [], "found 0.5 at row 1"),
    "negative weight": ("sbn", "a,w\n0,1\n1,-2\n", ["--weights", "w"], "weight 1 is -2"),
    "zero weights": ("sbn", "a,w\n0,0\n1,0\n", ["--weights", "w"], "all 2 weights are zero"),
    "NaN weight": ("sbn", "a,w\n0,nan\n1,1\n", ["--weights", "w"], "weight 0 is nan"),
    "only weights": ("sbn", "w\n1\n1\n", ["--weights", "w"], "its shape is (2, 0)"),
    "no such column": ("sbn", BINARY, ["--weights", "w"], "no column 'w'; its columns are a, b"),
    "no latents": ("sbn", BINARY, ["--latents", "0"], "between 1 and 8; got 0"),
}


@pytest.fixture
def no_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad input must be refused before anything runs."""

    def refuse(*_: object) -> None:
        raise AssertionError("a computation was started")

    monkeypatch.setattr("elbocheck.verify.run", refuse)


@pytest.mark.usefixtures("no_computing")
@pytest.mark.parametrize(("model", "text", "more", "message"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_data_are_named_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, text: str, more: list[str], message: str
) -> None:
    data = tmp_path / "data.csv"
    data.write_text(text, encoding="utf-8")
    assert cli.main(["verify", "--model", model, "--data", str(data), *more]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("no_computing")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "bsn"], "unknown model 'bsn'; choose one of sbn, ppca"),
        (["--data", "irsi"], "unknown data set 'irsi'; choose one of"),
        (["--model", "sbn", "--data", "missing.csv"], "cannot read data file 'missing.csv'"),
        (["--model", "sbn", "--data", "iris"], "binary data (0 or 1) are needed; found 5.1"),
        (["--weights", "w"], "give --data too"),
        (["--data", "coal_disasters"], "choose one with --model"),
        (["--workers", "-1"], "got -1"),
        (["--json", "no/such/folder/report.json"], "cannot write the report"),
    ],
)
def test_bad_usage_is_named_and_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert cli.main(["verify", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("no_computing")
def test_an_undecodable_file_and_a_file_without_model_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(b"a,b\n\xff\xfe,1\n")
    assert cli.main(["verify", "--model", "sbn", "--data", str(data)]) == 2
    assert "cannot read data file" in capsys.readouterr().err
    data.write_text(BINARY, encoding="utf-8")
    assert cli.main(["verify", "--data", str(data)]) == 2
    assert "say with --model" in capsys.readouterr().err


@pytest.mark.xdist_group("poisson-mixture/table")
def test_verify_on_a_file_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, report = tmp_path / "kicks.csv", tmp_path / "report.json"
    data.write_text("deaths,corps\n0,144\n1,91\n2,32\n3,11\n4,2\n", encoding="utf-8")
    arguments = ["--model", "poisson-mixture", "--data", str(data), "--weights", "corps", "--workers", "1"]
    assert cli.main(["verify", *arguments, "--json", str(report)]) == 0
    out = capsys.readouterr().out
    assert "ELBO = entropy sum" in out
    assert max(map(len, out.splitlines())) <= 80
    found = json.loads(report.read_text(encoding="utf-8"))
    assert set(found) == {"elbocheck", "backend", "dtype", "summary", "cells"}
    assert set(found["summary"]) == {"cells", "points", "violated", "inconclusive", "out_of_scope"}
    wanted = {"target", "posterior", "data", "check", "outcome", "points", "worst_gap", "worst_bound", "worst_ratio"}
    assert all(wanted <= set(cell) for cell in found["cells"])
    theorem = [cell for cell in found["cells"] if cell["check"] == "stationary"]
    assert sum(cell["points"] for cell in theorem) == found["summary"]["points"] > 0
    # the frequencies of the horse kicks: the fit of R's pscl::prussian, here from closed-form summary statistics
    assert next(cell for cell in theorem if cell["posterior"] == "exact")["elbo"] == pytest.approx(-1.11977, abs=1e-5)
    assert not list(tmp_path.glob("*.part"))


def failing_row(outcome: Outcome) -> Row:
    row = Row("sbn", "exact", "random", "stationary")
    row.add(Result("stationary", "p", outcome, gap=1.0, bound=1e-9, message="factor x deviates"))
    return row.close(0.0)


@pytest.mark.parametrize("outcome", [Outcome.VIOLATED, Outcome.INCONCLUSIVE])
def test_a_violation_or_too_much_inconclusive_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: Outcome
) -> None:
    monkeypatch.setattr("elbocheck.verify.run", lambda *_: Report((failing_row(outcome), every_point_row())))
    assert cli.main(["verify", "--profile", "quick"]) == 1
    assert "factor x deviates" in capsys.readouterr().out


def every_point_row() -> Row:
    return Row("sbn", "exact", "random", "every point").close(0.0)


def test_an_interrupted_run_leaves_no_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("elbocheck.verify.run", interrupt)
    assert cli.main(["verify", "--json", str(tmp_path / "report.json")]) == 130
    assert list(tmp_path.iterdir()) == []


def test_jobs_cover_the_whole_catalogue() -> None:
    from elbocheck.models import CELLS
    from elbocheck.models.controls import CONTROLS

    options = cli._parser().parse_args(["verify"])
    parts = [part for job in cli._jobs(options) for part in job.parts]
    drawn = [name for part in parts if isinstance(part, RandomJob) for name in part.cells]
    assert sorted(drawn) == sorted(cell.name for cell in CELLS)
    real = {part.cell.split("/")[0] for part in parts if isinstance(part, RealJob)}
    assert real == {cell.model.name for cell in CELLS}
    positions = [position for part in parts if isinstance(part, ControlJob) for position in part.positions]
    assert sorted(positions) == list(range(len(CONTROLS)))


def test_list_shows_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    from elbocheck.models import CELLS

    assert cli.main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [f"{row['model']}/{row['posterior']}" for row in rows] == [cell.name for cell in CELLS]
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    assert "poisson-mixture" in out
    assert max(map(len, out.splitlines())) <= 80


def test_help_answers_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "elbocheck", "--help"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, env=environment)
        times.append(time.perf_counter() - begin)
    assert "verify" in done.stdout
    assert min(times) < 0.5


@pytest.mark.xdist_group("poisson-mixture/table")
def test_verify_leaves_nothing_in_the_working_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "elbocheck", "verify", "--data", "horse_kicks"]
    environment = {name: value for name, value in os.environ.items() if name != "HYPOTHESIS_STORAGE_DIRECTORY"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, env=environment)
    assert "horse_kicks" in done.stdout
    assert list(tmp_path.iterdir()) == []
