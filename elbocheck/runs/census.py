"""A census: very many random problems over the catalogue, recorded chunk by chunk, so that it can be resumed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from elbocheck import __version__
from elbocheck.backends import get_backend
from elbocheck.backends.base import Backend
from elbocheck.errors import InputError
from elbocheck.files import locked
from elbocheck.models.sample import Cell
from elbocheck.runs.chunks import CHUNK, Chunk
from elbocheck.runs.pool import LOST, Listener, run
from elbocheck.runs.rows import Report, Row, merged

BEGIN = '{"job": '
"""How every line of a record begins; no other file's last line is taken for a cut one, and dropped."""
SHARES = ((25, 16), (50, 4))
"""Cells of few parameters get 16 or 4 times the problems of the others: a search costs as much as its Hessians."""
NEAR = 0.9
"""Ratio |residual| / bound above which a problem is listed."""
Runner = Callable[..., Report]
"""What runs chunks: `pool.run`, or its equal on many machines."""


def share(cell: Cell) -> int:
    """How many problems a cell gets for one of the most expensive."""
    return next((times for most, times in SHARES if cell.parameters <= most and not cell.costly), 1)


def census_chunks(cells: Sequence[Cell], problems: int, seed: int, most: int = CHUNK) -> list[Chunk]:
    """Chunks of every cell, of at most `most` problems each, at least `problems` problems in all."""
    unit = math.ceil(problems / sum(share(cell) for cell in cells))
    return [
        Chunk(cell.name, first, min(most, unit * share(cell) - first), seed)
        for cell in cells
        for first in range(0, unit * share(cell), most)
    ]


def key(chunk: Chunk, backend: Backend | None = None) -> str:
    """What a chunk is, for the record: cell, numbers of its problems, seed, version and backend."""
    ran = backend or get_backend()
    where = "" if ran == get_backend() else f" {ran.name} {ran.dtype}"
    return f"{__version__} {chunk.label} seed {chunk.seed}{where}"


def recorded(path: Path) -> dict[str, list[Row]]:
    """The finished chunks of a record; a last line that an interruption cut short is not one of them."""
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


def take(
    chunks: Sequence[Chunk],
    path: Path,
    workers: int,
    listen: Listener,
    backend: Backend | None = None,
    runner: Runner | None = None,
) -> Report:
    """Run the chunks that `path` does not hold yet, adding a line for each; the report has those of both.

    Raises `InputError` where another process writes the record.
    """
    with locked(path):
        done = recorded(path)
        _drop_cut_line(path)
        for chunk in chunks:
            if key(chunk, backend) in done:
                listen(chunk.size, chunk)

        def keep(chunk: Chunk, rows: list[Row]) -> None:
            if key(chunk, backend) in done:  # of a worker that was lost after it had sent them
                return
            rows = [replace(row, records=(), training=()) for row in rows]  # a census counts, it draws nothing
            done[key(chunk, backend)] = rows
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"job": key(chunk, backend), "rows": [row.to_json() for row in rows]}) + "\n")
                file.flush()
                os.fsync(file.fileno())

        left = [chunk for chunk in chunks if key(chunk, backend) not in done]
        taken = (runner or run)(left, workers, listen, backend, keep)
    ran = backend or get_backend()
    lost = [row for row in taken.rows if row.check == LOST]
    rows = merged(row for chunk in chunks for row in done.get(key(chunk, backend), ()))
    return Report((*rows, *lost), ran.name, ran.dtype)


def near(report: Report) -> list[str]:
    """The rows whose worst problem is close to its bound, worst first, with that problem."""
    close = [row for row in report.rows if row.tally.worst.ratio > NEAR]
    return [
        f"{row.tally.worst.ratio:.2f} of its bound: {row.target}/{row.posterior}, {row.check}"
        f"{'' if row.data == 'random' else f', {row.data}'}: {row.tally.worst.problem}"
        for row in sorted(close, key=lambda row: -row.tally.worst.ratio)
    ]


def _drop_cut_line(path: Path) -> None:
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole != len(text):
        os.truncate(path, whole)
