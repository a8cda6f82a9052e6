"""Tables and progress for people, at 80 columns, on a terminal or in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions
from rich.control import Control
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table

from elbocheck.errors import harmless
from elbocheck.outcome import Outcome
from elbocheck.runs.chunks import Chunk
from elbocheck.runs.jobs import Job
from elbocheck.runs.rows import Report, Row

STYLES = {
    Outcome.HOLDS.value: "green",
    Outcome.VIOLATED.value: "bold red",
    Outcome.INCONCLUSIVE.value: "yellow",
    Outcome.OUT_OF_SCOPE.value: "dim",
}


class _Harmless:
    """What rich prints, with text that would act on a terminal escaped; its own colours and cursors stay."""

    def __init__(self, what: Any) -> None:
        self.what = what

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self.what, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)


class _Escaping:
    """The hook that makes a console escape everything."""

    def process_renderables(self, renderables: list[Any]) -> list[Any]:
        """The same things to be printed, harmless."""
        return [one if isinstance(one, Control) else _Harmless(one) for one in renderables]


def terminal(width: int | None = None, *, markup: bool = False) -> Console:
    """Standard output, where nothing that is printed acts on a terminal; `markup`: for texts of elbocheck's own."""
    console = Console(highlight=False, markup=markup, width=width)
    console.push_render_hook(_Escaping())  # type: ignore[arg-type]
    return console


class Watcher:
    """Progress of a run: rows as they are ready, with a live bar below them on a terminal."""

    def __init__(self, console: Console, total: int) -> None:
        self.console, self.total, self.done, self.begin = console, total, 0, time.perf_counter()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("verifying", total=total)

    def __enter__(self) -> Watcher:
        self.bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        self.bar.stop()

    def __call__(self, count: int, finished: Job | Chunk | None) -> None:
        self.done += count
        self.bar.update(self.task, advance=count)
        if isinstance(finished, Chunk) and not self.console.is_terminal:  # one of many; a job has rows to show
            self.console.print(f"{self._at}{finished.label}", markup=False)

    @property
    def _at(self) -> str:
        return f"[{time.perf_counter() - self.begin:6.1f} s] {self.done:>5}/{self.total} "

    def ready(self, job: Job, rows: Sequence[Row]) -> None:
        """Print the rows of a job that is finished."""
        every = {(row.target, row.posterior, row.data): row for row in rows if row.check == "every point"}
        for row in rows:
            if row.check != "every point":
                identity = every.get((row.target, row.posterior, row.data))
                text, style = f"{self._at}{ready(row, identity)}", STYLES[_worse(row, identity)]
                self.console.print(text, markup=False, style=style, no_wrap=True, overflow="ellipsis")


def ready(row: Row, identity: Row | None) -> str:
    """What is known of a row when it is finished, the outcome first; `identity`: of every point."""
    name = f"{row.target}/{row.posterior}" if row.data == "random" else f"{row.target}/{row.posterior} on {row.data}"
    outcome = f"{_worse(row, identity):<12} "
    if row.check.startswith("control"):
        return f"{outcome}{row.check}"
    return f"{outcome}{name}{f', {row.tally.points} points' if row.tally.points else ''}"


def _worse(row: Row, identity: Row | None) -> str:
    """The outcome of a row, or of the identity at every point, where only that is not right."""
    right = identity is None or identity.outcome == Outcome.HOLDS.value or row.outcome != Outcome.HOLDS.value
    return row.outcome if right or identity is None else identity.outcome


def print_report(console: Console, report: Report, seconds: float) -> None:
    """Three tables (real data, random problems, negative controls), then messages, then one sentence."""
    real = [row for row in report.rows if row.data != "random" and row.check == "stationary"]
    random = [row for row in report.rows if row.data == "random" and row.check == "stationary"]
    controls = [row for row in report.rows if row.check.startswith("control")]
    outside = [row for row in report.rows if row.check == "scope"]
    identity = {(row.target, row.posterior, row.data): row for row in report.rows if row.check == "every point"}
    if real:
        show(console, _real_table(real))
        if any(row.best is not None and row.best.delta for row in real):
            console.print("† base measure not constant: entropies plus δ\n", style="dim", highlight=False)
    if random:
        show(console, _random_table(random, identity))
        _note(
            console,
            "|F−S| and its computed bound: where their ratio is worst, nats per datum",
            "any: largest |gap − β·∇F − δ| over Σ|terms|, at random parameters",
            "ascent: problems whose search for a maximum was certified; the other points",
            "have redundant latents; open: problems without a certified point",
        )
    if outside:
        show(console, _scope_table(outside))
        _note(console, "residual: smallest of the criterion, which is rounding for a model in scope")
    if controls:
        show(console, _control_table(controls))
        _note(console, "|F−S|: the smallest; off by: relative to the prediction, at most 1e-09")
    for row in report.rows:
        if row.message and row not in outside:
            console.print(
                f"{row.target}/{row.posterior} on {row.data}, {row.check}: {row.outcome}\n  {row.message}",
                style=STYLES[row.outcome],
                markup=False,
                highlight=False,
            )
            if row.failure.replay:  # a command must not be broken into lines
                console.print(f"  repeat: {row.failure.replay}", markup=False, highlight=False, soft_wrap=True)
    if any(row.tally.worst.power for row in (*real, *random)):
        _note(console, power(report))
    style = "bold green" if report.exit_code == 0 else "bold red"
    show(console, summary(report, seconds), style)


def show(console: Console, what: Table | str, style: str | None = None) -> None:
    """A table or a text; without trailing blanks where it goes into a file or a log."""
    if console.is_terminal:
        console.print(what, style=style, highlight=False)
        return
    with console.capture() as printed:
        console.print(what, highlight=False)
    text = "\n".join(line.rstrip() for line in printed.get().splitlines())
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def power(report: Report) -> str:
    """The smallest errors that this run could have seen."""
    seen = sorted(row.tally.worst.power for row in report.rows if row.check in ("stationary", "every point"))
    half, every = seen[(len(seen) - 1) // 2], seen[-1]
    return (
        f"power ({report.backend}, {report.dtype}): an error of {half:.0e} nats per datum is seen in all\n"
        f"problems of every second row, one of {every:.0e} in all problems of all rows"
    )


def _note(console: Console, *lines: str) -> None:
    console.print("\n".join(lines) + "\n", style="dim", highlight=False)


def summary(report: Report, seconds: float) -> str:
    """One sentence for the end of the output."""
    theorem = [row for row in report.rows if row.check == "stationary"]
    problems = sum(row.tally.problems for row in theorem)
    controls = [row for row in report.rows if row.check.startswith("control")]
    bad = sum(row.outcome == Outcome.VIOLATED.value for row in report.rows)
    doubtful = sum(row.outcome == Outcome.INCONCLUSIVE.value for row in report.rows)
    if report.exit_code == 0:
        verdict = "ELBO = entropy sum" if theorem else "everything as predicted"
    else:
        verdict = f"{bad} row{'' if bad == 1 else 's'} violated, {doubtful} with too much inconclusive"
    return (
        f"{verdict}: {report.points} stationary points of {problems} problems verified, {report.inconclusive} problems "
        f"inconclusive, {sum(row.tally.problems for row in controls)} control problems; {seconds:.0f} s"
    )


def _table(title: str, *columns: tuple[str, str]) -> Table:
    table = Table(
        title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False, padding=(0, 0)
    )
    for name, justify in columns:
        # at 80 columns the longest names go on in the next line
        table.add_column(name, justify=justify, no_wrap=name != "model/posterior", overflow="fold")  # type: ignore[arg-type]
    return table


def _mark(row: Row, text: str) -> str:
    return f"[{STYLES[row.outcome]}]{text}[/]"


def _name(row: Row) -> str:
    return escape(f"{row.target}/{row.posterior}")


def _real_table(rows: list[Row]) -> Table:
    table = _table(
        "Real data: ELBO F and entropy sum S at the best stationary point",
        ("model/posterior", "left"),
        ("data", "left"),
        ("F", "right"),
        ("S", "right"),
        ("|F−S|", "right"),
        ("bound", "right"),
        ("pts", "right"),
    )
    for row in rows:
        best = row.best
        dagger = "†" if best is not None and best.delta else " "
        table.add_row(
            _name(row),
            escape(row.data),
            "–" if best is None else f"{best.elbo:.4f}",
            "–" if best is None else f"{best.entropy_sum + best.delta:.4f}{dagger}",
            _mark(row, f"{row.tally.worst.gap:.0e}"),
            f"{row.tally.worst.bound:.0e}",
            str(row.tally.points),
        )
    return table


def _random_table(rows: list[Row], identity: dict[tuple[str, str, str], Row]) -> Table:
    table = _table(
        "Random problems: worst gap over all certified stationary points",
        ("model/posterior", "left"),
        ("pts", "right"),
        ("|F−S|", "right"),
        ("bound", "right"),
        ("any", "right"),
        ("max", "right"),
        ("saddle", "right"),
        ("ascent", "right"),
        ("open", "right"),
    )
    for row in rows:
        every, tally = identity[row.target, row.posterior, row.data], row.tally
        table.add_row(
            _name(row),
            str(tally.points),
            _mark(row, f"{tally.worst.gap:.0e}"),
            f"{tally.worst.bound:.0e}",
            _mark(every, f"{every.tally.worst.relative:.0e}"),
            str(tally.inertia.get("maximum", 0)),
            str(tally.inertia.get("saddle", 0)),
            f"{row.ascents / max(tally.problems, 1):.0%}",
            str(tally.inconclusive),
        )
    return table


def _scope_table(rows: list[Row]) -> Table:
    table = _table(
        "Out of scope, and recognised as such", ("model/posterior", "left"), ("residual", "right"), ("", "left")
    )
    for row in rows:
        least = "–" if row.least_gap is None else f"{row.least_gap:.0e}"
        table.add_row(_name(row), _mark(row, least), escape(row.message))
    table.columns[2].no_wrap = False
    return table


def _control_table(rows: list[Row]) -> Table:
    table = _table(
        "Negative controls: the identity must fail, by the predicted amount",
        ("control", "left"),
        ("model/posterior", "left"),
        ("runs", "right"),
        ("|F−S|", "right"),
        ("off by", "right"),
    )
    for row in rows:
        least = "–" if row.least_gap is None else f"{row.least_gap:.3f}"
        table.add_row(
            escape(row.check.removeprefix("control: ")),
            _name(row),
            str(row.tally.problems),
            least,
            _mark(row, f"{row.tally.worst.relative:.0e}"),
        )
    return table
