"""The fault catalogue's matrix for people, at 80 columns, on a terminal or in a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from elbocheck.checks.table import OF_TARGETS
from elbocheck.faults.matrix import RAISED, Matrix, Row
from elbocheck.faults.practices import PRACTICES
from elbocheck.faults.unseen.run import Found
from elbocheck.outcome import Outcome
from elbocheck.report.terminal import show

MARKS = {
    Outcome.HOLDS.value: "[dim]·[/]",
    Outcome.VIOLATED.value: "[bold]x[/]",
    Outcome.INCONCLUSIVE.value: "[yellow]?[/]",
    Outcome.OUT_OF_SCOPE.value: "[dim]o[/]",
    RAISED: "[yellow]![/]",
    "": " ",
}
LETTERS = {name: check.letter for name, check in OF_TARGETS.items()} | {
    "ELBO increases": "I",
    "finite differences": "D",
    "recovery within 5 %": "R",
    "F ≤ log evidence": "E",
}
SHORT = {"training": "train", "gradient": "grad", "entropy": "entr."}


def print_matrix(console: Console, matrix: Matrix) -> None:
    """The matrix, what must pass, and the shares killed; then everything that is not as it should."""
    _print_legend(console)
    show(console, _matrix(matrix.of("fault")))
    show(console, _passing("Correct code that must pass", matrix.of("correct")))
    show(console, _passing("Surprising targets that must pass", matrix.of("surprising")))
    show(console, _passing("Equivalent mutants, which break no promise", matrix.of("equivalent")))
    for row in matrix.of("equivalent"):
        console.print(f"{row.model}, {row.name}:", highlight=False, markup=False)
        console.print(f"  - {row.change.before}\n  + {row.change.after}", highlight=False, markup=False)
        console.print(f"  equivalent: {row.change.proof}\n", highlight=False, markup=False)
    if matrix.of("fault"):
        show(console, _shares(matrix))
    for row in matrix.rows:
        if not row.as_it_should:
            console.print(f"{row.model} {row.name}: {_complaint(row)}", style="bold red", highlight=False, markup=False)
    style = "bold green" if matrix.ok else "bold red"
    show(console, summary(matrix), style)


def print_unseen(console: Console, found: Found) -> None:
    """Totals of the faults that the diagnosis was not built on: kills, and how good the readings are."""
    console.print("Faults that the diagnosis was not built on", style="bold", highlight=False)
    for sentence in found.sentences:
        show(console, sentence, "bold red" if "hold:" in sentence else "")
    console.print()


def summary(matrix: Matrix) -> str:
    """The last sentences."""
    faults = matrix.of("fault")
    killed, right = sum(row.rejected for row in faults), sum(row.rejected and row.diagnosed for row in faults)
    today = sum(any(row.verdicts.practices.values()) for row in faults)
    passing = [row for group in ("correct", "surprising", "equivalent") for row in matrix.of(group)]
    return (
        f"{killed} of {len(faults)} faults in {len(matrix.of('correct'))} models rejected, {right} with the right "
        f"diagnosis; {sum(row.as_it_should for row in passing)} of {len(passing)} correct targets pass; what people do "
        f"today, all of it together, rejects {today} ({today / max(len(faults), 1):.0%})"
    )


def _complaint(row: Row) -> str:
    if row.group != "fault":
        bad = [f"{name} {outcome}" for name, outcome in row.verdicts.outcomes.items() if outcome not in ("", "holds")]
        return f"must pass, but: {', '.join(bad)}"
    if not row.rejected:
        return "no check rejects it"
    said = row.verdicts.found
    found = "nothing" if said is None else f"{said.kind} {said.factor}: {said.sentence}"
    return f"should be {row.change.kind} {row.change.factor}, but {row.verdicts.first} says {found}"


def _print_legend(console: Console) -> None:
    checks, practices = ([f"{LETTERS[name]} {name}" for name in names] for names in (OF_TARGETS, PRACTICES))
    console.print(
        f"checks: {'  '.join(checks[:6])}\n        {'  '.join(checks[6:])}\ntoday:  {'  '.join(practices[:3])}\n"
        f"        {'  '.join(practices[3:])}\nx rejects  · holds  ? inconclusive  ! the code under test raised\n",
        style="dim",
        highlight=False,
    )


def _columns(table: Table, practices: bool) -> None:
    for name in OF_TARGETS:
        table.add_column(LETTERS[name], width=2, no_wrap=True)
    if practices:
        for name in PRACTICES:
            table.add_column(LETTERS[name], width=2, no_wrap=True)


def _marks(row: Row, practices: bool) -> list[str]:
    practised = row.verdicts.practices
    today = [MARKS[Outcome.VIOLATED.value if practised.get(name) else Outcome.HOLDS.value] for name in PRACTICES]
    return [*(MARKS[row.verdicts.outcomes[name]] for name in OF_TARGETS), *(today if practices else [])]


def _matrix(rows: tuple[Row, ...]) -> Table:
    table = Table(title="Faults", box=SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False, padding=0)
    table.add_column("one line broken", width=23, no_wrap=True)
    _columns(table, practices=True)
    table.add_column("first", width=12, no_wrap=True)
    table.add_column("diagnosis", width=19, no_wrap=True)
    model = ""
    for row in rows:
        if row.model != model:
            model = row.model
            table.add_row(f"[bold]{model.replace('_', ' ')}[/]")
        said = row.verdicts
        found = "none" if said.found is None else f"{said.found.kind} {said.found.factor}".strip()
        verdict = f"[green]{found}[/]" if row.diagnosed else f"[bold red]≠ {found}[/]"
        table.add_row(f" {row.name}", *_marks(row, practices=True), said.first or "[bold red]none[/]", verdict)
    return table


def _passing(title: str, rows: tuple[Row, ...]) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False, padding=0)
    table.add_column("", width=40, no_wrap=True)
    practices = any(row.verdicts.practices for row in rows)
    _columns(table, practices)
    for row in rows:
        name = row.name if row.group == "surprising" else row.model.replace("_", " ")
        name = f"{name}, {row.name}" if row.group == "equivalent" else name
        table.add_row(f" {name}", *_marks(row, practices))
    return table


def _shares(matrix: Matrix) -> Table:
    faults = matrix.of("fault")
    counts = Counter(row.change.kind for row in faults)
    kinds = sorted(counts, key=lambda kind: -counts[kind])
    table = Table(
        title="Share of the faults rejected, by what is at fault",
        box=SIMPLE_HEAD,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        padding=0,
    )
    table.add_column("", width=21, no_wrap=True)
    for kind in ("all", *kinds):
        table.add_column(SHORT.get(kind, kind), justify="right", no_wrap=True, width=6)

    def add(name: str, rejected: Callable[[Row], bool]) -> None:
        chosen = [[row for row in faults if kind in ("all", row.change.kind)] for kind in ("all", *kinds)]
        table.add_row(name, *(f"{sum(map(rejected, rows)) / len(rows):.0%}" for rows in chosen))

    def by_check(name: str) -> Callable[[Row], bool]:
        return lambda row: row.verdicts.outcomes[name] == Outcome.VIOLATED.value

    def by_practice(name: str) -> Callable[[Row], bool]:
        return lambda row: row.verdicts.practices[name]

    table.add_row(
        "[dim]number of faults[/]", *(str(number) for number in (len(faults), *(counts[kind] for kind in kinds)))
    )
    add("[bold]elbocheck[/]", lambda row: row.rejected)
    for name in OF_TARGETS:
        add(f"  {name}", by_check(name))
    add("[bold]today, all of it[/]", lambda row: any(row.verdicts.practices.values()))
    for name in PRACTICES:
        add(f"  {name}", by_practice(name))
    return table
