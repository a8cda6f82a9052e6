"""How long the two commands take on this machine: `python benchmarks/timings.py`; writes the block of docs/profiles.md.

Seconds on the clock and processor seconds of the command and its workers, first with nothing compiled before, then once
more with what the first run has kept. Run it on a quiet machine: the clock sees other jobs, and processor seconds see
them a little.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "profiles.md"
BLOCK = re.compile(r"(<!-- timings -->\n```\n).*?(^```$)", flags=re.M | re.S)
PROPERTIES = ("pytest", "--pyargs", "elbocheck.properties", "-q", "-p", "no:cacheprovider")
COMMANDS = {
    "verify, all models": ("elbocheck", "verify"),
    "properties, quick": (*PROPERTIES, "-n", "auto"),
    "properties, gate": (*PROPERTIES, "-n", "auto", "--elbocheck-profile", "gate"),
}
CHART = (
    "pytest",
    "--pyargs",
    "elbocheck.properties.test_invariance",
    *PROPERTIES[3:],
    "-k",
    "chart and poisson-mixture/exact",
)
"""A property that compiles nothing."""
SMALL = {
    "verify, one model": (
        *("elbocheck", "verify", "--backend", "numpy", "--workers", "1"),
        *("--model", "poisson-mixture", "--data", "horse_kicks"),
    ),
    "properties, one cell": CHART,
}


def processor() -> str:
    """Its name where the system tells, else its architecture."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.M)
    return found[1].strip() if found else platform.machine()


def machine() -> list[str]:
    """What the seconds were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("jax", "numpy", "hypothesis"))
    load = f", load {os.getloadavg()[0]:.1f} from other jobs" if hasattr(os, "getloadavg") else ""
    return [
        f"{cores} cores, {processor()}{load}",
        f"{platform.system()}, Python {platform.python_version()}, {libraries}",
    ]


def seconds(command: tuple[str, ...], kept: str) -> tuple[float, float]:
    """(on the clock, of processors) of `python -m COMMAND`, away from the checkout. Raises where it fails.

    `kept`: the folder of compiled programs.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "PYTEST_"))}
    environment["ELBOCHECK_CACHE"] = kept
    with tempfile.TemporaryDirectory() as folder:
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        after, spent = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return spent, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="small runs, to try the script")
    parser.add_argument("commands", nargs="*", help=f"only these: {'; '.join(COMMANDS)} (default: all)")
    options = parser.parse_args()
    known = SMALL if options.small else COMMANDS
    if unknown := set(options.commands) - set(known):
        parser.error(f"no command {sorted(unknown)[0]!r}; there are {'; '.join(known)}")
    chosen = {name: known[name] for name in options.commands or known}
    lines = [*machine(), "", f"{'':<26}{'clock':>8}{'processors':>12}"]
    for name, command in chosen.items():
        with tempfile.TemporaryDirectory() as kept:
            for label in (name, "  again"):
                clock, spent = seconds(command, kept)
                lines.append(f"{label:<26}{clock:>6.0f} s{spent:>10.0f} s")
    print("\n".join(lines))
    text = PAGE.read_text(encoding="utf-8")
    assert len(BLOCK.findall(text)) == 1, f"{PAGE} has no block for timings"
    PAGE.write_text(BLOCK.sub(lambda found: f"{found[1]}{chr(10).join(lines)}\n{found[2]}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
