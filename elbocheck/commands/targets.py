"""`elbocheck verify MODULE:TARGET` and `elbocheck replay FILE`: the gate for other people's code, on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from rich.console import Console

from elbocheck import __version__
from elbocheck.checks.table import OF_TARGETS
from elbocheck.errors import DeclarationError, InputError, Interrupted, harmless
from elbocheck.gate.checking import check_target
from elbocheck.gate.failure_text import WIDTH, explain_failure, plain
from elbocheck.gate.known_failures import KnownFailure
from elbocheck.gate.records import Checked, CheckReport
from elbocheck.gate.replays import Replayed, target_replay
from elbocheck.gate.sources import TARGET_DTYPE
from elbocheck.gate.target import Target
from elbocheck.limits import ending
from elbocheck.outcome import Outcome
from elbocheck.profiles import TARGET_PROFILES
from elbocheck.replay_files import FOLDER, left_line, replay_line
from elbocheck.report.targets import show_target
from elbocheck.report.terminal import STYLES, show, terminal
from elbocheck.runs.rows import Failure, Report, Row, of_results


def verify_targets(
    targets: Sequence[Target],
    source: str,
    profile: str,
    known: Sequence[KnownFailure],
    console: Console | None = None,
    keep: Callable[[Report, int], None] = lambda report, code: None,
) -> tuple[Report, int]:
    """Check targets, print tables and failures, write a case for each failure; (report, exit code).

    `keep`: called with both where the process has to be ended, for a call that nothing else ends. Ctrl-C shows what
    was found.
    """
    console = terminal() if console is None else console
    drawn = f"profile {profile} ({TARGET_PROFILES[profile]} problems of each target that draws them)"
    show(console, f"elbocheck {__version__}: {source}, {TARGET_DTYPE}, {drawn}")
    told = _Told(console, source)
    for position, target in enumerate(targets):
        begin, done = time.perf_counter(), list[Checked]()
        others = [f"{one.name!r}" for one in targets[position + 1 :]]
        rest = f" Not judged: {', '.join(others)}." if others else ""

        def partial_report(text: str, begin: float = begin, done: list[Checked] = done) -> CheckReport:
            return CheckReport(tuple(done), bad=f"elbocheck: {text}", seconds=time.perf_counter() - begin)

        def stuck(what: str, target: Target = target, rest: str = rest, partial_report: Any = partial_report) -> int:
            text = (
                f"target {target.name!r} cannot be judged to the end. {what}; nothing ended it but the end of the run."
            )
            told(target, partial_report(text + rest))
            keep(*told.result)
            return told.result[1]

        try:
            with (
                ending(stuck),
                console.status(f"checking {harmless(target.name)}") if console.is_terminal else nullcontext(),
            ):
                report = check_target(
                    target,
                    known_failures=_own(known, target, targets),
                    on_fail="report",
                    profile=profile,
                    callback=done.append,
                )
        except (InputError, DeclarationError) as error:
            report = partial_report(f"target {target.name!r} cannot be judged. {error}")
        except KeyboardInterrupt:
            Interrupted.pending = 0
            found = [one for one in done if one.result is not None]
            told(
                target,
                partial_report(f"target {target.name!r}: interrupted after {len(found)} checks.{rest}"),
            )
            raise
        told(target, report)
    return told.result


class _Told:
    """What was told of the targets so far, on the console, in rows and in exit codes."""

    def __init__(self, console: Console, source: str) -> None:
        self.console, self.source = console, source
        self.rows, self.codes = list[Row](), list[int]()

    def __call__(self, target: Target, report: CheckReport) -> None:
        self.codes.append(report.exit_code)
        own, lines = rows_of(target, report), cases_of(target, report, self.source)
        if own or not report.bad:
            show_target(self.console, target.name, own, report, lines)
        if report.bad:
            print(plain(report), file=sys.stderr)
        self.rows += described(own, report, lines)

    @property
    def result(self) -> tuple[Report, int]:
        """(report, exit code): what is violated is, whatever else cannot be judged."""
        code = 1 if 1 in self.codes else max(self.codes, default=2)
        return Report(tuple(self.rows), "target", TARGET_DTYPE), code


def _own(known: Sequence[KnownFailure], target: Target, targets: Sequence[Target]) -> Sequence[KnownFailure]:
    """The entries that concern one target: an entry for another one is not stale here."""
    prefix = f"{target.name}::"
    others = [f"{one.name}::" for one in targets if one is not target]
    return [one for one in known if one.id.startswith(prefix) or not any(one.id.startswith(other) for other in others)]


def cases_of(target: Target, report: CheckReport, source: str, folder: str = FOLDER) -> dict[str, str]:
    """Check -> the line that repeats its first failure; the cases are written for that."""
    lines: dict[str, str] = {}
    for one in report.failures:
        if one.check not in lines:
            drawn = target.drawn and one.case.arguments is None
            lines[one.check] = (
                "draws Problems directly: give Target(arguments=...) for cases that can be repeated"
                if drawn
                else left_line(partial(target_replay, one, target, source), source, folder)
            )
    return lines


def rows_of(target: Target, report: CheckReport) -> list[Row]:
    """Rows of the common report, one for each check that applies."""
    rows = []
    for name in OF_TARGETS:
        own = [one for one in report.checked if one.check == name and one.result is not None]
        results = [one.result for one in own if one.result is not None]
        if results:
            rows.append(of_results(target.name, name, results, sum(one.seconds for one in own)))
    return rows


def described(rows: Sequence[Row], report: CheckReport, lines: Mapping[str, str]) -> list[Row]:
    """Rows with what a page shows of them: the whole text of a failure, the line that repeats it, why one is known."""
    failures = {one.check: one for one in reversed(report.failures)}
    readings = {name: one.result.reading for name, one in failures.items() if one.result is not None}
    known = {one.check: one.known.reason for one in report.checked if one.known is not None}
    return [
        replace(
            row,
            failure=Failure(
                replay=lines.get(row.check, ""),
                explanation=explain_failure(failures[row.check]) if row.check in failures else "",
                known="" if row.check in failures else known.get(row.check, ""),
                reading=readings.get(row.check, ""),
            ),
        )
        for row in rows
    ]


def replay_command(path: str, run: Callable[[str], Replayed]) -> int:
    """Repeat a case and say whether it still fails; 0 if it holds now, 1 if not."""
    console = terminal()
    again = run(path)
    if again.result is None:
        console.print(f"{again.name}: the check does not apply any more")
        return 0
    if again.checked is not None and again.result.outcome is Outcome.VIOLATED:
        console.print(explain_failure(again.checked, replay_line(path)), style="red", soft_wrap=True)
    elif again.result.message:
        console.print(again.result.message, style=STYLES[again.result.outcome.value], width=WIDTH)
    same = "as recorded" if again.result.outcome.value == again.recorded else f"recorded: {again.recorded}"
    console.print(f"{again.name}, {again.result.check}: {again.result.outcome.value} ({same})")
    return 0 if again.result.outcome in (Outcome.HOLDS, Outcome.OUT_OF_SCOPE) else 1
