"""The matrix fault × check: every check, and every practice of today, on all of the catalogue."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.checks.table import OF_TARGETS
from elbocheck.diagnosis.diagnose import diagnose
from elbocheck.errors import ElbocheckError
from elbocheck.faults.catalogue import EQUIVALENT, FAULTS, MODELS
from elbocheck.faults.fault import Fault, lines
from elbocheck.faults.practices import PRACTICES, rejected_by
from elbocheck.faults.problems import problem
from elbocheck.faults.surprising import SURPRISING
from elbocheck.outcome import Diagnosis, Outcome

RAISED = "raised"
"""Outcome of a check in which the code under test raised, or left its domain; it rejects, but says nothing."""
FINE = (Outcome.HOLDS.value, "")
"""What a correct target may get; empty where a check does not apply."""

Task = tuple[str, int]
"""(group, index in it)."""


@dataclass(frozen=True)
class Row:
    """One target: what every check said, and what people do today.

    `group`: "fault", "equivalent", "correct" or "surprising". `outcomes`: check -> outcome, "" where it does not apply.
    `first`: the first check that rejects, and `found`, the diagnosis it makes. `practices`: practice -> whether it
    rejects. `before`, `after`: the line that the fault changes. `sentence`, `proof`: for people.
    """

    group: str
    model: str
    name: str
    sentence: str
    outcomes: dict[str, str]
    kind: str = ""
    factor: str = ""
    first: str = ""
    found: Diagnosis | None = None
    practices: dict[str, bool] = field(default_factory=dict)
    before: str = ""
    after: str = ""
    proof: str = ""
    seconds: float = 0.0

    @property
    def rejected(self) -> bool:
        """Whether a check rejects the target."""
        return bool(self.first)

    @property
    def diagnosed(self) -> bool:
        """Whether the first check that rejects names the right kind and factor."""
        return self.found is not None and (self.found.kind, self.found.factor) == (self.kind, self.factor)

    @property
    def as_it_should(self) -> bool:
        """A fault is rejected with the right diagnosis, everything else passes all checks."""
        if self.group == "fault":
            return self.rejected and self.diagnosed
        return all(outcome in FINE for outcome in self.outcomes.values()) and any(self.outcomes.values())


@dataclass(frozen=True)
class Matrix:
    """All rows of a run."""

    rows: tuple[Row, ...]

    def of(self, group: str) -> tuple[Row, ...]:
        """The rows of one group."""
        return tuple(row for row in self.rows if row.group == group)

    @property
    def ok(self) -> bool:
        return bool(self.rows) and all(row.as_it_should for row in self.rows)

    def killed(self) -> dict[str, int]:
        """Check or practice -> how many faults it rejects."""
        counts: Counter[str] = Counter()
        for row in self.of("fault"):
            counts.update(name for name, outcome in row.outcomes.items() if outcome == Outcome.VIOLATED.value)
            counts.update(name for name, rejected in row.practices.items() if rejected)
        return {name: counts[name] for name in (*OF_TARGETS, *PRACTICES)}

    def to_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        faults = self.of("fault")
        return {
            "summary": {
                "faults": len(faults),
                "rejected": sum(row.rejected for row in faults),
                "diagnosed": sum(row.diagnosed for row in faults),
                "rejected_today": sum(any(row.practices.values()) for row in faults),
                "killed_by": self.killed(),
                "surprising": len(self.of("surprising")),
                "equivalent": len(self.of("equivalent")),
                "models": len(self.of("correct")),
                "as_it_should": self.ok,
            },
            "rows": [
                {**asdict(row), "rejected": row.rejected, "diagnosed": row.diagnosed, "as_it_should": row.as_it_should}
                for row in self.rows
            ],
        }


def tasks() -> list[Task]:
    """Everything there is to judge."""
    sizes = {"correct": len(MODELS), "fault": len(FAULTS), "equivalent": len(EQUIVALENT), "surprising": len(SURPRISING)}
    return [(group, index) for group, size in sizes.items() for index in range(size)]


def judge(task: Task) -> Row:
    """The row of one task."""
    group, index = task
    begin = time.perf_counter()
    if group == "correct":
        outcomes, _, _ = checked(problem(MODELS[index]))
        practices = {name: rejected_by(name, MODELS[index]) for name in PRACTICES}
        seconds = time.perf_counter() - begin
        return Row(group, MODELS[index], "correct", "", outcomes, practices=practices, seconds=seconds)
    if group == "surprising":
        surprise = SURPRISING[index]
        outcomes, first, found = checked(surprise.make())
        seconds = time.perf_counter() - begin
        return Row(group, "", surprise.name, surprise.sentence, outcomes, first=first, found=found, seconds=seconds)
    return judge_fault((FAULTS if group == "fault" else EQUIVALENT)[index])


def judge_fault(fault: Fault) -> Row:
    """The row of one fault or equivalent mutant."""
    begin = time.perf_counter()
    outcomes, first, found = checked(problem(fault.model, fault))
    before, after = lines(fault)
    return Row(
        "equivalent" if fault.equivalent else "fault", fault.model, fault.name, fault.sentence, outcomes, fault.kind,
        fault.factor, first, found, {name: rejected_by(name, fault.model, fault) for name in PRACTICES}, before, after,
        fault.equivalent, time.perf_counter() - begin,
    )  # fmt: skip


def checked(target: Problem) -> tuple[dict[str, str], str, Diagnosis | None]:
    """(check -> outcome, the first that rejects, its diagnosis)."""
    outcomes, first, found = {}, "", None
    with np.errstate(all="ignore"):
        for name, check in OF_TARGETS.items():
            try:
                result = check.run(target)
            except ElbocheckError:
                outcomes[name] = RAISED
                continue
            outcomes[name] = "" if result is None else result.outcome.value
            if result is not None and result.outcome is Outcome.VIOLATED and not first:
                first, found = name, diagnose(target, result)
    return outcomes, first, found


def run(workers: int, listen: Callable[[Row], None]) -> Matrix:
    """The whole matrix on `workers` processes (here if 1); `listen` hears of every row."""
    rows = []
    for row in _rows(workers):
        listen(row)
        rows.append(row)
    return Matrix(tuple(rows))


def _rows(workers: int) -> Iterator[Row]:
    if workers <= 1:
        yield from map(judge, tasks())
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(judge, tasks())
