"""Running jobs with progress, and showing what they found."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from elbocheck import __version__

if TYPE_CHECKING:
    from elbocheck.backends.base import Backend
    from elbocheck.runs.jobs import Job
    from elbocheck.runs.rows import Report


def run_and_show(jobs: list[Job], what: str, workers: int, run: Callable[..., Report], backend: Backend) -> Report:
    """Run jobs with progress, then print the tables."""
    from rich.console import Console

    from elbocheck.report.terminal import Watcher, print_report

    workers = workers or min(os.cpu_count() or 1, len(jobs))
    console = Console()
    begin = time.perf_counter()
    console.print(
        f"elbocheck {__version__}: {backend.name}, {backend.dtype}, {what}, "
        f"{workers} worker{'s' if workers > 1 else ''}",
        highlight=False,
    )
    with tempfile.TemporaryDirectory(prefix="elbocheck-") as scratch:
        # Hypothesis would leave a folder in the working directory
        os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", scratch)
        with Watcher(console, sum(job.size for job in jobs)) as watcher:
            report = run(jobs, workers, watcher, backend)
    print_report(console, report, time.perf_counter() - begin)
    return report
