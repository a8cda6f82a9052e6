"""Run the gate's checks on unseen faults, and grade what they read."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.checks.table import OF_TARGETS
from elbocheck.diagnosis.diagnose import diagnose
from elbocheck.errors import ElbocheckError
from elbocheck.faults.unseen.catalogue import FAULTS, HALVES, MODELS, problem, runs
from elbocheck.faults.unseen.judge import Grade, judge
from elbocheck.outcome import Diagnosis, Outcome


@dataclass(frozen=True)
class Reading:
    """What the first check that rejects a fault reads, and its grade; `check` is empty if none rejects it."""

    index: int
    """Of the fault in the catalogue."""

    check: str
    """The first that rejects it, empty if none does."""

    found: Diagnosis | None
    """Its diagnosis."""

    grade: Grade | None
    """Of that; None if no check rejects the fault."""

    seconds: float
    """On the clock."""

    @property
    def rejected(self) -> bool:
        """Whether a check rejects the fault."""
        return bool(self.check)


@dataclass(frozen=True)
class Totals:
    """Numbers of faults of one half; those whose library is not installed are not counted."""

    half: str
    """ "A" or "B"."""

    faults: int
    """How many there are."""

    rejected: int
    """How many a check rejects."""

    grades: dict[str, int]
    """Grade -> how many."""

    @property
    def sentence(self) -> str:
        """For people."""
        parts = ", ".join(f"{name} {self.grades[name]}" for name in self.grades)
        return f"half {self.half}: {self.faults} faults, {self.rejected} rejected; readings: {parts}"


@dataclass(frozen=True)
class Found:
    """What the gate makes of the whole catalogue of unseen faults."""

    totals: tuple[Totals, ...]
    """Of each half."""

    rejected_targets: tuple[str, ...]
    """Targets whose correct code does not hold."""

    targets: int
    """How many were judged."""

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)

    @property
    def sentences(self) -> list[str]:
        """For people, a line each."""
        names = f": not {', '.join(self.rejected_targets)}" if self.rejected_targets else ""
        held = self.targets - len(self.rejected_targets)
        return [*(one.sentence for one in self.totals), f"{held} of {self.targets} correct targets hold{names}"]


def count(half: str = "both") -> int:
    """How many faults and targets are judged here."""
    return len(_chosen(half)) + sum(map(runs, MODELS))


def unseen(workers: int, listen: Callable[[object], None], half: str = "both") -> Found:
    """Judge every fault of a half, and the correct targets; `listen` is called after each."""
    found = []
    for one in readings(half, workers):
        found.append(one)
        listen(one)
    rejected = []
    here = [model for model in MODELS if runs(model)]
    for model in here:
        if not holds(model):
            rejected.append(model)
        listen(model)
    halves = HALVES if half == "both" else (half,)
    return Found(tuple(totals(one, found) for one in halves), tuple(rejected), len(here))


def first_rejection(of: Problem) -> tuple[str, Diagnosis | None]:
    """(the first check that rejects, its diagnosis), empty if none does."""
    with np.errstate(all="ignore"):
        for name, check in OF_TARGETS.items():
            if not check.applies(of):
                continue
            try:
                result = check.run(of)
                if result is not None and result.outcome is Outcome.VIOLATED:
                    return name, result.diagnosis or diagnose(of, result)
            except ElbocheckError:
                continue
    return "", None


def outcomes(model: str) -> dict[str, str]:
    """Check -> outcome, on a target's correct code."""
    of = problem(model)
    results = {name: check.run(of) for name, check in OF_TARGETS.items() if check.applies(of)}
    return {name: result.outcome.value for name, result in results.items() if result is not None}


def holds(model: str) -> bool:
    """Whether every check of a target's correct code holds, or says that the theorem does not cover it."""
    return set(outcomes(model).values()) <= {Outcome.HOLDS.value, Outcome.OUT_OF_SCOPE.value}


def read(index: int) -> Reading:
    """The reading of one fault, by its index in the catalogue."""
    begin, fault = time.perf_counter(), FAULTS[index]
    check, found = first_rejection(problem(fault.fault.model, fault))
    grade = judge(fault, found) if check else None
    return Reading(index, check, found, grade, time.perf_counter() - begin)


def _chosen(half: str) -> list[int]:
    return [i for i, one in enumerate(FAULTS) if half in ("both", one.half) and runs(one.fault.model)]


def readings(half: str, workers: int = 1) -> Iterator[Reading]:
    """The readings of a half, "A", "B" or "both", as they come in order of the catalogue."""
    chosen = _chosen(half)
    if workers <= 1:
        yield from map(read, chosen)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(read, chosen)


def totals(half: str, found: Sequence[Reading]) -> Totals:
    """The numbers of one half."""
    own = [one for one in found if FAULTS[one.index].half == half]
    counts = Counter(one.grade.value for one in own if one.grade is not None)
    return Totals(
        half, len(own), sum(one.rejected for one in own), {grade.value: counts[grade.value] for grade in Grade}
    )
