"""The table of docs/backends.md: `python docs/backends.py [NAME:DTYPE ...]` runs `elbocheck verify` on each backend.

Takes some minutes for each. A row that is there is replaced, a new one added; a backend whose library is not installed
is left out. A JSON report of a run that was timed already: `python docs/backends.py REPORT.json=SECONDS`. What follows
`--` is for `elbocheck verify`, and makes a run small: `jax:float64 -- --model poisson-mixture --data horse_kicks`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("backends.md")
COMBINATIONS = ("jax:float64", "jax:float32", "numpy:float64", "numpy:float32", "torch:float64", "torch:float32")


def measure(name: str, dtype: str, options: list[str]) -> tuple[dict[str, Any], float] | None:
    """(JSON report of one run, its seconds); None if the backend cannot run here."""
    with tempfile.TemporaryDirectory() as folder:
        target, begin = Path(folder) / "report.json", time.perf_counter()
        command = [sys.executable, "-m", "elbocheck", "verify", "--backend", name, "--dtype", dtype, *options]
        done = subprocess.run([*command, "--json", str(target)], cwd=folder, capture_output=True, text=True)
        if not target.exists():
            print(done.stderr.strip(), file=sys.stderr)
            return None
        return json.loads(target.read_text(encoding="utf-8")), time.perf_counter() - begin


def row(report: dict[str, Any], seconds: float) -> str:
    """One row of the table."""
    summary, cells = report["summary"], report["cells"]
    every = [cell for cell in cells if cell["check"] == "every point"]
    theorem = [cell for cell in cells if cell["check"] == "stationary"]
    power = sorted(cell["power"] for cell in theorem)
    shown = (
        report["backend"],
        report["dtype"],
        sum(cell["problems"] for cell in every),
        f"{max((cell['worst_ratio'] for cell in every), default=0.0):.2f}",
        summary["points"],
        f"{max(cell['worst_ratio'] for cell in theorem):.2f}",
        f"{power[len(power) // 2]:.0e}",
        summary["violated"],
        summary["inconclusive"],
        f"{seconds:.0f} s",
    )
    return "| " + " | ".join(str(each) for each in shown) + " |"


def put(text: str, new: str) -> str:
    """The page, which ends with the table, with one row replaced or added."""
    lines = text.rstrip("\n").split("\n")
    rows = {key(line): line for line in [*lines, new] if key(line) in COMBINATIONS}
    kept = [line for line in lines if key(line) not in COMBINATIONS]
    return "\n".join([*kept, *(rows[name] for name in COMBINATIONS if name in rows)]) + "\n"


def key(line: str) -> str:
    """backend:dtype of a row, nonsense for other lines."""
    return ":".join(cell.strip() for cell in line.split("|")[1:3])


def main() -> None:
    """Measure what the arguments name (default: everything) and put it into the page."""
    arguments = [*sys.argv[1:], "--"]
    named, options = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 : -1]
    for argument in named or COMBINATIONS:
        if "=" in argument:
            name, seconds = argument.split("=")
            found = json.loads(Path(name).read_text(encoding="utf-8")), float(seconds)
        else:
            found = measure(*argument.split(":"), options)
        if found is not None:
            print(row(*found))
            PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), row(*found)), encoding="utf-8")


if __name__ == "__main__":
    main()
