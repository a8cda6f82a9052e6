"""Where a check, a strategy and pytest meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from elbocheck.backends import get_backend
from elbocheck.models.sample import Cell
from elbocheck.outcome import Outcome, Result
from elbocheck.profiles import COSTLY, most_inconclusive

Drawn = TypeVar("Drawn")


@dataclass
class Tally:
    """All results of one property: nothing inconclusive is dropped, too much of it is a failure."""

    results: list[Result] = field(default_factory=list)

    @property
    def kinds(self) -> Counter[str]:
        """Inertia of all verified points."""
        return Counter(kind for result in self.results for kind in result.kinds)

    def require_conclusive(self) -> None:
        """Fail if more than `most_inconclusive` of the problems were inconclusive or out of scope, with the reasons."""
        open_ = [result for result in self.results if result.outcome is not Outcome.HOLDS]
        share = len(open_) / max(len(self.results), 1)
        reasons = "\n".join(f"  {result.problem}: {result.outcome.value}, {result.message}" for result in open_[:10])
        assert self.results, "no problem was drawn"
        most = most_inconclusive(get_backend().dtype, len(self.results))
        assert share <= most, (
            f"{len(open_)} of {len(self.results)} problems without verdict, allowed {most:.0%}:\n{reasons}"
        )


def share(budget: settings, part: int, least: int = 5) -> settings:
    """The same settings with one `part`-th of the examples, for properties that need fewer; at least `least`."""
    return settings(budget, max_examples=max(budget.max_examples // part, least))


def budget_for(budget: settings, cell: Cell, part: int = 1) -> settings:
    """The examples of one cell that are to be solved: a third for costly ones, as many as the backend can afford."""
    backend = get_backend()
    return share(budget, part * backend.share * (COSTLY if cell.costly else 1), least=5 if backend.share == 1 else 3)


def run_property(
    budget: settings, strategy: st.SearchStrategy[Drawn], check: Callable[[Drawn], Result | list[Result]]
) -> Tally:
    """Draw from `strategy` under `budget`, fail with the check's message on a violation, return every result."""
    tally = Tally()

    @budget
    @given(strategy)
    def holds(drawn: Any) -> None:
        found = check(drawn)
        for result in found if isinstance(found, list) else [found]:
            tally.results.append(result)
            assert result.outcome is not Outcome.VIOLATED, result.message

    holds()
    return tally
