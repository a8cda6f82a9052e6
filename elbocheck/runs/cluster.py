"""Chunks of a census on many machines, by Dask: workers may be lost and added while it runs.

A chunk is a pure function of cell, numbers and seed, so that Dask may run it anywhere, and again where a worker was
lost; whoever writes the record takes the first rows of each. A worker keeps the programs that it has compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from elbocheck.backends import get_backend, require
from elbocheck.backends.base import Backend
from elbocheck.errors import InputError
from elbocheck.runs.chunks import Chunk
from elbocheck.runs.pool import Keep, Listener, lost
from elbocheck.runs.rows import Report, Row
from elbocheck.threads import single_threaded

LOCAL = "local"
"""In place of an address: a cluster of this machine's own processes, for as long as the run takes."""
SECONDS = 10
"""How long a scheduler may take to answer."""


def runner(address: str) -> Callable[..., Report]:
    """What runs chunks on the cluster of the scheduler at `address`, as `pool.run` does on this machine's processes.

    Raises `MissingExtraError` without Dask, and when it runs `InputError` where no scheduler answers.
    """
    require("distributed", "--cluster needs Dask", "cluster")

    def run(
        chunks: Sequence[Chunk],
        workers: int,
        listen: Listener,
        backend: Backend | None = None,
        keep: Keep | None = None,
    ) -> Report:
        backend, rows = backend or get_backend(), dict[int, list[Row]]()
        with _client(address, workers) as client:
            for position, found in _finished(client, chunks, backend):
                if isinstance(found, BaseException):
                    rows[position] = [lost(chunks[position], found)]
                    continue
                rows[position] = found
                if keep is not None:
                    keep(chunks[position], found)
                listen(chunks[position].size, chunks[position])
        return Report(tuple(row for place in sorted(rows) for row in rows[place]), backend.name, backend.dtype)

    return run


def _work(chunk: Chunk, backend: Backend) -> list[Row]:
    """What a worker does."""
    return chunk.run(lambda count: None, backend)


def _finished(
    client: Any, chunks: Sequence[Chunk], backend: Backend
) -> Iterator[tuple[int, list[Row] | BaseException]]:
    """(position, rows or what was raised), as they come."""
    from distributed import as_completed

    positions = {client.submit(_work, chunk, backend, pure=False): place for place, chunk in enumerate(chunks)}
    if not positions:
        return
    for future in as_completed(list(positions)):
        error = future.exception()
        yield positions.pop(future), future.result() if error is None else error
        future.release()


@contextmanager
def _client(address: str, workers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    if address == LOCAL:
        with (
            single_threaded(),
            LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"--cluster {address}: no scheduler answers ({reason})") from error
    with client:
        yield client
