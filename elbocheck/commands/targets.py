"""`elbocheck verify MODULE:TARGET` and `elbocheck replay FILE`: the gate for other people's code, on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from rich.console import Console

from elbocheck import __version__
from elbocheck.checks.table import OF_TARGETS
from elbocheck.errors import DeclarationError, InputError
from elbocheck.gate.checking import check_target
from elbocheck.gate.failure_text import WIDTH, explain_failure, plain
from elbocheck.gate.known_failures import KnownFailure
from elbocheck.gate.records import CheckReport
from elbocheck.gate.replays import Replayed, target_replay
from elbocheck.gate.sources import TARGET_DTYPE
from elbocheck.gate.target import Target
from elbocheck.outcome import Outcome
from elbocheck.profiles import TARGET_PROFILES
from elbocheck.replay_files import FOLDER, replay_line, write_replay
from elbocheck.report.targets import show_target
from elbocheck.report.terminal import STYLES, show
from elbocheck.runs.rows import Failure, Report, Row, of_results


def verify_targets(
    targets: Sequence[Target], source: str, profile: str, known: Sequence[KnownFailure], console: Console | None = None
) -> tuple[Report, int]:
    """Check targets, print tables and failures, write a case for each failure; (report, exit code)."""
    console = Console(highlight=False, markup=False, width=None) if console is None else console
    drawn = f"profile {profile} ({TARGET_PROFILES[profile]} problems of each target that draws them)"
    show(console, f"elbocheck {__version__}: {source}, {TARGET_DTYPE}, {drawn}")
    rows, codes = list[Row](), list[int]()
    for target in targets:
        report = _checked(target, profile, _own(known, target, targets), console)
        codes.append(report.exit_code)
        if report.bad:
            print(plain(report), file=sys.stderr)
        own, lines = rows_of(target, report), {} if report.bad else cases_of(target, report, source)
        if not report.bad:
            show_target(console, target.name, own, report, lines)
        rows += described(own, report, lines)
    return Report(tuple(rows), "target", TARGET_DTYPE), max(codes, default=2)


def _own(known: Sequence[KnownFailure], target: Target, targets: Sequence[Target]) -> Sequence[KnownFailure]:
    """The entries that concern one target: an entry for another one is not stale here."""
    prefix = f"{target.name}::"
    others = [f"{one.name}::" for one in targets if one is not target]
    return [one for one in known if one.id.startswith(prefix) or not any(one.id.startswith(other) for other in others)]


def _checked(target: Target, profile: str, known: Sequence[KnownFailure], console: Console) -> CheckReport:
    begin = time.perf_counter()
    try:
        with console.status(f"checking {target.name}") if console.is_terminal else nullcontext():
            return check_target(target, known_failures=known, on_fail="report", profile=profile)
    except (InputError, DeclarationError) as error:
        return CheckReport(
            bad=f"elbocheck: target {target.name!r} cannot be judged. {error}", seconds=time.perf_counter() - begin
        )


def cases_of(target: Target, report: CheckReport, source: str, folder: str = FOLDER) -> dict[str, str]:
    """Check -> the line that repeats its first failure; the cases are written for that."""
    lines: dict[str, str] = {}
    for one in report.failures:
        if one.check not in lines:
            case = target_replay(one, target, source)
            lines[one.check] = (
                "draws Problems directly: give Target(arguments=...) for cases that can be repeated"
                if case is None
                else replay_line(write_replay(case, folder))
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
    console = Console(highlight=False, markup=False)
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
