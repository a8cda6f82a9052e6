"""The tables of docs/certify.md: `python docs/proofs.py FILE`, the file from `elbocheck certify --all --json FILE`."""

from __future__ import annotations

import json
import sys
from decimal import ROUND_UP, Context, Decimal
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("certify.md")
BEGIN, END = "<!-- proofs -->\n", "<!-- end of proofs -->\n"


def above(size: float | Decimal) -> str:
    """A bound in one digit, rounded up."""
    return f"{Context(prec=1, rounding=ROUND_UP).create_decimal(Decimal(size)):.0e}"


def table(head: str, rows: list[tuple[Any, ...]]) -> str:
    """A table of Markdown; nothing without rows."""
    if not rows:
        return ""
    lines = [head, "|" + "---|" * (head.count("|") - 1), *("| " + " | ".join(map(str, row)) + " |" for row in rows)]
    return "\n".join(lines) + "\n"


def proved(one: dict[str, Any]) -> tuple[Any, ...]:
    """A row of a cell that is proved; bounds are rounded up."""
    gap, bound = one["gap"], above(Decimal(abs(one["gap"]["middle"])) + Decimal(one["gap"]["radius"]))
    enclosed = f"0 ± {bound}" if gap["contains_zero"] else f"not 0: {gap['text']}"
    sizes = ", ".join(map(str, one["sizes"]))
    seconds = max(1, round(one["seconds"]))
    return one["cell"], sizes, one["coordinates"], one["kind"], above(one["radius"]), enclosed, seconds


def both(document: dict[str, Any]) -> str:
    """What is proved, and what is not with the reason."""
    done = [one for one in document["cells"] if one["proved"]]
    left = [one for one in document["cells"] if not one["proved"]]
    count = f"{len(done)} of {len(document['cells'])} cells are proved, with {document['bits']} bits.\n"
    first = table("| cell | N, D, K | free | point | radius | F − S − δ | s |", [proved(one) for one in done])
    second = table("| not proved | reason |", [(one["cell"], one["reason"].replace("|", "\\|")) for one in left])
    return "\n".join(filter(None, (count, first, second)))


def main() -> None:
    """Replace the tables by those of a record."""
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + both(document) + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
