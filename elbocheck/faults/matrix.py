"""The matrix fault × check: every check, and every practice of today, on all of the catalogue."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
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
class Verdicts:
    """What every check said of a target, and what people do today."""

    outcomes: dict[str, str]
    """Check -> its outcome; empty where it does not apply."""

    first: str = ""
    """The first check that rejects; empty if none does."""

    found: Diagnosis | None = None
    """The diagnosis that this check makes."""

    practices: dict[str, bool] = field(default_factory=dict)
    """Practice of today -> whether it rejects; empty where none was tried."""


@dataclass(frozen=True)
class Change:
    """The line that a fault changes, and what a check must find; all empty for correct targets."""

    kind: str = ""
    """What is wrong, of the right diagnosis."""

    factor: str = ""
    """Where it is, of the right diagnosis."""

    before: str = ""
    """The line as it should be."""

    after: str = ""
    """The line as it is."""

    proof: str = ""
    """Why it breaks no promise, for people; empty for real faults."""


@dataclass(frozen=True)
class Row:
    """One target: what every check said of it, and what people do today."""

    group: str
    """ "fault", "equivalent", "correct" or "surprising"."""

    model: str
    """Name of the model whose code it is; empty for surprising targets."""

    name: str
    """Of the fault or the surprise; "correct" for others."""

    sentence: str
    """What it is, for people."""

    verdicts: Verdicts
    """What was said of it."""

    change: Change = Change()
    """What was done to it."""

    seconds: float = 0.0
    """On the clock."""

    @property
    def rejected(self) -> bool:
        """Whether a check rejects the target."""
        return bool(self.verdicts.first)

    @property
    def diagnosed(self) -> bool:
        """Whether the first check that rejects names the right kind and factor."""
        found = self.verdicts.found
        return found is not None and (found.kind, found.factor) == (self.change.kind, self.change.factor)

    @property
    def as_it_should(self) -> bool:
        """A fault is rejected with the right diagnosis, everything else passes all checks."""
        if self.group == "fault":
            return self.rejected and self.diagnosed
        outcomes = self.verdicts.outcomes.values()
        return all(outcome in FINE for outcome in outcomes) and any(outcomes)

    def to_json(self) -> dict[str, Any]:
        """Everything, and what is judged by it, side by side."""
        record = asdict(self)
        verdicts, change = record.pop("verdicts"), record.pop("change")
        judged = {"rejected": self.rejected, "diagnosed": self.diagnosed, "as_it_should": self.as_it_should}
        return {**record, **verdicts, **change, **judged}


@dataclass(frozen=True)
class Matrix:
    """All rows of a run."""

    rows: tuple[Row, ...]
    """In the order of `tasks`."""

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
            counts.update(name for name, outcome in row.verdicts.outcomes.items() if outcome == Outcome.VIOLATED.value)
            counts.update(name for name, rejected in row.verdicts.practices.items() if rejected)
        return {name: counts[name] for name in (*OF_TARGETS, *PRACTICES)}

    def to_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        faults = self.of("fault")
        return {
            "summary": {
                "faults": len(faults),
                "rejected": sum(row.rejected for row in faults),
                "diagnosed": sum(row.diagnosed for row in faults),
                "rejected_today": sum(any(row.verdicts.practices.values()) for row in faults),
                "killed_by": self.killed(),
                "surprising": len(self.of("surprising")),
                "equivalent": len(self.of("equivalent")),
                "models": len(self.of("correct")),
                "as_it_should": self.ok,
            },
            "rows": [row.to_json() for row in self.rows],
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
        model = MODELS[index]
        verdicts = replace(checked(problem(model)), practices=practised(model))
        return Row(group, model, "correct", "", verdicts, seconds=time.perf_counter() - begin)
    if group == "surprising":
        surprise = SURPRISING[index]
        verdicts = checked(surprise.make())
        return Row(group, "", surprise.name, surprise.sentence, verdicts, seconds=time.perf_counter() - begin)
    return judge_fault((FAULTS if group == "fault" else EQUIVALENT)[index])


def judge_fault(fault: Fault) -> Row:
    """The row of one fault or equivalent mutant."""
    begin = time.perf_counter()
    verdicts = replace(checked(problem(fault.model, fault)), practices=practised(fault.model, fault))
    change = Change(fault.kind, fault.factor, *lines(fault), fault.equivalent)
    group = "equivalent" if fault.equivalent else "fault"
    return Row(group, fault.model, fault.name, fault.sentence, verdicts, change, time.perf_counter() - begin)


def practised(model: str, fault: Fault | None = None) -> dict[str, bool]:
    """Practice of today -> whether it rejects a model's code, with the fault in it if one is given."""
    return {name: rejected_by(name, model, fault) for name in PRACTICES}


def checked(target: Problem) -> Verdicts:
    """What every check says, and the diagnosis of the first that rejects."""
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
    return Verdicts(outcomes, first, found)


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
