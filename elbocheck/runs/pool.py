"""Running jobs over processes, one report from many rows."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any

from elbocheck.backends import get_backend
from elbocheck.backends.base import Backend
from elbocheck.runs.jobs import Job
from elbocheck.runs.rows import Report, Row
from elbocheck.threads import single_threaded

Listener = Callable[[int, "Job | None"], None]
"""Called with (problems just finished, job just finished or None)."""
Keep = Callable[["Job", list[Row]], None]
"""Called with each finished job and its rows."""

_ticks: Any = None


def run(
    jobs: Sequence[Job],
    workers: int,
    listen: Listener,
    backend: Backend | None = None,
    keep: Keep = lambda job, rows: None,
) -> Report:
    """Run all jobs on `workers` processes (here if 1), on `backend`; rows come in the order of the jobs."""
    rows: dict[int, list[Row]] = {}
    backend = backend or get_backend()
    if workers <= 1 or not jobs:
        for position, job in enumerate(jobs):
            rows[position] = job.run(lambda count: listen(count, None), backend)
            keep(job, rows[position])
            listen(0, job)
    else:
        with single_threaded():
            context = multiprocessing.get_context("spawn")
            ticks = context.Queue()
            with ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(ticks,)) as pool:
                for position, found in _collect(pool, jobs, backend, ticks, listen):
                    rows[position] = found
                    keep(jobs[position], found)
    return Report(tuple(row for position in sorted(rows) for row in rows[position]), backend.name, backend.dtype)


def _collect(
    pool: ProcessPoolExecutor, jobs: Sequence[Job], backend: Backend, ticks: Any, listen: Listener
) -> Iterator[tuple[int, list[Row]]]:
    # the largest jobs first, so that no core idles at the end
    order = sorted(range(len(jobs)), key=lambda position: -jobs[position].size)
    pending: dict[Future[list[Row]], int] = {pool.submit(_run, jobs[position], backend): position for position in order}
    try:
        while pending:
            done, _ = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
            while True:
                try:
                    listen(ticks.get_nowait(), None)
                except queue.Empty:
                    break
            for future in done:
                position = pending.pop(future)
                yield position, future.result()
                listen(0, jobs[position])
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise


def _start(ticks: Any) -> None:
    global _ticks
    _ticks = ticks


def _run(job: Job, backend: Backend) -> list[Row]:
    return job.run(_ticks.put, backend)
