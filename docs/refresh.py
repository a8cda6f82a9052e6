"""Put what the commands print into the pages of docs/: `python docs/refresh.py [VERIFY_LOG] [CENSUS_RECORD]`.

The list of models is always taken anew; the output of `elbocheck verify` from its log, the tables of a census from its
record, finished or not.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lines(text: str) -> list[str]:
    """Without trailing blanks."""
    return [line.rstrip() for line in text.splitlines()]


def tables(log: str) -> list[str]:
    """A log from its first table on: progress lines left out."""
    found = lines(log)
    titles = ("Real data", "Random problems")
    return found[next(i for i, line in enumerate(found) if line.startswith(titles)) :]


def fill(path: Path, marker: str, body: list[str]) -> None:
    """Replace the fenced block after `<!-- marker -->`."""
    text = path.read_text(encoding="utf-8")
    block = f"<!-- {marker} -->\n```\n" + "\n".join(body).strip("\n") + "\n```"
    filled, count = re.subn(rf"<!-- {marker} -->\n```\n.*?^```$", lambda _: block, text, flags=re.S | re.M)
    assert count == 1, f"{path}: {count} blocks {marker}"
    path.write_text(filled, encoding="utf-8")


def census(record: Path) -> str:
    """The tables of a record, as the command prints them at the end."""
    from rich.console import Console

    from elbocheck.report.terminal import print_report
    from elbocheck.runs.census import recorded
    from elbocheck.runs.rows import Report, merged

    rows = merged(row for chunk in recorded(record).values() for row in chunk)
    out = io.StringIO()
    seconds = sum(row.seconds for row in rows if row.check == "stationary")
    print_report(Console(file=out, width=80), Report(rows, "jax", "float64"), seconds)
    return out.getvalue()


def main() -> None:
    """Refresh what the arguments allow."""
    catalogue = ROOT / "docs" / "catalogue.md"
    command = [sys.executable, "-m", "elbocheck", "list"]
    with tempfile.TemporaryDirectory() as away:
        done = subprocess.run(command, cwd=away, capture_output=True, text=True, check=True, encoding="utf-8")
    fill(catalogue, "list", [line[1:] for line in lines(done.stdout) if line])
    if len(sys.argv) > 1:
        shown = tables(Path(sys.argv[1]).read_text(encoding="utf-8"))
        fill(ROOT / "docs" / "output.md", "output", shown)
        random = next(i for i, line in enumerate(shown) if line.startswith("Random problems"))
        fill(catalogue, "verify", shown[:random])
        last = max(i for i, line in enumerate(shown) if line.startswith("|F−S|: the smallest"))
        fill(catalogue, "summary", shown[last + 1 :])
    if len(sys.argv) > 2:
        fill(ROOT / "docs" / "census.md", "census", tables(census(Path(sys.argv[2]))))


if __name__ == "__main__":
    main()
