"""Running jobs over processes, one report from many rows; a process that dies costs its own job only.

A job whose process is killed is run again once; what cannot be finished then is a row without verdict. Ctrl-C leaves
the rows of what had finished.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from elbocheck.backends import get_backend
from elbocheck.backends.base import Backend
from elbocheck.errors import ElbocheckError, InputError, named
from elbocheck.files import beginning_here
from elbocheck.limits import pass_on
from elbocheck.outcome import Outcome, Result
from elbocheck.runs.chunks import Chunk
from elbocheck.runs.jobs import Job
from elbocheck.runs.rows import Report, Row
from elbocheck.threads import single_threaded

Work = Job | Chunk
"""What a process does at a time."""
Listener = Callable[[int, Any], None]
"""Called with (problems just finished, job just finished or None)."""
Keep = Callable[[Any, list[Row]], None]
"""Called with each finished job and its rows."""
ATTEMPTS = 2
"""How often a job is begun whose process dies."""
LOST = "finished"
"""What the row of a lost job has for a check."""

TICK, DONE, FAILED = "tick", "done", "failed"


class Cut(KeyboardInterrupt):
    """A run that was interrupted; `report` has what had finished."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


def run(
    jobs: Sequence[Work],
    workers: int,
    listen: Listener,
    backend: Backend | None = None,
    keep: Keep = lambda job, rows: None,
) -> Report:
    """Run all jobs on `workers` processes (here if 1), on `backend`; rows come in the order of the jobs.

    Raises `Cut` where it is interrupted, and what a job raised where none could be finished.
    """
    rows, failed = dict[int, list[Row]](), dict[int, BaseException]()
    backend = backend or get_backend()

    def report() -> Report:
        found = {**rows, **{position: [lost(jobs[position], error)] for position, error in failed.items()}}
        return Report(tuple(row for position in sorted(found) for row in found[position]), backend.name, backend.dtype)

    run_all = _here if workers <= 1 or len(jobs) < 2 else _apart
    try:
        for position, found in run_all(jobs, workers, backend, listen):
            if isinstance(found, BaseException):
                failed[position] = found
                continue
            rows[position] = found
            keep(jobs[position], found)
            listen(0, jobs[position])
    except KeyboardInterrupt as error:
        raise Cut(report()) from error
    expected = [error for error in failed.values() if isinstance(error, ElbocheckError)]
    if expected and not rows:
        raise expected[0]
    return report()


def lost(job: Work, error: BaseException) -> Row:
    """The row of a job that could not be finished: without verdict, so that the run is not green."""
    target, _, posterior = job.label.partition("/")
    row = Row(target, posterior, "random", LOST)
    row.tally.add(Result(LOST, job.label, Outcome.INCONCLUSIVE, points=0, message=f"no verdict. {error}"))
    return row.close(0.0)


class Died(Exception):
    """A process that ran a job has been killed, or has ended itself."""


def order(jobs: Sequence[Work]) -> list[int]:
    """The positions of jobs as they are begun: the smallest of each kind, then the largest first.

    So one of each kind is seen soon, and no core idles at the end.
    """
    by_size, first = sorted(range(len(jobs)), key=lambda position: jobs[position].size), dict[str, int]()
    for position in by_size:
        if kind := getattr(jobs[position], "kind", ""):
            first.setdefault(kind, position)
    soon = sorted(first.values())
    return [*soon, *sorted(set(range(len(jobs))) - set(soon), key=lambda position: -jobs[position].size)]


def _here(
    jobs: Sequence[Work], workers: int, backend: Backend, listen: Listener
) -> Iterator[tuple[int, list[Row] | BaseException]]:
    for position in order(jobs):
        job = jobs[position]
        try:
            yield position, job.run(lambda count: listen(count, None), backend)
        except BaseException as error:
            if isinstance(error, GeneratorExit):
                raise
            pass_on(error)
            yield position, error if isinstance(error, ElbocheckError) else Died(named(error))


@dataclass
class _Worker:
    """One process, and the job that it runs."""

    process: Any
    """Of multiprocessing."""

    pipe: Connection
    """To it and back; it closes when the process ends, however that happens."""

    position: int | None = None
    """Of its job."""

    compiled: str = ""
    """The cell of its last chunk."""

    ticked: int = 0
    """Problems of this job that were reported as finished."""


def _apart(
    jobs: Sequence[Work], workers: int, backend: Backend, listen: Listener
) -> Iterator[tuple[int, list[Row] | BaseException]]:
    waiting = deque(order(jobs))
    begun = dict.fromkeys(waiting, 0)
    crew: list[_Worker] = []
    try:
        with single_threaded():
            while waiting or crew:
                while waiting and len(crew) < workers:
                    crew.append(_hired(backend))
                    _next(crew[-1], waiting, jobs, begun, crew)
                for worker in _ready(crew):
                    kind, content = _heard(worker)
                    if kind == TICK:
                        worker.ticked += content
                        listen(content, None)
                        continue
                    position, worker.position = worker.position, None
                    if kind == "died":
                        crew.remove(worker)
                        listen(-worker.ticked, None)
                        if position is not None and begun[position] < ATTEMPTS:
                            waiting.appendleft(position)
                        elif position is not None:
                            yield position, Died(f"{content}, {begun[position]} times")
                        continue
                    if waiting:
                        _next(worker, waiting, jobs, begun, crew)
                    else:
                        crew.remove(worker)
                        _dismiss(worker)
                    assert position is not None
                    yield position, content
    finally:
        for worker in crew:
            worker.process.kill()
        for worker in crew:
            _dismiss(worker)


def _ready(crew: Sequence[_Worker]) -> list[_Worker]:
    """Those that have something to say, or have died."""
    found = wait([one.pipe for one in crew], timeout=0.2)
    return [one for one in crew if one.pipe in found]


def _next(
    worker: _Worker, waiting: deque[int], jobs: Sequence[Work], begun: dict[int, int], crew: Sequence[_Worker] = ()
) -> None:
    """Give the worker the first job, or rather a chunk of the cell whose programs it has compiled.

    A chunk of a cell that another worker has compiled is the last choice.
    """
    others = {one.compiled for one in crew if one is not worker}
    cells = [_cell(jobs[position]) for position in waiting]
    place = next((place for place, cell in enumerate(cells) if cell and cell == worker.compiled), None)
    if place is None:
        place = next((place for place, cell in enumerate(cells) if not cell or cell not in others), 0)
    worker.position, worker.compiled = waiting[place], cells[place]
    del waiting[place]
    begun[worker.position] += 1
    worker.ticked = 0
    with suppress(OSError):  # it has died: its pipe says so next
        worker.pipe.send(jobs[worker.position])


def _cell(job: Work) -> str:
    """The cell of a chunk; empty for a job, which has its programs for itself."""
    return job.cell if isinstance(job, Chunk) else ""


def _heard(worker: _Worker) -> tuple[str, Any]:
    try:
        return worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        return "died", f"the process that ran it {how}"
    except Exception as error:  # rows that cannot be read
        return FAILED, Died(named(error))


def _dismiss(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.join(5.0)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()


def _hired(backend: Backend) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, backend), daemon=True)
    with _held():
        process.start()
    theirs.close()
    return _Worker(process, ours)


@contextmanager
def _held() -> Iterator[None]:
    """Ctrl-C waits inside; processes that are started inside never get it: whoever started them ends them."""
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection, backend: Backend) -> None:
    """What a process does: jobs, one after the other, until nobody sends any."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    with beginning_here():
        while True:
            try:
                job = pipe.recv()
            except (EOFError, OSError):
                return
            try:
                answer = DONE, job.run(lambda count: pipe.send((TICK, count)), backend)
            except ElbocheckError as error:
                answer = FAILED, InputError(str(error))  # not every kind can be sent
            except BaseException as error:  # whatever cells of others raise, `sys.exit` included
                answer = FAILED, Died(named(error))
            try:
                pipe.send(answer)
            except (OSError, EOFError):
                return


def _end_with(parent: int) -> None:
    """End this process when the one that started it is gone."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
