"""Chunks of a census: numbered random problems of one cell, a pure function of cell, numbers and seed.

Where problems can be lanes (`solver.batched`), all of a chunk are searched and certified at once, each from the starts
in turn until one ends certified; what then is without a certificate, or seems violated, is done again one by one.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from elbocheck.backends.base import Backend
from elbocheck.bound.problem import Problem
from elbocheck.checks import every_point, stationary
from elbocheck.checks.batched import every_point_lanes, stationary_lanes
from elbocheck.models import find_cell
from elbocheck.models.sample import Cell, Sample
from elbocheck.outcome import Outcome, Result
from elbocheck.runs.jobs import Tick, judge
from elbocheck.runs.rows import Row
from elbocheck.solver import Start, certify, find_in_turn
from elbocheck.solver.batched import Cohort, batches, search
from elbocheck.solver.batched_certificate import certify_lanes, decompose_lanes
from elbocheck.strategies.of_cells import numbered_sample

GUIDED = "guided"
"""In place of the data, of the row of problems that were changed towards the largest ratio |residual| / bound."""
CHUNK = 512
"""Problems of a chunk: enough to fill the lanes of a processor, few enough to be lost where a run is killed."""
PARENTS, GENERATIONS, SPREAD = 16, 8, 0.3
"""Problems, of `CHUNK`, whose parameters are changed in each generation; how often; by how much, in natural units."""


@dataclass(frozen=True)
class Chunk:
    """Problems number `first` to `first + count − 1` of one cell."""

    cell: str
    """Name."""

    first: int
    """Number of the first problem."""

    count: int
    """How many."""

    seed: int
    """Of the whole census."""

    @property
    def size(self) -> int:
        return self.count

    @property
    def label(self) -> str:
        return f"{self.cell} [{self.first}, {self.first + self.count})"

    def samples(self, cell: Cell) -> list[Sample]:
        """Its problems, at their own sizes."""
        return [numbered_sample(cell, self.seed, self.first + number) for number in range(self.count)]

    def run(self, tick: Tick, backend: Backend | None = None) -> list[Row]:
        """The rows of both checks, and of the guided search."""
        begin, cell = time.perf_counter(), find_cell(self.cell).on(backend)
        drawn = self.samples(cell)
        identity, theorem, guided = (
            Row(cell.model.name, cell.posterior, data, check)
            for data, check in (
                ("random", every_point_check),
                ("random", stationary_check),
                (GUIDED, every_point_check),
            )
        )
        if batches(drawn[0].compiled):
            lanes = Lanes(cell, drawn, [sample.problem() for sample in drawn], self.first)
            results = lanes.identity()
            for sample, result in zip(drawn, results, strict=True):
                judge(identity, result, sample)
            for sample, (result, ascended) in zip(drawn, lanes.theorem(tick), strict=True):
                judge(theorem, result, sample)
                theorem.ascents += ascended
            rng = np.random.default_rng([self.seed, self.first, zlib.crc32(self.cell.encode())])
            lanes.guide(guided, results, rng)
        else:
            for number, sample in enumerate(drawn):
                problem = sample.problem()
                judge(identity, every_point(problem), sample)
                points = find_in_turn(problem, self.first + number)
                judge(theorem, stationary(problem, points), sample)
                theorem.ascents += points[0].certified and points[0].origin == "ascent"
                tick(1)
        seconds = time.perf_counter() - begin
        return [row.close(seconds) for row in (identity, theorem, guided) if row.tally.problems]


every_point_check, stationary_check = "every point", "stationary"


def trained_columns(cell: Cell, problem: Problem) -> np.ndarray:
    """Elements of the parameters that some problem of the cell trains."""
    frozen, layout = set(cell.frozen), problem.layout
    names = [block.name for block in cell.model.blocks if block.name not in frozen]
    mask = layout.mask([*names, *cell.variational.trained])
    return np.intersect1d(np.flatnonzero(mask), layout.present)


@dataclass
class Lanes:
    """The problems of a chunk as lanes."""

    cell: Cell
    """Of all of them."""

    drawn: Sequence[Sample]
    """The problems, at their own sizes."""

    problems: Sequence[Problem]
    """The same, padded."""

    first: int
    """Number of the first, whose turn it is to begin with its first start."""

    cohort: Cohort = field(init=False)
    """The same, stacked."""

    def __post_init__(self) -> None:
        self.cohort = Cohort.of(self.problems, trained_columns(self.cell, self.problems[0]))

    @property
    def labels(self) -> list[str]:
        return [problem.label for problem in self.problems]

    def identity(self) -> list[Result]:
        """The check `every point` at the problems' own parameters."""
        vectors = np.stack([problem.vector for problem in self.problems])
        found = every_point_lanes(decompose_lanes(self.cohort, vectors), self.labels)
        return [
            every_point(problem) if result.outcome is Outcome.VIOLATED else result
            for problem, result in zip(self.problems, found, strict=True)
        ]

    def theorem(self, tick: Tick) -> list[tuple[Result, bool]]:
        """Of each problem the check `stationary`, and whether its first search was an ascent that ended certified."""
        count = len(self.problems)
        starts = [problem.starts or (Start("ascent", problem.vector),) for problem in self.problems]
        attempts: list[tuple[str, ...]] = [() for _ in range(count)]
        found: list[Result | None] = [None] * count
        ascended = [False] * count
        for turn in range(max(map(len, starts))):
            left = np.array([i for i in range(count) if found[i] is None and turn < len(starts[i])], dtype=int)
            if not left.size:
                break
            chosen = [starts[lane][(self.first + lane + turn) % len(starts[lane])] for lane in left]
            own = self.cohort.some(left)
            ends = search(own, chosen)
            certificates = certify_lanes(own, ends)
            results = stationary_lanes(certificates, [self.problems[lane].label for lane in left])
            for position, (lane, result) in enumerate(zip(left, results, strict=True)):
                start, reason = chosen[position], certificates.reasons[position]
                if result is None:
                    attempts[lane] += (f"{start.label}: {reason}",)
                    continue
                if result.outcome is Outcome.VIOLATED:
                    problem = self.problems[lane]
                    point = certify(problem.at(ends.vectors[position]), start.label)
                    result = stationary(problem, [point])
                found[lane] = replace(result, attempts=attempts[lane])
                ascended[lane] = not turn and start.label == "ascent"
                tick(1)
        return [
            (self.one_by_one(lane, tick), False) if result is None else (result, ascended[lane])
            for lane, result in enumerate(found)
        ]

    def one_by_one(self, lane: int, tick: Tick) -> Result:
        """The check of a problem that no batch has solved."""
        from elbocheck.backends.lanes import on_processors

        problem = self.problems[lane]
        with on_processors():
            result = stationary(problem, find_in_turn(problem, self.first + lane))
        tick(1)
        return result

    def guide(self, row: Row, results: Sequence[Result], rng: np.random.Generator) -> None:
        """Change the parameters of the problems whose ratios |residual| / bound are largest, keep the worse, again."""
        ratios = np.array([result.ratio for result in results])
        owners = np.argsort(-ratios, kind="stable")[: PARENTS * math.ceil(len(results) / CHUNK)]
        vectors, ratios = np.stack([self.problems[owner].vector for owner in owners]), ratios[owners]
        for _ in range(GENERATIONS):
            own = self.cohort.some(owners)
            moved = vectors + np.where(own.free, SPREAD * own.units * rng.normal(size=vectors.shape), 0.0)
            found = every_point_lanes(decompose_lanes(own, moved), [self.problems[owner].label for owner in owners])
            for owner, vector, result in zip(owners, moved, found, strict=True):
                if result.outcome is Outcome.VIOLATED:
                    problem = self.problems[owner].at(vector)
                    result = every_point(problem)
                    own_sample = self.drawn[owner]
                    judge(row, result, own_sample.with_params(own_sample.unpadded(problem.arrays)))
                else:
                    row.tally.add(result)
            now = np.array([result.ratio for result in found])
            every = np.concatenate([ratios, now])
            kept = np.argsort(-every, kind="stable")[: len(owners)]
            vectors, ratios = np.concatenate([vectors, moved])[kept], every[kept]
            owners = np.concatenate([owners, owners])[kept]
