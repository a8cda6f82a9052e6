"""Properties of the catalogue as tests: on which cells, with how many examples, and what they leave behind."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from hypothesis import given, settings, target
from hypothesis import strategies as st

from elbocheck.backends import get_backend
from elbocheck.backends.base import Backend
from elbocheck.checks.table import OF_CATALOGUE
from elbocheck.models.sample import Cell, Sample
from elbocheck.outcome import Outcome, Result, Tally
from elbocheck.profiles import COSTLY
from elbocheck.replay_files import left_line
from elbocheck.runs.replays import sample_replay
from elbocheck.testing.records import RECORDED, Record

Drawn = TypeVar("Drawn")


_under_test: tuple[Cell, ...] = ()
_backend: Backend | None = None


def choose_backend(backend: Backend) -> None:
    """Let the property modules that are imported from now on run on this backend."""
    global _backend
    _backend = backend


def backend_under_test() -> Backend:
    """What the properties of this run compute with: the one place that knows, besides the cells."""
    return get_backend() if _backend is None else _backend


def choose_cells(cells: Sequence[Cell]) -> None:
    """Let the property modules that are imported from now on run on these cells, in place of the catalogue."""
    global _under_test
    _under_test = tuple(cells)


def cells_under_test() -> tuple[Cell, ...]:
    """The cells that properties run on: a user's, or every one of the catalogue that the theorem covers.

    They are on the backend of the run.
    """
    from elbocheck.models import CELLS

    return tuple(cell.on(_backend) for cell in _under_test or CELLS)


def share(budget: settings, part: int, least: int = 5) -> settings:
    """The same settings with one `part`-th of the examples, for properties that need fewer; at least `least`."""
    return settings(budget, max_examples=max(budget.max_examples // part, least))


def budget_for(budget: settings, cell: Cell, part: int = 1) -> settings:
    """The examples of one cell that are to be solved: a third for costly ones, as many as the backend can afford."""
    backend = cell.backend
    return share(
        budget, part * backend.cost.share * (COSTLY if cell.costly else 1), least=5 if backend.cost.share == 1 else 3
    )


MOST_RATIO = 10.0
"""Ratios beyond say no more: Hypothesis wants finite numbers."""


def _guided(check: Callable[[Drawn], Result | list[Result]]) -> Callable[[Drawn], Result | list[Result]]:
    """The same check, which tells Hypothesis its largest ratio. (What `holds` does decides what is drawn in it.)"""

    def told(drawn: Drawn) -> Result | list[Result]:
        found = check(drawn)
        results = found if isinstance(found, list) else [found]
        if results:
            target(max(min(one.ratio, MOST_RATIO) for one in results))
        return found

    return told


def run_property(
    budget: settings, strategy: st.SearchStrategy[Drawn], check: Callable[[Drawn], Result | list[Result]]
) -> Tally:
    """Draw from `strategy` under `budget`, fail with the check's message on a violation, return every result.

    The simplest failing problem is left as a case, with the line that repeats it as a note of the exception. Where
    draws are random, in the nightly profile, they climb towards the largest |residual| / bound.
    """
    if not budget.derandomize:
        check = _guided(check)
    tally, worst, failing = Tally(), list[Result](), list[tuple[Any, Result]]()

    @budget
    @given(strategy)
    def holds(drawn: Any) -> None:
        found = check(drawn)
        for result in found if isinstance(found, list) else [found]:
            tally.add(result)
            worst[:] = [max([*worst, result], key=lambda one: one.ratio)]
            if result.outcome is Outcome.VIOLATED:
                failing.append((drawn, result))
            assert result.outcome is not Outcome.VIOLATED, result.message

    try:
        holds()
    except AssertionError as error:
        if failing:
            drawn, result = failing[-1]  # Hypothesis runs the simplest one last
            RECORDED.append(_record(result))
            if isinstance(drawn, Sample) and result.check in OF_CATALOGUE:
                error.add_note(f"repeat: {left_line(partial(sample_replay, drawn, result))}")
        raise
    RECORDED[:] = [_record(one) for one in worst]
    return tally


def _record(result: Result) -> Record:
    seed = re.search(r"seed=(\d+)", result.problem)
    return Record(result.problem, result, backend_under_test(), seed.group(1) if seed else "")
