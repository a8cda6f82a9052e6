"""What was proved of every cell, at 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from elbocheck.report.certificate import above, around
from elbocheck.report.terminal import show
from elbocheck.runs.proofs import Proven

WIDTH = 80


def line(one: Proven) -> str:
    """One cell as it is finished, within 80 columns."""
    what = f"proved, radius {above(one.radius)}" if one.proved else one.reason
    text = f"{one.cell}: {'FALSE: ' if one.false else ''}{what}"
    return textwrap.shorten(text, WIDTH - 10, placeholder=" …") + f" [{one.seconds:.0f} s]"


def print_proofs(console: Console, found: Sequence[Proven]) -> None:
    """The table of what is proved; the others with the reason; how many."""
    table = Table(box=SIMPLE_HEAD, title="Proved", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("cell", no_wrap=True)
    table.add_column("N D K", justify="right")
    table.add_column("free", justify="right")
    table.add_column("kind")
    table.add_column("radius", justify="right")
    table.add_column("F − S − δ", justify="right", no_wrap=True)
    table.add_column("s", justify="right")
    for one in found:
        if one.proved and one.gap is not None:
            gap = around(one.gap) if one.gap.contains_zero else f"NOT 0: {around(one.gap)}"
            sizes = " ".join(str(size) for size in one.sizes)
            table.add_row(one.cell, sizes, str(one.coordinates), one.kind, above(one.radius), gap, f"{one.seconds:.0f}")
    show(console, table)
    others = [one for one in found if not one.proved]
    if others:
        console.print("Not proved", style="bold")
    for one in others:
        text = f"{one.cell}: {one.reason}"
        wrapped = textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="      ", break_long_words=False)
        console.print("\n".join(wrapped), style="bold red" if one.false else None, markup=False, highlight=False)
    proved, false = sum(one.proved for one in found), [one.cell for one in found if one.false]
    show(console, f"\n{proved} of {len(found)} cells proved" + (f"; FALSE: {', '.join(false)}" if false else ""))
