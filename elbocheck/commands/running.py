"""Running jobs with progress, and showing what they found."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from elbocheck import __version__

if TYPE_CHECKING:
    from elbocheck.backends.base import Backend
    from elbocheck.runs.pool import Work
    from elbocheck.runs.rows import Report


def run_and_show(jobs: Sequence[Work], what: str, workers: int, run: Callable[..., Report], backend: Backend) -> Report:
    """Run jobs with progress, then print the tables; of an interrupted run those of what had finished.

    Raises `PrecisionError` before anything is run if the device does not compute in the precision that is named.
    """
    from elbocheck.backends.probe import probe
    from elbocheck.errors import Interrupted
    from elbocheck.report.terminal import Watcher, print_report, terminal
    from elbocheck.runs.pool import Cut

    workers = workers or min(os.cpu_count() or 1, len(jobs))
    console = terminal(markup=True)
    begin, interrupted = time.perf_counter(), 0
    console.print(
        f"elbocheck {__version__}: {backend.name}, {backend.dtype}, {what}, "
        f"{workers} worker{'s' if workers > 1 else ''}",
        highlight=False,
    )
    probe(backend)
    with tempfile.TemporaryDirectory(prefix="elbocheck-") as scratch:
        # Hypothesis would leave a folder in the working directory
        os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", scratch)
        with Watcher(console, sum(job.size for job in jobs)) as watcher:
            try:
                report = run(jobs, workers, watcher, backend)
            except Cut as cut:
                report, interrupted = cut.report, Interrupted.pending or signal.SIGINT
                Interrupted.pending = 0
    if report.rows or not interrupted:
        print_report(console, report, time.perf_counter() - begin)
    if interrupted:
        raise Interrupted(interrupted)
    return report
