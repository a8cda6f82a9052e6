"""A check as a record: what it promises, when it applies, and how what it rejects is explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from elbocheck.bound.problem import Problem
from elbocheck.outcome import Diagnosis, Result

Route = Literal["convention", "value", "gradient", "training", "rows"]
"""Ways of `elbocheck.diagnosis` to explain a deviation: of the whole bound by one multiple, of its value term by term,
of its gradient block by block, of where training stops, of what depends on the rows of the data that are given."""


@dataclass(frozen=True)
class Check:
    """One promise of a bound, to be judged on one problem."""

    name: str
    """What reports, known failures and cases call it."""
    letter: str
    """One letter for tables of many checks."""
    promise: str
    """What a correct bound keeps, in one sentence, with the section of the theory."""
    run: Callable[[Problem], Result | None]
    """The verdict; None where the problem has nothing to compare."""
    needs: tuple[str, ...] = ()
    """Fields of `Problem`, any of which must be there; empty if it applies to every problem."""
    diagnose: Route | Callable[[Problem, Result], Diagnosis] = "value"
    """How a violation is explained: one of the usual ways, or a function of its own."""

    def applies(self, problem: Problem) -> bool:
        """Whether a problem has what the check needs; it may still have nothing to compare."""
        return not self.needs or any(getattr(problem, name) not in (None, ()) for name in self.needs)
