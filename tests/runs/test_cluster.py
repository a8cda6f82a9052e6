"""A census on a Dask cluster: a real scheduler, two worker processes, one of them killed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from elbocheck import cli
from elbocheck.runs.census import recorded
from support.processes import python

pytest.importorskip("distributed")

CODE = """
import os, signal, sys
from pathlib import Path
from elbocheck.backends import get_backend
from elbocheck.runs import census, cluster
from elbocheck.runs.chunks import Chunk
address, record, killed = sys.argv[1:]
chunks = [Chunk("poisson-mixture/exact", first, 2, 0) for first in range(0, 24, 2)]
finished = []
def listen(count, chunk):
    finished.append(chunk)
    if len(finished) == 2:
        os.kill(int(killed), signal.SIGKILL)
backend = get_backend("numpy")
report = census.take(chunks, Path(record), 2, listen, backend, cluster.runner(address))
print([(row.check, row.tally.problems, row.outcome) for row in report.rows], len(finished))
"""


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__DASHBOARD__LINK": ""}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, "-m", *arguments], env=environment, stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def address_in(file: Path) -> str:
    """Of the scheduler, once it has written it down."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        if file.exists() and file.read_text(encoding="utf-8").strip().endswith("}"):
            return str(json.loads(file.read_text(encoding="utf-8"))["address"])
        time.sleep(0.1)
    raise AssertionError("no scheduler")


def test_a_census_survives_the_loss_of_a_worker(tmp_path: Path) -> None:
    """Every problem is counted once, whatever the killed worker had begun."""
    file, record = tmp_path / "scheduler.json", tmp_path / "census.jsonl"
    own = ("distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny")
    own = (*own, "--no-dashboard")
    scheduler = ("distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file", str(file), "--no-dashboard")
    with started(*scheduler):
        address = address_in(file)
        with started(*own) as first, started(*own):
            done = python("-c", CODE, address, str(record), str(first.pid), folder=tmp_path)
            assert done.returncode == 0, done.stderr
            assert first.wait(60.0) == -signal.SIGKILL
    assert done.stdout.strip() == "[('every point', 24, 'holds'), ('stationary', 24, 'holds')] 12"
    assert len(recorded(record)) == len(record.read_text(encoding="utf-8").splitlines()) == 12


def test_an_address_without_a_scheduler_is_refused_in_one_line(tmp_path: Path) -> None:
    done = python(
        "-m", "elbocheck", "census", "--record", "census.jsonl", "--problems", "1", "--cluster", "tcp://127.0.0.1:9",
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("elbocheck: --cluster tcp://127.0.0.1:9: no scheduler answers (")
    assert len(done.stderr.splitlines()) == 1


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "distributed" else find(name))
    assert cli.main(["census", "--record", os.devnull, "--cluster", "local", "--backend", "jax"]) == 2
    assert "elbocheck[cluster]" in capsys.readouterr().err
