"""Targets of a downstream as tests: a test for each check of each problem."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from elbocheck.errors import DeclarationError, InputError, harmless
from elbocheck.gate.checking import Run, iter_checks, shrunk
from elbocheck.gate.failure_text import explain_failure
from elbocheck.gate.known_failures import KnownFailure, find
from elbocheck.gate.replays import target_replay
from elbocheck.gate.target import Target
from elbocheck.outcome import Outcome
from elbocheck.profiles import TARGET_PROFILES
from elbocheck.replay_files import left_line
from elbocheck.testing.records import RECORDED, of_target


def parameters(
    targets: Sequence[Target],
    known: Sequence[KnownFailure] = (),
    examples: int = TARGET_PROFILES["quick"],
    source: str = "",
) -> list[Any]:
    """`pytest.param`s: a call for each check and problem of the targets; checks of one problem go to one worker."""
    found = []
    for run in (one for target in targets for one in iter_checks(target, examples=examples)):
        entry = find(f"{run.target.name}::{run.check}", known)
        marks = [pytest.mark.xdist_group(run.group)]
        if entry is not None:
            marks.append(pytest.mark.xfail(reason=entry.reason, raises=CheckViolation, strict=False))
        found.append(pytest.param(partial(_require, run, source), id=run.id, marks=marks))
    return found


def parametrize_with_checks(
    targets: Sequence[Target], *, known_failures: Sequence[KnownFailure] = (), profile: str = "quick"
) -> pytest.MarkDecorator:
    """Decorator for a test with one argument `check`, which it calls: a test for each check of each problem.

        @elbocheck.parametrize_with_checks([target])
        def test_bound(check):
            check()

    Known failures are expected to fail; that they still do is checked by `check_target` and the command line.
    """
    return pytest.mark.parametrize("check", parameters(targets, known_failures, TARGET_PROFILES[profile]))


class CheckViolation(pytest.fail.Exception):  # type: ignore[name-defined]
    """A check of a target is violated; the message is DESIGN section 6's."""


SHRINKING = 20.0
"""Seconds that the search for a simpler failing problem may take, of the first failure of each target."""
_shrunk: set[str] = set()


def _require(run: Run, source: str) -> None:
    """Run one check as a test: skip where it does not apply, fail with everything that is known."""
    __tracebackhide__ = True
    one, bad = None, ""
    try:
        one = run()
    except (InputError, DeclarationError) as error:
        bad = str(error)
    if one is None:  # outside of `except`: pytest would show what it was made of, and that is not harmless
        pytest.fail(f"the target cannot be judged. {bad}", pytrace=False)
    result = one.result
    if result is None:
        pytest.skip(f"{run.check} needs something that the problem does not have (see Problem)")
    if result.outcome is Outcome.VIOLATED:
        RECORDED.append(of_target(one))  # which failure is the first depends on the number of processes
        if run.target.name not in _shrunk:
            _shrunk.add(run.target.name)
            one = shrunk(run.target, one, SHRINKING)
        line = ""
        if source:
            line = left_line(lambda: target_replay(one, run.target, source), source)
        raise CheckViolation(explain_failure(one, line), pytrace=False)
    RECORDED.append(of_target(one))
    if result.outcome is Outcome.INCONCLUSIVE:
        pytest.fail(harmless(f"inconclusive: {result.message}"), pytrace=False)
