"""`elbocheck faults`: plant faults in correct bounds, and count what finds them."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from elbocheck import __version__
from elbocheck.commands.arguments import Commands, refuse_empty
from elbocheck.files import writable, written

EVERY = 25
"""In a log, progress is a line after so many targets."""


def add(commands: Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "faults",
        help="plant faults in correct bounds and count what finds them",
        description="Plant known faults in correct bounds, and show which check finds which, beside today's practice.",
    )
    parser.add_argument("--json", metavar="FILE", help="write the matrix and the totals as JSON")
    parser.add_argument(
        "--catalogue",
        choices=("known", "unseen", "both"),
        default="both",
        help="faults that the diagnosis was built on, faults it was not, or both (the default)",
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    refuse_empty(options)
    return faults_command(None if options.json is None else writable(options.json), options.catalogue)


def faults_command(file: Path | None, catalogue: str = "both") -> int:
    """`elbocheck faults`: run the catalogues, print the matrix and the totals of the unseen faults.

    Both are written to `file`. 0 if the matrix is as it should be and every correct target holds.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from elbocheck.faults.matrix import Matrix, tasks
    from elbocheck.faults.matrix import run as judge
    from elbocheck.faults.unseen.run import Found, count, unseen
    from elbocheck.report.faults import print_matrix, print_unseen
    from elbocheck.report.terminal import terminal

    console, begin = terminal(markup=True), time.perf_counter()
    known = catalogue != "unseen"
    total = len(tasks()) * known + count() * (catalogue != "known")
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

    def listen(_: object) -> None:
        nonlocal done
        done += 1
        bar.update(task, advance=1)
        if not console.is_terminal and (done % EVERY == 0 or done == total):
            console.print(f"[{time.perf_counter() - begin:6.1f} s] {done:>4}/{total} targets", markup=False)

    console.print(f"elbocheck {__version__}: fault catalogue, {total} targets, {workers} workers", highlight=False)
    matrix, found = Matrix(()), Found((), (), 0)
    with bar:
        if known:
            matrix = judge(workers, listen)
        if catalogue != "known":
            found = unseen(workers, listen)
    if known:
        print_matrix(console, matrix)
    if catalogue != "known":
        print_unseen(console, found)
    console.print(f"[{time.perf_counter() - begin:.0f} s]", markup=False, highlight=False)
    if file is not None:
        content = {"elbocheck": __version__, **matrix.to_json(), "unseen": found.to_json()}
        written(file, lambda: json.dumps(content, indent=1, ensure_ascii=False) + "\n", "the matrix")
    return 0 if (matrix.ok or not known) and not found.rejected_targets else 1
