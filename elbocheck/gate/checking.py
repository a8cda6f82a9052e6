"""Checks of a target: one generator, from which every door (command line, pytest, plain Python) gets its checks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hypothesis import HealthCheck, given, settings

from elbocheck.bound.problem import Problem
from elbocheck.checks.table import OF_TARGETS
from elbocheck.errors import ElbocheckError, TargetError
from elbocheck.gate.failure_text import plain
from elbocheck.gate.known_failures import KnownFailure, find, stale
from elbocheck.gate.preflight import examine
from elbocheck.gate.records import Checked, CheckFailure, CheckReport
from elbocheck.gate.target import Case, Target
from elbocheck.limits import allowed, pass_on
from elbocheck.outcome import Diagnosis, Outcome, Result
from elbocheck.profiles import TARGET_PROFILES


@dataclass(frozen=True)
class Run:
    """One check of one case, to be called; returns what it found, raises `TargetError` for a bad target."""

    target: Target
    """Whose code is called, within its timeout."""

    check: str
    """Name in the table of checks."""

    case: Case
    """What is checked."""

    number: int
    """Which of the target's cases."""

    examined: list[None]
    """Shared by the checks of one case, which is examined once, before the first of them."""

    @property
    def id(self) -> str:
        """What tests are called."""
        return f"{self.group}-{self.check}"

    @property
    def group(self) -> str:
        """What the checks of one case have in common: what is compiled for one serves the next."""
        return f"{self.target.name}[{self.number}]"

    def __call__(self) -> Checked:
        return run_check(self.target, self.check, self.case, self.examined)


def iter_checks(
    target: Target, profile: str = "quick", only: Sequence[str] = (), *, examples: int | None = None
) -> Iterator[Run]:
    """Every check that applies to every case of a target, case by case; every door takes its checks from here.

    `only`: names of checks; `examples`: how many cases are drawn, in place of the number that the profile names.
    """
    for number, case in enumerate(target.cases(TARGET_PROFILES[profile] if examples is None else examples)):
        examined: list[None] = []
        for name, check in OF_TARGETS.items():
            if (not only or name in only) and check.applies(case.problem):
                yield Run(target, name, case, number, examined)


def run_check(
    target: Target, name: str, case: Case, examined: list[None] | None = None, *, diagnosed: bool = True
) -> Checked:
    """One check on one case, with its diagnosis; the case is examined first, once for each list `examined`."""
    begin = time.perf_counter()
    with allowed(target.timeout):
        if not examined:
            examine(case.problem)
            if examined is not None:
                examined.append(None)
        result = _result(name, case.problem)
        if diagnosed and result is not None and result.outcome is Outcome.VIOLATED and result.diagnosis is None:
            result = replace(result, diagnosis=_diagnosis(case.problem, result))
    return Checked(target.name, name, case, result, time.perf_counter() - begin)


def _result(name: str, problem: Problem) -> Result | None:
    """What a check says; one that cannot be finished (a call that hangs or raises, too little memory) is inconclusive.

    The other checks of the problem are run all the same.
    """
    try:
        return OF_TARGETS[name].run(problem)
    except ElbocheckError as error:
        message = str(error)
    except MemoryError as error:
        message = f"the memory does not suffice ({error})" if str(error) else "the memory does not suffice"
    except BaseException as error:  # whatever arrays, families and libraries raise when they do not fit together
        pass_on(error)
        message = str(TargetError.raised(problem.label, "what the code under test returns", error))
    return Result(name, problem.label, Outcome.INCONCLUSIVE, points=0, message=f"{name}: no verdict. {message}")


def _diagnosis(problem: Problem, result: Result) -> Diagnosis | None:
    """What is at fault; None where that cannot be computed, which makes nothing right."""
    try:
        from elbocheck.diagnosis.diagnose import diagnose  # what passes needs none

        return diagnose(problem, result)
    except BaseException as error:
        pass_on(error)
        return None


SHRINKING = 20
"""Cases that the search for a simpler failing one tries."""
PATIENCE = 10.0
"""Seconds that it may always take."""


def shrunk(target: Target, failed: Checked, seconds: float) -> Checked:
    """The simplest case that Hypothesis finds in `SHRINKING` cases, on which the same check fails.

    Every run finds the same one, unless that takes more than so many seconds.
    """
    if not target.drawn:
        return failed
    simplest, deadline, failing, tried = failed, time.perf_counter() + seconds, set[str](), set[str]()

    @settings(
        max_examples=TARGET_PROFILES["quick"],
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(target.strategy())
    def holds(case: Case) -> None:
        nonlocal simplest
        key = repr(case.arguments) if case.arguments is not None else repr(case.problem.arrays)
        if key not in failing and (len(tried) >= SHRINKING or time.perf_counter() > deadline):
            return
        tried.add(key)
        try:
            found = run_check(target, failed.check, case, diagnosed=False)
        except ElbocheckError:
            return
        if found.result is not None and found.result.outcome is Outcome.VIOLATED:
            failing.add(key)
            simplest = found
            raise AssertionError(found.result.message)

    try:
        holds()
    except BaseException as error:  # Hypothesis may call a check flaky that the deadline cut short
        pass_on(error)
        return simplest if simplest is failed else run_check(target, failed.check, simplest.case)
    return failed


def check_target(
    target: Target,
    *,
    known_failures: Sequence[KnownFailure] = (),
    on_fail: Literal["raise", "report"] = "raise",
    profile: str = "quick",
    callback: Callable[[Checked], None] = lambda one: None,
) -> CheckReport:
    """Run all checks on a target, without pytest.

    `on_fail="raise"`: raises `CheckFailure` at the end if anything failed; "report" leaves that to the caller.
    `callback`: called after every check. Raises `TargetError` for a target that cannot be judged.
    """
    begin, checked, slowest = time.perf_counter(), list[Checked](), 0.0
    for run in iter_checks(target, profile):
        one = run()
        one = replace(one, known=find(one.id, known_failures))
        slowest = max(slowest, one.seconds)
        checked.append(one)
        callback(one)
    spent = time.perf_counter() - begin
    first = next(
        (one for one in checked if one.result and one.result.outcome is Outcome.VIOLATED and not one.known), None
    )
    if first is not None:
        checked[checked.index(first)] = shrunk(target, first, seconds=2.0 * spent + PATIENCE)
    found = [(one.id, one.result.outcome is Outcome.VIOLATED) for one in checked if one.result is not None]
    report = CheckReport(tuple(checked), stale(found, known_failures), seconds=time.perf_counter() - begin)
    if on_fail == "raise" and not report.ok:
        raise CheckFailure(report, plain(report))
    return report
