"""A census on an accelerator, for as long as it is lent: which card, how many problems, verified points per second.

    python benchmarks/device.py [--problems 1000000] [--seconds 440] [--workers N] [--chunk N] [--record FILE]
                                [--properties]

Worker processes draw problems on the host and share the card, so that it is busy while they draw; chunks of a cell stay
with the worker that compiled its programs. After `--seconds` the census is interrupted: the record keeps what had
finished, and the same command goes on with it. `--properties` runs the property tests on the card before.
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

SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""The card's memory is taken as it is needed, so that several processes can."""
PASSED = ("record", "problems", "workers", "chunk")
"""Options that the census gets."""
PATIENCE = 60
"""Seconds that an interrupted census has to write what it has."""


def card(environment: dict[str, str]) -> str:
    """What JAX computes on, asked in a process of its own: one that holds the card would keep memory of it."""
    ask = "import jax; one = jax.devices()[0]; print(len(jax.devices()), one.platform, one.device_kind)"
    return subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True).stdout.strip()


def counted(record: Path) -> tuple[int, int, int, int]:
    """(problems, verified points, inconclusive problems, violated rows) of a record."""
    problems = points = inconclusive = violated = 0
    for line in record.read_text(encoding="utf-8").splitlines() if record.exists() else ():
        for row in json.loads(line)["rows"]:
            violated += row["outcome"] == "violated"
            if row["check"] == "stationary":
                problems += row["problems"]
                points += row["points"]
                inconclusive += row["inconclusive"]
    return problems, points, inconclusive, violated


def main() -> int:
    """The exit code: 1 where something is violated, or where the property tests fail."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--problems", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=440.0, help="after which the census is interrupted")
    parser.add_argument("--workers", type=int, default=max((os.cpu_count() or 1) - 2, 1))
    parser.add_argument("--record", type=Path, default=Path("census-device.jsonl"))
    parser.add_argument("--chunk", type=int, default=4096, help="problems that are searched at once")
    parser.add_argument("--properties", action="store_true", help="run the property tests first")
    options = parser.parse_args()
    environment = {**os.environ, **SHARED}
    print(f"{card(environment)}; {options.workers} workers", flush=True)
    if options.properties:
        tests = [sys.executable, "-m", "pytest", "--pyargs", "elbocheck.properties", "-q", "-p", "no:cacheprovider"]
        if subprocess.run([*tests, "-n", str(options.workers)], env=environment).returncode:
            return 1
    begun = counted(options.record)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    census = subprocess.Popen(
        [sys.executable, "-m", "elbocheck", "census", *(f"--{name}={getattr(options, name)}" for name in PASSED)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        census.wait(options.seconds)
    except subprocess.TimeoutExpired:
        census.send_signal(signal.SIGINT)
        try:
            census.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            census.kill()
            census.wait()
    spent, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = counted(options.record)
    problems, points, inconclusive, _ = (now - then for now, then in zip(found, begun, strict=True))
    print(f"{problems} problems, {points} stationary points, {inconclusive} inconclusive, {found[3]} rows violated")
    print(f"{spent:.0f} s on the clock, {cpu:.0f} s of host processors: {points / spent:.0f} points/s")
    return int(found[3] > 0 or not problems)


if __name__ == "__main__":
    sys.exit(main())
