"""`elbocheck census`: very many random problems, resumably."""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from typing import TYPE_CHECKING

from elbocheck.commands.arguments import Commands, add_backend, add_workers, backend_of, refuse_empty, seed, workers_of
from elbocheck.commands.running import run_and_show
from elbocheck.errors import InputError
from elbocheck.files import writable

if TYPE_CHECKING:
    from elbocheck.backends.base import Backend
    from elbocheck.runs.chunks import Chunk
    from elbocheck.runs.pool import Listener
    from elbocheck.runs.rows import Report


def add(commands: Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "census",
        help="run very many random problems, resumably",
        description="Run random problems over the whole catalogue and record every finished chunk of them in FILE. "
        "Run again with the same arguments, it goes on where it was stopped.",
    )
    parser.add_argument(
        "--record", required=True, metavar="FILE", help="JSON lines, one for each finished chunk of problems"
    )
    parser.add_argument("--problems", type=int, default=100_000, metavar="N", help="problems in all (default 100000)")
    parser.add_argument(
        "--chunk",
        type=int,
        default=512,
        metavar="N",
        help="most problems of a chunk (default 512; an accelerator wants 4096); part of what is resumed",
    )
    parser.add_argument(
        "--cell",
        action="append",
        metavar="MODEL/POSTERIOR",
        help="only the problems of this cell; may be given several times (default: all cells)",
    )
    add_backend(parser)
    parser.add_argument("--seed", type=seed, default=0, help="seed of the random problems (default 0)")
    add_workers(parser)
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="run on the Dask cluster of this scheduler, tcp://HOST:PORT, or local"
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    refuse_empty(options)
    record = writable(options.record)
    if options.problems < 1:
        raise InputError(f"--problems must be at least 1; got {options.problems}")
    if options.chunk < 1:
        raise InputError(f"--chunk must be at least 1; got {options.chunk}")
    workers, backend = workers_of(options), backend_of(options)
    from elbocheck.models import CELLS
    from elbocheck.runs.census import census_chunks, near, recorded, take

    runner = None
    if options.cluster is not None:
        from elbocheck.runs import cluster

        runner = cluster.runner(options.cluster)
    names = [cell.name for cell in CELLS]
    wanted = names if options.cell is None else options.cell
    for name in wanted:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f", did you mean {close[0]}?" if close else ""
            raise InputError(f"--cell {name}: no cell of a census{hint}; see `elbocheck list`")
    every = census_chunks(CELLS, options.problems, options.seed, options.chunk)
    chunks = [chunk for chunk in every if chunk.cell in wanted]
    recorded(record)
    what = f"census of {sum(chunk.size for chunk in chunks)} problems, seed {options.seed}"

    def resumed(chunks: list[Chunk], workers: int, listen: Listener, backend: Backend | None = None) -> Report:
        return take(chunks, record, workers, listen, backend, runner)

    report = run_and_show(chunks, what, workers, resumed, backend)
    for line in near(report):
        print(line)
    return report.exit_code
