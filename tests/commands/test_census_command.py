"""The census on the command line: goes on where it was stopped, some cells only, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from elbocheck import cli
from elbocheck.outcome import Outcome
from elbocheck.runs.chunks import Chunk
from elbocheck.runs.rows import Report, Row
from support.report_rows import every_point_row, failing_row
from support.report_rows import row as made


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
