"""`elbocheck faults`: plant faults in correct bounds, and count what finds them."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from elbocheck import __version__
from elbocheck.commands.arguments import Commands
from elbocheck.files import writable, write_atomically

EVERY = 25
"""In a log, progress is a line after so many targets."""


def add(commands: Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "faults",
        help="plant faults in correct bounds and count what finds them",
        description="Plant known faults in correct bounds, and show which check finds which, beside today's practice.",
    )
    parser.add_argument("--json", metavar="FILE", help="write the matrix as JSON")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    return faults_command(None if options.json is None else writable(options.json))


def faults_command(file: Path | None) -> int:
    """`elbocheck faults`: run the catalogue, print the matrix, write it to `file`; 0 if everything is as it should."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from elbocheck.faults.matrix import Row, tasks
    from elbocheck.faults.matrix import run as judge
    from elbocheck.report.faults import print_matrix

    console, begin, total = Console(), time.perf_counter(), len(tasks())
    workers = os.cpu_count() or 1
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task, done = bar.add_task("judging", total=total), 0

    def listen(row: Row) -> None:
        nonlocal done
        done += 1
        bar.update(task, advance=1)
        if not console.is_terminal and (done % EVERY == 0 or done == total):
            console.print(f"[{time.perf_counter() - begin:6.1f} s] {done:>4}/{total} targets", markup=False)

    console.print(f"elbocheck {__version__}: fault catalogue, {total} targets, {workers} workers", highlight=False)
    with bar:
        matrix = judge(workers, listen)
    print_matrix(console, matrix)
    console.print(f"[{time.perf_counter() - begin:.0f} s]", markup=False, highlight=False)
    if file is not None:
        written = {"elbocheck": __version__, **matrix.to_json()}
        write_atomically(file, json.dumps(written, indent=1, ensure_ascii=False) + "\n")
    return 0 if matrix.ok else 1
