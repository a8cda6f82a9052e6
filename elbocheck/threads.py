"""One thread per process: matrices here have some thirty rows, and threads for them only get in each other's way.

With a process per core, two threads in each made an eigendecomposition take up to a hundred times as long.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
XLA_FLAG = "--xla_cpu_multi_thread_eigen"


def one_thread() -> dict[str, str]:
    """Environment variables for one thread, read when NumPy and XLA load; what is set already stays as it is."""
    missing = {name: "1" for name in NAMES if name not in os.environ}
    flags = os.environ.get("XLA_FLAGS", "")
    return missing if XLA_FLAG in flags else {**missing, "XLA_FLAGS": f"{flags} {XLA_FLAG}=false".strip()}


@contextmanager
def single_threaded() -> Iterator[None]:
    """Processes started in this block compute on one thread, and so does this one if it has not loaded NumPy yet."""
    wanted = one_thread()
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
