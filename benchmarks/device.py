"""A census on an accelerator, for as long as it is lent: which card, how many problems, verified points per second.

    python benchmarks/device.py [--problems 1000000] [--seconds 440] [--workers 4] [--record FILE] [--cells …]
                                [--properties]

XLA compiles a program for a GPU for some twenty seconds, for a processor for two; so the cells whose problems cost a
processor most are searched on the card, and the others by the other processors meanwhile. A few processes share the
card, so that it is busy while they draw and compile. The two parts are recorded apart, in FILE and beside it; put
together they are the record of one census. After `--seconds` both are interrupted: their records keep what had
finished, and the same command goes on with them. `--properties` runs the property tests on the card before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

from elbocheck.models import CELLS

ON_CARD = (
    "linear-dynamical-system/exact",
    "deep-sbn-3/exact",
    "von-mises-mixture/exact",
    "pareto-mixture/exact",
    "ppca/exact",
    "deep-sbn-2/exact",
    "sbn/exact",
    "hmm-gaussian/arbitrary",
    "multinomial-mixture/exact",
    "negative-binomial-mixture/exact",
    "gaussian-process/exact",
    "linear-regressions/exact",
)
"""The cells with the most processor seconds in a census on processors alone."""
CHUNKS = {"card": 6144, "host": 2048}
"""Problems that are searched at once: a card is busy with thousands."""
SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""The card's memory is taken as it is needed, so that several processes can."""
PATIENCE = 15
"""Seconds that an interrupted census has to end."""


def card() -> str:
    """What JAX computes on, asked in a process of its own: one that holds the card would keep memory of it."""
    ask = "import jax; one = jax.devices()[0]; print(len(jax.devices()), one.platform, one.device_kind)"
    return subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True).stdout.strip()


def counted(*records: Path) -> tuple[int, int, int, int]:
    """(problems, verified points, inconclusive problems, violated rows) of some records."""
    problems = points = inconclusive = violated = 0
    for record in records:
        for line in record.read_text(encoding="utf-8").splitlines() if record.exists() else ():
            for row in json.loads(line)["rows"]:
                violated += row["outcome"] == "violated"
                if row["check"] == "stationary":
                    problems += row["problems"]
                    points += row["points"]
                    inconclusive += row["inconclusive"]
    return problems, points, inconclusive, violated


def begun(part: str, cells: list[str], record: Path, problems: int, workers: int) -> subprocess.Popen[bytes]:
    """The census of one part, as a process."""
    given = {"record": record, "problems": problems, "workers": workers, "chunk": CHUNKS[part]}
    options = [f"--{name}={value}" for name, value in given.items()] + [f"--cell={name}" for name in cells]
    platform = SHARED if part == "card" else {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "elbocheck", "census", *options]
    return subprocess.Popen(command, env={**os.environ, **platform}, stdout=subprocess.DEVNULL)


def ended(processes: list[subprocess.Popen[bytes]], seconds: float) -> None:
    """Wait for all, so long; then interrupt what still runs."""
    deadline = time.monotonic() + seconds
    for what in (lambda one: None, lambda one: one.send_signal(signal.SIGINT), subprocess.Popen.kill):
        for one in processes:
            if one.poll() is None:
                what(one)
        for one in processes:
            try:
                one.wait(max(deadline - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                continue
        deadline = time.monotonic() + PATIENCE


def main() -> int:
    """The exit code: 1 where something is violated, or where the property tests fail."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--problems", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=440.0, help="after which the census is interrupted")
    parser.add_argument("--workers", type=int, default=4, help="processes that share the card")
    parser.add_argument("--record", type=Path, default=Path("census-device.jsonl"))
    parser.add_argument("--cells", nargs="+", default=[cell.name for cell in CELLS], help="only some, on both sides")
    parser.add_argument("--properties", action="store_true", help="run the property tests first")
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    others = max(cores - options.workers + 2, 1)  # those of the card often wait for it
    print(f"{card()}; {options.workers} workers on it, {others} on {cores} processors", flush=True)
    if options.properties:
        tests = [sys.executable, "-m", "pytest", "--pyargs", "elbocheck.properties", "-q", "-p", "no:cacheprovider"]
        if subprocess.run([*tests, "-n", str(cores)], env={**os.environ, **SHARED}).returncode:
            return 1
    records = {"card": options.record, "host": options.record.with_suffix(".host.jsonl")}
    before = {part: counted(record) for part, record in records.items()}
    start, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    workers = {"card": options.workers, "host": others}
    cells = {part: [name for name in options.cells if (name in ON_CARD) == (part == "card")] for part in records}
    processes = [
        begun(part, cells[part], record, options.problems, workers[part])
        for part, record in records.items()
        if cells[part]
    ]
    ended(processes, options.seconds)
    spent, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    new = 0
    for part, record in records.items():
        problems, points, inconclusive, _ = (
            now - then for now, then in zip(counted(record), before[part], strict=True)
        )
        new += problems
        print(f"on the {part}: {problems} problems, {points} stationary points, {inconclusive} inconclusive")
    violated = counted(*records.values())[3]
    print(f"{new} problems, {violated} rows violated; {spent:.0f} s on the clock, {cpu:.0f} s of host processors")
    return int(violated > 0 or not new)


if __name__ == "__main__":
    sys.exit(main())
