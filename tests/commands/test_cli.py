"""The command line: exit codes, bad input refused before computing, JSON layout, progress in a log."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from elbocheck import cli
from elbocheck.cli import parser
from elbocheck.commands.verify import jobs
from elbocheck.outcome import Outcome
from elbocheck.profiles import PROFILES
from elbocheck.runs.jobs import ControlJob, Job, RandomJob, RealJob
from elbocheck.runs.rows import Report, Row
from support.processes import python
from support.report_rows import every_point_row, failing_row
from support.report_rows import row as made

COMMANDS = ("verify", "census", "certify", "explain", "replay", "faults", "list")
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

    monkeypatch.setattr("elbocheck.runs.pool.run", refuse)


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
        (["--model", "bsn"], "unknown model 'bsn'; choose one of sbn, deep-sbn-2"),
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


@pytest.mark.parametrize("outcome", [Outcome.VIOLATED, Outcome.INCONCLUSIVE])
def test_a_violation_or_too_much_inconclusive_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: Outcome
) -> None:
    monkeypatch.setattr(
        "elbocheck.runs.pool.run", lambda *_: Report((failing_row(outcome), every_point_row()), "jax", "float64")
    )
    assert cli.main(["verify", "--profile", "quick"]) == 1
    assert "factor x deviates" in capsys.readouterr().out


def test_an_interrupted_run_leaves_no_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("elbocheck.runs.pool.run", interrupt)
    assert cli.main(["verify", "--json", str(tmp_path / "report.json")]) == 130
    assert list(tmp_path.iterdir()) == []


def test_jobs_cover_the_whole_catalogue() -> None:
    from elbocheck.models import CELLS, cells
    from elbocheck.models.controls import CONTROLS

    options = parser().parse_args(["verify"])
    parts = [part for job in jobs(options) for part in job.parts]
    drawn = [name for part in parts if isinstance(part, RandomJob) for name in part.cells]
    assert sorted(drawn) == sorted(cell.name for cell in cells())
    real = {part.cell.split("/")[0] for part in parts if isinstance(part, RealJob)}
    assert real <= {cell.model.name for cell in CELLS}
    assert len(real) >= 10
    positions = [position for part in parts if isinstance(part, ControlJob) for position in part.positions]
    assert sorted(positions) == list(range(len(CONTROLS)))


def test_list_shows_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    from elbocheck.models import cells

    assert cli.main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [f"{row['model']}/{row['posterior']}" for row in rows] == [cell.name for cell in cells()]
    for row, cell in zip(rows, cells(), strict=True):
        assert (row["theory"], row["reason"], row["frozen"]) == (
            cell.model.theory.row,
            cell.out_of_scope,
            [*cell.frozen],
        )
        assert row["scope"] == ("out of scope" if cell.out_of_scope else "in scope")
        assert row["trained"] in ("likelihood", "model", "model, q")
        assert [*row["capacity"].values()] == [*cell.capacity]
    assert [row for row in rows if row["frozen"]]
    assert [row for row in rows if row["reason"]]
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    fit(out)
    shown = {line.split()[0]: line.split() for line in out.splitlines() if "/" in line}
    assert [*shown][1:] == [cell.name for cell in cells()]
    assert all(shown[cell.name][-1] == ("out" if cell.out_of_scope else "in") for cell in cells())


def fit(output: str) -> None:
    """At 80 columns nothing is cut."""
    assert max(map(len, output.splitlines())) <= 80
    assert [line for line in output.splitlines() if "…" in line] == []


def test_no_table_of_the_report_is_cut() -> None:
    import io

    from rich.console import Console

    from elbocheck.models import CELLS, OUT_OF_SCOPE, find_cell
    from elbocheck.models.controls import CONTROLS
    from elbocheck.models.datasets import REAL
    from elbocheck.report.terminal import print_report

    def row(cell: Any, data: str, check: str) -> Row:
        return made(
            cell.model.name, cell.posterior, data, check, problems=1000, points=1999, ascents=1000, worst_gap=1.1e-12,
            worst_bound=1.1e-12, worst_relative=1.1e-17, least_gap=10.123, elbo=-12.345678, entropy_sum=-12.345678,
            delta=1.0, inertia={"maximum": 1999, "saddle": 1999},
        )  # fmt: skip

    rows = [row(cell, "random", check) for cell in CELLS for check in ("every point", "stationary")]
    rows += [row(find_cell(name), data, "stationary") for name, data, _ in REAL]
    rows += [row(cell, "random", "scope") for cell in OUT_OF_SCOPE]
    rows += [row(one.cell, "random", f"control: {one.name}") for one in CONTROLS]
    console = Console(file=io.StringIO(), width=80)
    print_report(console, Report(tuple(rows), "jax", "float64"), 1.0)
    fit(console.file.getvalue())  # type: ignore[attr-defined]


MODULE = "from elbocheck.models import find_cell\n"
BAD_SOURCE = {
    "no file": ("", "missing.py", "cannot load"),
    "no module": ("", "elbocheck_no_such_module", "cannot load 'elbocheck_no_such_module': ModuleNotFoundError"),
    "raises": ("1 / 0\n", "mine.py", "ZeroDivisionError: division by zero"),
    "no Python": ("cells = (\n", "mine.py", "SyntaxError"),
    "no cells": ("x = 1\n", "mine.py", "has no attribute 'CELLS'; it should be a Target, a Cell, or a tuple of them"),
    "unknown attribute": (MODULE + "CELLS = (find_cell('sbn/exact'),)\n", "mine.py:MINE", "has no attribute 'MINE'"),
    "text": (
        "CELLS = 'sbn/exact'\n",
        "mine.py",
        "must be a Target, a Cell, or a non-empty tuple of them; found ['sbn/exact']",
    ),
    "number": ("CELLS = 5\n", "mine.py", "must be a Target, a Cell, or a non-empty tuple of them"),
    "model": (MODULE + "CELLS = (find_cell('sbn/exact').model,)\n", "mine.py", "must be a Target, a Cell"),
    "nothing": ("CELLS = ()\n", "mine.py", "found nothing"),
}


@pytest.mark.usefixtures("no_computing")
@pytest.mark.parametrize(("text", "source", "message"), BAD_SOURCE.values(), ids=BAD_SOURCE.keys())
def test_bad_files_of_ones_own_are_named_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, source: str, message: str
) -> None:
    if text:
        (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    for _ in range(2):  # a file that failed once has not been loaded
        assert cli.main(["verify", str(tmp_path / source) if ".py" in source else source]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.usefixtures("no_computing")
@pytest.mark.parametrize("more", [["--model", "sbn"], ["--data", "iris"]])
def test_a_file_of_ones_own_goes_with_no_model(capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    assert cli.main(["verify", "mine.py", *more]) == 2
    assert "give either 'mine.py' or --model and --data, not both" in capsys.readouterr().err


@pytest.mark.parametrize("attribute", ["", ":ONE", ":CELLS"])
def test_cells_of_ones_own_are_what_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, attribute: str) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\n"
        + MODULE
        + "ONE = replace(find_cell('sbn/exact'), capacity=(5, 2, 2), suffix='-mine')\nCELLS = (ONE,)\n",
        encoding="utf-8",
    )
    seen: list[object] = []

    def record(jobs: list[Job], *_: object) -> Report:
        seen.extend(part for job in jobs for part in job.parts)
        return Report((every_point_row(),), "jax", "float64")

    monkeypatch.setattr("elbocheck.runs.pool.run", record)
    source = str(tmp_path / "mine.py") + attribute
    assert cli.main(["verify", source, "--seed", "7"]) == 0
    assert seen == [RandomJob(("sbn/exact-mine",), PROFILES["quick"], 7, source)]


@pytest.mark.xdist_group("poisson-mixture/table")
def test_verify_leaves_nothing_in_the_working_directory(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "HYPOTHESIS_STORAGE_DIRECTORY"}
    done = python("-m", "elbocheck", "verify", "--data", "horse_kicks", folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "horse_kicks" in done.stdout
    assert list(tmp_path.iterdir()) == []
