"""What the gate found: one check of one case, and all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from elbocheck.errors import ElbocheckError
from elbocheck.gate.known_failures import KnownFailure
from elbocheck.gate.target import Case
from elbocheck.outcome import Outcome, Result


@dataclass(frozen=True)
class Checked:
    """One check of one case."""

    target: str
    """Name of the target."""

    check: str
    """Name in the table of checks."""

    case: Case
    """What was checked."""

    result: Result | None
    """None where the check does not apply."""

    seconds: float = 0.0
    """On the clock, compilation and diagnosis included."""

    known: KnownFailure | None = None
    """The declared failure whose id matches, if one does."""

    @property
    def id(self) -> str:
        """What known failures match."""
        return f"{self.target}::{self.check}"


@dataclass(frozen=True)
class CheckReport:
    """Everything that was checked.

    `exit_code`: 0 all hold, 1 something is violated, stale or left inconclusive, or nothing applies, 2 a bad target in
    which nothing is violated.
    """

    checked: tuple[Checked, ...] = ()
    """In the order in which it ran."""

    stale: tuple[str, ...] = ()
    """What is wrong with known failures that passed, matched nothing or have expired; each is a failure of its own."""

    bad: str = ""
    """Why the target could not be judged, or not to the end; empty if it could."""

    seconds: float = field(default=0.0, compare=False)
    """On the clock, for the whole run."""

    @property
    def results(self) -> tuple[Result, ...]:
        """The results of all checks that apply."""
        return tuple(one.result for one in self.checked if one.result is not None)

    @property
    def failures(self) -> tuple[Checked, ...]:
        """Violations that are not known."""
        return tuple(
            one for one in self.checked if one.result and one.result.outcome is Outcome.VIOLATED and not one.known
        )

    @property
    def inconclusive(self) -> tuple[Checked, ...]:
        """Checks that could not tell."""
        return tuple(one for one in self.checked if one.result and one.result.outcome is Outcome.INCONCLUSIVE)

    @property
    def exit_code(self) -> int:
        if self.bad and not self.failures:
            return 2
        return 1 if self.failures or self.stale or self.inconclusive or not self.results else 0

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


class CheckFailure(ElbocheckError, AssertionError):
    """A target was rejected; `report` has everything, the message what a person needs."""

    def __init__(self, report: CheckReport, message: str) -> None:
        super().__init__(message)
        self.report = report
