"""What the gate found of one target, on a terminal or in a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from elbocheck.errors import one_line
from elbocheck.gate.failure_text import claim_lines, explain_failure, headline, inconclusive_lines
from elbocheck.gate.records import CheckReport
from elbocheck.outcome import Outcome
from elbocheck.report.terminal import STYLES, show
from elbocheck.runs.rows import Row


def show_target(
    console: Console, name: str, rows: Sequence[Row], report: CheckReport, lines: Mapping[str, str]
) -> None:
    """The table of its checks, what the theorem says, the first failure in full; `lines`: check -> how to repeat it."""
    name = one_line(name)
    show(console, summary_table(name, rows))
    for line in claim_lines(report):
        console.print(line, soft_wrap=True)
    if report.failures:
        first, *others = report.failures
        console.print(explain_failure(first, lines.get(first.check, "")) + "\n", style="red", soft_wrap=True)
        rest = list(dict.fromkeys(one.check for one in others if one.check != first.check))
        if rest:
            console.print(f"  also violated: {', '.join(rest)}\n", style="red")
    violated = [one for one in report.checked if one.result is not None and one.result.outcome is Outcome.VIOLATED]
    for text in dict.fromkeys(f"  known: {one.id}: {one.known.reason}" for one in violated if one.known is not None):
        console.print(one_line(text), style="yellow")
    for text in report.stale:
        console.print(one_line(text), style="bold red")
    for text in inconclusive_lines(report):
        console.print(text, style="yellow")
    console.print(headline(report, name), style="bold green" if report.ok else "bold red")


def summary_table(name: str, rows: Sequence[Row]) -> Table:
    """One line for each check: problems, worst deviation and its bound, outcome."""
    table = Table(title=name, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for column, justify in (("check", "left"), ("problems", "right"), ("deviation", "right"), ("bound", "right")):
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("outcome", no_wrap=False)
    for row in rows:
        table.add_row(
            row.check,
            str(row.tally.problems),
            f"{row.tally.worst.gap:.0e}",
            f"{row.tally.worst.bound:.0e}",
            row.message if row.outcome == Outcome.HOLDS.value and row.message else row.outcome,
            style=STYLES[row.outcome] if row.outcome != Outcome.HOLDS.value else "",
        )
    return table
