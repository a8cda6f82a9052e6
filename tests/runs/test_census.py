"""The census: chunks are pure functions, a record has one writer and loses nothing that was finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from elbocheck.backends import get_backend
from elbocheck.errors import InputError
from elbocheck.models import CELLS, find_cell
from elbocheck.outcome import Outcome, Result, Tally
from elbocheck.runs import chunks
from elbocheck.runs.census import CHUNK, census_chunks, key, near, recorded, share, take
from elbocheck.runs.chunks import Chunk
from elbocheck.runs.pool import run
from elbocheck.runs.rows import Report, Row, merged

CELL = "poisson-mixture/exact"


def ignored(count: int, finished: object) -> None:
    """Progress that nobody looks at."""


def numbers(rows: list[Row]) -> list[dict[str, object]]:
    """What rows say, without the clock."""
    return [row.to_json() | {"seconds": 0.0} for row in rows]


def test_chunks_cover_every_number_of_every_cell_once() -> None:
    """Catches problems that are left out, or counted twice, and a cell without its share."""
    every = census_chunks(CELLS, 300_000, 0)
    assert sum(chunk.size for chunk in every) >= 300_000
    assert max(chunk.size for chunk in every) <= CHUNK
    per_cell = {cell.name: [one for one in every if one.cell == cell.name] for cell in CELLS}
    unit = {sum(one.size for one in own) / share(find_cell(name)) for name, own in per_cell.items()}
    assert len(unit) == 1
    for own in per_cell.values():
        assert [one.first for one in own] == [sum(one.size for one in own[:place]) for place in range(len(own))]
    assert len({key(chunk) for chunk in every}) == len(every)
    larger = census_chunks(CELLS, 300_000, 0, 4096)
    assert max(chunk.size for chunk in larger) == 4096
    assert sum(chunk.size for chunk in larger) == sum(chunk.size for chunk in every)
    assert key(every[0]) != key(replace(every[0], seed=1)) != key(replace(every[0], seed=1), get_backend("numpy"))


def test_a_problem_is_a_function_of_cell_number_and_seed() -> None:
    """Whatever chunk it is in: the same seeds give the same problems."""
    cell = find_cell(CELL)
    whole, half = Chunk(CELL, 0, 6, 3).samples(cell), Chunk(CELL, 3, 3, 3).samples(cell)
    assert [one.label for one in whole[3:]] == [one.label for one in half]
    assert all((one.x == other.x).all() for one, other in zip(whole[3:], half, strict=True))
    assert len({one.label for one in whole}) == 6
    assert not {one.label for one in Chunk(CELL, 0, 6, 4).samples(cell)} & {one.label for one in whole}


def test_a_chunk_counts_every_problem_and_says_the_same_again() -> None:
    ticks: list[int] = []
    first = Chunk(CELL, 0, 20, 0).run(ticks.append)
    assert sum(ticks) == 20
    identity, theorem, guided = first
    assert (identity.tally.problems, identity.outcome) == (20, "holds")
    assert (theorem.tally.problems, theorem.outcome) == (20, "holds")
    assert theorem.tally.points == sum(theorem.tally.inertia.values()) == 20 - theorem.tally.inconclusive
    assert 0 < theorem.ascents < 20
    assert (guided.data, guided.outcome) == (chunks.GUIDED, "holds")
    assert guided.tally.problems == chunks.PARENTS * chunks.GENERATIONS
    assert numbers(Chunk(CELL, 0, 20, 0).run(ticks.append)) == numbers(first)


def test_backends_without_lanes_go_one_by_one() -> None:
    identity, theorem = Chunk(CELL, 0, 3, 0).run(lambda count: None, get_backend("numpy"))
    assert (identity.tally.problems, theorem.tally.problems, theorem.outcome) == (3, 3, "holds")


def test_what_no_batch_solves_is_finished_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a problem without certificate that is given up, or not counted."""
    from elbocheck.solver import batched

    monkeypatch.setattr(batched, "LOOKS", 0)
    (_, theorem, _) = Chunk(CELL, 0, 6, 0).run(lambda count: None)
    assert (theorem.tally.problems, theorem.outcome) == (6, "holds")
    assert theorem.tally.points >= 5


def test_a_violation_of_a_batch_is_judged_again_and_leaves_a_replay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A batch that cries wolf is corrected; one that is right is explained, with the command that repeats it."""
    monkeypatch.chdir(tmp_path)

    def alarmed(*arguments: object) -> list[Result]:
        return [replace(one, outcome=Outcome.VIOLATED) for one in every_point_lanes(*arguments)]  # type: ignore[arg-type]

    every_point_lanes = chunks.every_point_lanes
    monkeypatch.setattr(chunks, "every_point_lanes", alarmed)
    identity, _, guided = Chunk(CELL, 0, 3, 0).run(lambda count: None)
    assert (identity.outcome, guided.outcome) == ("holds", "holds")
    monkeypatch.setattr(
        chunks, "every_point", lambda problem: Result("every point", problem.label, Outcome.VIOLATED, 1.0, 0.5)
    )
    identity, _, guided = Chunk(CELL, 0, 3, 0).run(lambda count: None)
    assert (identity.outcome, guided.outcome) == ("violated", "violated")
    assert identity.failure.replay.startswith("elbocheck replay ")
    assert (tmp_path / guided.failure.replay.split()[-1]).exists()


def test_the_guided_search_climbs() -> None:
    """Its worst ratio is not below that of the problems it began with, and what is above 0.9 is listed."""
    identity, theorem, guided = Chunk(CELL, 0, 20, 0).run(lambda count: None)
    assert guided.tally.worst.ratio >= 0.5 * identity.tally.worst.ratio
    assert near(Report((identity, theorem, guided), "jax", "float64")) == []
    guided.tally.worst.ratio = 0.95
    (line,) = near(Report((identity, theorem, guided), "jax", "float64"))
    assert line.startswith("0.95 of its bound: poisson-mixture/exact, every point, guided: Draw(")


def test_rows_of_chunks_are_one_row() -> None:
    """Sums, the worst with its problem, and a share of inconclusive problems that is taken over all of them."""

    def row(*results: Result) -> Row:
        return Row("m", "q", "random", "stationary", Tally.of(results)).close(1.0)

    holds = [Result("stationary", f"p{i}", Outcome.HOLDS, 0.1 * i, 1.0, kinds=("maximum",), power=i) for i in range(40)]
    open_ones = [Result("stationary", "open", Outcome.INCONCLUSIVE, points=0, attempts=("ascent: far: 1",))] * 2
    one, two, three = row(*holds[:3], *open_ones), row(*holds[3:8]), row(*holds[8:])
    assert one.outcome == "inconclusive"
    (whole,) = merged([one, two, three])
    together = row(*holds[:3], *open_ones, *holds[3:])
    assert asdict(whole.tally) == asdict(together.tally) | {"open": whole.tally.open}
    assert whole.tally.worst.problem == "p39"
    assert whole.seconds == 3.0
    assert Row.from_json(whole.to_json()).to_json() == whole.to_json()
    bad = row(Result("stationary", "bad", Outcome.VIOLATED, 3.0, 1.0, message="wrong"))
    for order in ([one, bad, two], [bad, one, two]):
        (whole,) = merged(order)
        assert (whole.outcome, whole.message, whole.tally.worst.problem) == ("violated", "wrong", "bad")
    assert one.tally.problems == 5, "rows that are merged stay as they are"


def test_chunks_of_a_cell_run_in_one_process_and_are_kept_at_once(tmp_path: Path) -> None:
    """Two workers, rows in the order of the chunks, each kept once."""
    wanted = [Chunk("poisson-mixture/exact", first, 2, 0) for first in (0, 2, 4)]
    wanted.insert(1, Chunk("geometric-mixture/exact", 0, 2, 0))
    kept: list[Chunk] = []
    report = run(wanted, 2, ignored, get_backend("numpy"), lambda chunk, rows: kept.append(chunk))
    assert sorted(map(key, kept)) == sorted(map(key, wanted))
    assert [row.target for row in report.rows] == [one.cell.split("/")[0] for one in wanted for _ in range(2)]


def test_a_record_has_one_writer(tmp_path: Path) -> None:
    record = tmp_path / "census.jsonl"
    code = f"""
import time
from pathlib import Path
from elbocheck.files import locked
with locked(Path({str(record)!r})):
    print("mine", flush=True)
    time.sleep(600)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(InputError, match="another process is writing it; wait for its end, or give another file"):
            take([], record, 1, ignored)
    finally:
        other.kill()
        other.communicate()
    assert take([], record, 1, ignored).rows == ()


def test_a_killed_census_has_lost_nothing_that_was_recorded(tmp_path: Path) -> None:
    """kill −9 in the middle; what is there then is taken as it is, and the counts at the end are exact."""
    record = tmp_path / "census.jsonl"
    code = f"""
from elbocheck.backends import get_backend
from elbocheck.runs.census import take
from elbocheck.runs.chunks import Chunk
from pathlib import Path
chunks = [Chunk({CELL!r}, first, 2, 0) for first in range(0, 200, 2)]
take(chunks, Path({str(record)!r}), 1, lambda count, chunk: None, get_backend("numpy"))
"""
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120.0
    while time.monotonic() < deadline and (not record.exists() or len(record.read_bytes().splitlines()) < 2):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = list(recorded(record))
    assert 2 <= len(done) < 100
    wanted = [Chunk(CELL, first, 2, 0) for first in range(0, 2 * len(done) + 4, 2)]
    report = take(wanted, record, 1, ignored, get_backend("numpy"))
    assert [row.tally.problems for row in report.rows] == [2 * len(wanted)] * 2
    lines = [json.loads(line)["job"] for line in record.read_text(encoding="utf-8").splitlines()]
    assert lines == [key(chunk, get_backend("numpy")) for chunk in wanted]


@pytest.mark.parametrize("number", [411, 3907])
def test_a_posterior_that_is_badly_conditioned_is_no_violation(number: int) -> None:
    """A variance of e⁻²⁴: rounding in q is a hundred times that of the terms. A census of 300,000 problems found it."""
    cell = find_cell("factor-analysis/exact").on(get_backend())
    sample = chunks.numbered_sample(cell, 20261127, number)
    lanes = chunks.Lanes(cell, [sample], [sample.problem()], number)
    ((result, _),) = lanes.theorem(lambda count: None)
    assert result.outcome is not Outcome.VIOLATED, result.message
