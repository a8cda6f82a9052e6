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
from elbocheck.outcome import Outcome, Result
from elbocheck.profiles import PROFILES
from elbocheck.runs.chunks import Chunk
from elbocheck.runs.jobs import ControlJob, Job, RandomJob, RealJob
from elbocheck.runs.rows import Report, Row
from support.processes import python
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


def failing_row(outcome: Outcome) -> Row:
    row = Row("sbn", "exact", "random", "stationary")
    row.tally.add(Result("stationary", "p", outcome, gap=1.0, bound=1e-9, message="factor x deviates"))
    return row.close(0.0)


@pytest.mark.parametrize("outcome", [Outcome.VIOLATED, Outcome.INCONCLUSIVE])
def test_a_violation_or_too_much_inconclusive_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: Outcome
) -> None:
    monkeypatch.setattr(
        "elbocheck.runs.pool.run", lambda *_: Report((failing_row(outcome), every_point_row()), "jax", "float64")
    )
    assert cli.main(["verify", "--profile", "quick"]) == 1
    assert "factor x deviates" in capsys.readouterr().out


def every_point_row() -> Row:
    return Row("sbn", "exact", "random", "every point").close(0.0)


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


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Chunk]:
    """A census that computes nothing: the chunks that it would run; it is interrupted after three."""
    chunks_run: list[Chunk] = []

    def pretend(chunks: list[Chunk], workers: int, listen: object, backend: object, keep: Any) -> Report:
        for chunk in chunks:
            if len(chunks_run) == 3:
                chunks_run.append(chunk)
                raise KeyboardInterrupt
            chunks_run.append(chunk)
            keep(chunk, [census_row(chunk)])
        return Report((), "jax", "float64")

    monkeypatch.setattr("elbocheck.runs.census.run", pretend)
    return chunks_run


def census_row(chunk: Chunk) -> Row:
    model, _, posterior = chunk.cell.partition("/")
    return made(model, posterior, "random", "every point", problems=chunk.size).close(0.0)


CENSUS = ["census", "--problems", "2000", "--workers", "1", "--record"]


def test_an_interrupted_census_goes_on_where_it_was_stopped(tmp_path: Path, computed: list[Chunk]) -> None:
    from elbocheck.models import CELLS
    from elbocheck.runs.census import census_chunks, key

    record = tmp_path / "census.jsonl"
    jobs = census_chunks(CELLS, 2000, 0)
    assert sum(job.size for job in jobs) >= 2000
    assert {job.cell for job in jobs} == {cell.name for cell in CELLS}
    assert cli.main([*CENSUS, str(record)]) == 130
    assert computed.pop() == jobs[3]
    assert computed == jobs[:3]
    text = record.read_text(encoding="utf-8")
    record.write_text(text[:-20], encoding="utf-8")  # the third line was cut short
    computed[:] = jobs[:4]  # none of them is interrupted any more
    assert cli.main([*CENSUS, str(record)]) == 0
    assert computed[4:] == jobs[2:]
    lines = record.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["job"] for line in lines] == [key(job) for job in jobs]
    assert record.read_text(encoding="utf-8").startswith(text.splitlines(keepends=True)[0])
    before = len(computed)
    assert cli.main([*CENSUS, str(record)]) == 0  # everything is there
    assert len(computed) == before
    assert cli.main([*CENSUS, str(record), "--seed", "1"]) == 0  # nothing of another seed is
    assert len(computed) == before + len(jobs)


def test_a_census_of_some_cells_has_their_share_of_the_whole(tmp_path: Path, computed: list[Chunk]) -> None:
    """So that two machines can each take a part: together they are the census of all cells."""
    from elbocheck.models import CELLS
    from elbocheck.runs.census import census_chunks

    computed[:] = [Chunk("", 0, 1, 0)] * 4  # none is interrupted
    some = ["--cell", "sbn/exact", "--cell", "gmm-full/free", "--chunk", "20"]
    assert cli.main([*CENSUS, str(tmp_path / "census.jsonl"), *some]) == 0
    every = census_chunks(CELLS, 2000, 0, 20)
    assert computed[4:] == [chunk for chunk in every if chunk.cell in ("sbn/exact", "gmm-full/free")]
    assert len(computed) > 6


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--cell", "sbn/exakt"], "--cell sbn/exakt: no cell of a census, did you mean sbn/exact?"),
        (["--cell", "ppca/unit"], "--cell ppca/unit: no cell of a census"),  # a control: nothing would be run
        (["--cell", "sbn/exact", "--cell", ""], "cell is given, and empty"),
        (["--chunk", "0"], "--chunk must be at least 1; got 0"),
    ],
)
def test_a_census_of_nothing_is_refused(
    tmp_path: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*CENSUS, str(tmp_path / "census.jsonl"), *arguments]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("outcome", [Outcome.VIOLATED, Outcome.INCONCLUSIVE])
def test_a_census_with_a_violation_is_exit_code_1_also_when_resumed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, outcome: Outcome
) -> None:
    def pretend(chunks: list[Chunk], workers: int, listen: object, backend: object, keep: Any) -> Report:
        for chunk in chunks:
            keep(chunk, [failing_row(outcome), every_point_row()])
        return Report((), "jax", "float64")

    monkeypatch.setattr("elbocheck.runs.census.run", pretend)
    for _ in range(2):
        assert cli.main([*CENSUS, str(tmp_path / "census.jsonl")]) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a,b\n1,2\n", "line 1: no record of a census"),
        (b'{"job": "x", "rows": []}\n{"other": 1}\n', "line 2: no record of a census"),
        (b'{"job": "x", "rows": [{"unknown": 1}]}\n', "line 1: no record of a census"),
        (b"[1, 2]\n", "line 1: no record of a census"),
        (b"\xff\xfe\x00\n", "line 1: no record of a census"),
        (b"a note without an end of line", "line 1: no record of a census"),
    ],
    ids=["CSV", "other JSON", "other rows", "a list", "binary", "no end of line"],
)
def test_a_file_that_is_no_record_is_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], computed: list[Chunk], text: bytes, message: str
) -> None:
    record = tmp_path / "census.jsonl"
    record.write_bytes(text)
    assert cli.main([*CENSUS, str(record)]) == 2
    assert message in capsys.readouterr().err
    assert record.read_bytes() == text
    assert computed == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--problems", "0"], "--problems must be at least 1; got 0"),
        (["--workers", "-2"], "--workers must be at least 1; got -2"),
        (["--record", "no/such/folder/census.jsonl"], "no such folder"),
    ],
)
def test_bad_arguments_of_a_census_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], computed: list[Chunk], arguments: list[str], message: str
) -> None:
    assert cli.main(["census", "--record", str(tmp_path / "census.jsonl"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert computed == []


@pytest.mark.parametrize("arguments", [["census"], ["census", "--problems", "many", "--record", "x"], ["census", "x"]])
def test_usage_errors_of_a_census_are_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2


@pytest.mark.xdist_group("poisson-mixture/table")
def test_verify_leaves_nothing_in_the_working_directory(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "HYPOTHESIS_STORAGE_DIRECTORY"}
    done = python("-m", "elbocheck", "verify", "--data", "horse_kicks", folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "horse_kicks" in done.stdout
    assert list(tmp_path.iterdir()) == []
