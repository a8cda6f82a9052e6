"""The tables of docs/faults.md: `python docs/faults.py` runs the whole catalogue, which takes about two minutes.

`--first N` writes tables of the first N targets of each group only, to try the script out.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import textwrap
from pathlib import Path

from refresh import fill, lines
from rich.console import Console

from elbocheck.faults.matrix import Matrix, judge, run, tasks
from elbocheck.report.faults import print_matrix

PAGE = Path(__file__).with_name("faults.md")


def wrapped(text: str) -> list[str]:
    """A text in lines of 80 columns; what follows the first is indented."""
    return textwrap.wrap(text, 80, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def listing(matrix: Matrix) -> list[str]:
    """Every fault: its line, and what elbocheck says."""
    found = []
    for row in matrix.of("fault"):
        said, change = row.verdicts, row.change
        assert said.found is not None, row
        found += wrapped(f"# {row.model}, {row.name}: {row.sentence}")
        found += [*wrapped(f"- {change.before}"), *wrapped(f"+ {change.after}")]
        found += [*wrapped(f"{said.first}: {said.found.sentence}"), ""]
    return found


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, metavar="N")
    first = parser.parse_args().first
    if first is None:
        matrix = run(os.cpu_count() or 1, lambda row: print(row.group, row.model, row.name, file=sys.stderr))
    else:
        matrix = Matrix(tuple(judge((group, index)) for group, index in tasks() if index < first))
    out = io.StringIO()
    print_matrix(Console(file=out, width=80), matrix)
    fill(PAGE, "matrix", lines(out.getvalue()))
    fill(PAGE, "list", listing(matrix))


if __name__ == "__main__":
    main()
