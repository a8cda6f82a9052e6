"""A census: very many random problems over the catalogue, recorded program by program, so that it can be resumed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from elbocheck import __version__
from elbocheck.backends import get_backend
from elbocheck.backends.base import Backend
from elbocheck.errors import InputError
from elbocheck.models.sample import Cell
from elbocheck.runs.jobs import Job, RandomJob
from elbocheck.runs.pool import LOST, Listener, run
from elbocheck.runs.rows import Report, Row

BEGIN = '{"job": '
"""How every line of a record begins; no other file's last line is taken for a cut one, and dropped."""
SHARES = ((25, 16), (50, 4))
"""Cells of few parameters get 16 or 4 times the problems of the others: a search costs as much as its Hessians."""


def share(cell: Cell) -> int:
    """How many problems a cell gets for one of the most expensive."""
    return next((times for most, times in SHARES if cell.parameters <= most and not cell.costly), 1)


def census_jobs(cells: Sequence[Cell], problems: int, seed: int) -> list[Job]:
    """One job for each compiled program, at least `problems` problems in all, each with one search (`in_turn`)."""
    unit = math.ceil(problems / sum(share(cell) for cell in cells))
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.model, cell.variational.points, cell.capacity, share(cell)), []).append(cell)
    return [
        Job((RandomJob(tuple(cell.name for cell in own), unit * times, seed, in_turn=True),))  # type: ignore[operator]
        for (*_, times), own in groups.items()
    ]


def key(job: Job, backend: Backend | None = None) -> str:
    """What a job is, for the record: cells, problems per cell, seed, version and backend."""
    ran = backend or get_backend()
    where = "" if ran == get_backend() else f" {ran.name} {ran.dtype}"
    return f"{__version__} {job.label} × {job.size} {[getattr(part, 'seed', 0) for part in job.parts]}{where}"


def recorded(path: Path) -> dict[str, list[Row]]:
    """The finished jobs of a record; a last line that an interruption cut short is not one of them."""
    if not path.exists():
        return {}
    found = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if number == len(lines) and not line.endswith("\n") and line.startswith(BEGIN[: len(line)]):
            continue
        try:
            entry = json.loads(line)
            found[entry["job"]] = [Row.from_json(row) for row in entry["rows"]]
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}, line {number}: no record of a census ({error}); give another file") from error
    return found


def take(jobs: Sequence[Job], path: Path, workers: int, listen: Listener, backend: Backend | None = None) -> Report:
    """Run the jobs that `path` does not hold yet, adding a line for each; the report has those of both."""
    done = recorded(path)
    _drop_cut_line(path)
    for job in jobs:
        if key(job, backend) in done:
            listen(job.size, job)

    def keep(job: Job, rows: list[Row]) -> None:
        rows = [replace(row, records=(), training=()) for row in rows]  # a census counts, it draws nothing
        done[key(job, backend)] = rows
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"job": key(job, backend), "rows": [row.to_json() for row in rows]}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    taken = run([job for job in jobs if key(job, backend) not in done], workers, listen, backend, keep)
    ran = backend or get_backend()
    lost = [row for row in taken.rows if row.check == LOST]
    return Report((*(row for job in jobs for row in done.get(key(job, backend), ())), *lost), ran.name, ran.dtype)


def _drop_cut_line(path: Path) -> None:
    if path.exists():
        text = path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            path.write_bytes(whole)
