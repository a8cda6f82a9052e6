"""The table of docs/backends.md: `python docs/backends.py [NAME:DTYPE ...]` runs `elbocheck verify` on each backend.

Takes some minutes for each; a backend whose library is not installed is left out, and its row stays as it was.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAGE = Path(__file__).with_name("backends.md")
COMBINATIONS = ("jax:float64", "jax:float32", "numpy:float64", "numpy:float32", "torch:float64", "torch:float32")


def measure(name: str, dtype: str) -> str | None:
    """One row of the table, from the JSON report of one run."""
    with tempfile.TemporaryDirectory() as folder:
        target, begin = Path(folder) / "report.json", time.perf_counter()
        command = [sys.executable, "-m", "elbocheck", "verify", "--backend", name, "--dtype", dtype]
        done = subprocess.run([*command, "--json", str(target)], cwd=folder, capture_output=True, text=True)
        if not target.exists():
            print(done.stderr.strip(), file=sys.stderr)
            return None
        report, seconds = json.loads(target.read_text(encoding="utf-8")), time.perf_counter() - begin
    summary, rows = report["summary"], report["cells"]
    every = [row for row in rows if row["check"] == "every point"]
    theorem = [row for row in rows if row["check"] == "stationary"]
    power = sorted(row["power"] for row in theorem)
    cells = (
        report["backend"], report["dtype"], sum(row["problems"] for row in every),
        f"{max(row['worst_ratio'] for row in every):.2f}", summary["points"],
        f"{max(row['worst_ratio'] for row in theorem):.2f}", f"{power[len(power) // 2]:.0e}", summary["violated"],
        summary["inconclusive"], f"{seconds:.0f} s",
    )  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    """Measure what the arguments name (default: everything) and put it into the page."""
    text = PAGE.read_text(encoding="utf-8")
    for combination in sys.argv[1:] or COMBINATIONS:
        name, dtype = combination.split(":")
        row = measure(name, dtype)
        if row is not None:
            print(row)
            text = re.sub(rf"^\| {name} \| {dtype} \|.*$", row, text, flags=re.M)
            PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
