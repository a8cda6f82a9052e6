"""Jobs of `elbocheck verify`: units of work for one process, each ending in rows of the report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from elbocheck.backends import get_backend
from elbocheck.backends.base import Backend
from elbocheck.bound.decomposition import decompose
from elbocheck.checks import control, every_point, outside, stationary
from elbocheck.checks.control import LEAST_GAP
from elbocheck.models import find_cell
from elbocheck.models.controls import CONTROLS, Control
from elbocheck.models.datasets import Dataset, load, real_sample
from elbocheck.models.sample import Cell, Sample, random_sample
from elbocheck.outcome import Outcome, Result
from elbocheck.profiles import COSTLY
from elbocheck.replay_files import left_line
from elbocheck.runs.replays import sample_replay
from elbocheck.runs.rows import Optimum, Row
from elbocheck.solver import find_stationary_points
from elbocheck.strategies import draw_many, samples
from elbocheck.training.snapshots import Climbs, PointRecord, along, record

Tick = Callable[[int], None]
"""Called with the number of problems that have just been finished."""


def judge(row: Row, result: Result, sample: Sample, source: str = "") -> None:
    """Count the result of one problem; the first violation leaves a case."""
    row.tally.add(result)
    if result.outcome is Outcome.VIOLATED and not row.failure.replay:
        row.failure.replay = left_line(lambda: sample_replay(sample, result, source), source)


@dataclass(frozen=True)
class RandomJob:
    """Random problems for cells that share one compiled program."""

    cells: tuple[str, ...]
    """Names."""

    examples: int
    """Problems per cell."""

    seed: int
    """Of Hypothesis' draws."""

    source: str = ""
    """Where cells of others are found, as `models.find_cell` takes it; empty: the catalogue."""

    @property
    def size(self) -> int:
        return len(self.cells) * self.examples

    @property
    def label(self) -> str:
        return " + ".join(self.cells)

    def run(self, tick: Tick, backend: Backend | None = None) -> list[Row]:
        rows = []
        for name in self.cells:
            cell, begin = find_cell(name, self.source).on(backend), time.perf_counter()
            if cell.out_of_scope:
                rows.append(self.outside(cell, tick))
                continue
            identity = Row(cell.model.name, cell.posterior, "random", "every point")
            theorem = Row(cell.model.name, cell.posterior, "random", "stationary")
            for sample in draw_many(samples(cell, solvable=True), self.examples, entropy=self.seed):
                problem = sample.problem()
                judge(identity, every_point(problem), sample, self.source)
                points = find_stationary_points(problem)
                judge(theorem, stationary(problem, points), sample, self.source)
                theorem.keep(points)
                theorem.ascents += points[0].certified and points[0].origin == "ascent"
                tick(1)
            seconds = time.perf_counter() - begin
            rows += [identity.close(seconds), theorem.close(seconds)]
        return rows

    def outside(self, cell: Cell, tick: Tick) -> Row:
        """A cell that the theorem does not cover must be recognised as such, at every problem."""
        begin = time.perf_counter()
        row = Row(cell.model.name, cell.posterior, "random", "scope")
        for sample in draw_many(samples(cell, solvable=True), self.examples, entropy=self.seed):
            result = outside(sample.problem())
            if result.outcome is Outcome.HOLDS:
                message = f"the theorem seems to apply ({sample.label})"
                result = replace(result, outcome=Outcome.VIOLATED, message=message)
            row.tally.add(result)
            row.smallest(result.gap)
            tick(1)
        row.close(time.perf_counter() - begin)
        if row.outcome == Outcome.OUT_OF_SCOPE.value:
            row.said = cell.out_of_scope
        return row


@dataclass(frozen=True)
class RealJob:
    """One cell on one real data set, from several random starts."""

    cell: str
    """Name."""

    data: str
    """Name of a shipped data set, or path of a CSV file."""

    latents: int
    """K."""

    starts: int
    """How many."""

    seed: int
    """Of the first start; each has the next one."""

    weights_column: str | None = None
    """Column of the file that holds data weights; None: all are equal."""

    thinning: int = 1
    """Of the data one row in so many, where searches are costly and the backend cannot afford all."""

    @property
    def size(self) -> int:
        return self.starts

    def affordable(self, backend: Backend) -> RealJob:
        """As much of this job as the backend can afford."""
        share, cell = backend.cost.share, find_cell(self.cell)
        thinning = share if cell.costly or cell.grows_with_data else 1
        return replace(self, starts=max(self.starts // share, 1), thinning=thinning)

    @property
    def label(self) -> str:
        return f"{self.cell} on {self.data}"

    def run(self, tick: Tick, backend: Backend | None = None) -> list[Row]:
        begin, cell = time.perf_counter(), find_cell(self.cell).on(backend)
        dataset = load(self.data, self.weights_column).thinned(self.thinning)
        identity = Row(cell.model.name, cell.posterior, dataset.name, "every point")
        theorem, best = Row(cell.model.name, cell.posterior, dataset.name, "stationary"), -math.inf
        for start in range(self.starts):
            sample = self.sample(cell, dataset, start)
            problem = sample.problem()
            judge(identity, every_point(problem), sample)
            climbs = Climbs()
            points = find_stationary_points(problem, patience=3, watch=climbs)
            judge(theorem, stationary(problem, points), sample)
            theorem.keep(points)
            theorem.ascents += points[0].certified
            climb = climbs.best(points)
            if climb is not None and climb.best > best:
                theorem.training, best = along(problem, climb.vectors), climb.best
            for point in points:
                terms = point.decomposition
                if point.certified and (theorem.best is None or terms.elbo > theorem.best.elbo):
                    theorem.best = Optimum(terms.elbo, terms.entropy_sum, terms.delta)
            tick(1)
        seconds = time.perf_counter() - begin
        return [identity.close(seconds), theorem.close(seconds)]

    def sample(self, cell: Cell, dataset: Dataset, start: int) -> Sample:
        return real_sample(cell, dataset, self.latents, self.seed + start)


@dataclass(frozen=True)
class ControlJob:
    """Negative controls: correct bounds whose F − S must be seen to miss 0."""

    positions: tuple[int, ...]
    """In the list of controls."""

    examples: int
    """Problems per control."""

    seed: int
    """Of Hypothesis' draws."""

    @property
    def size(self) -> int:
        return len(self.positions) * self.examples

    @property
    def label(self) -> str:
        return "controls: " + ", ".join(dict.fromkeys(CONTROLS[position].name for position in self.positions))

    def run(self, tick: Tick, backend: Backend | None = None) -> list[Row]:
        rows = []
        for position in self.positions:
            one, begin = CONTROLS[position], time.perf_counter()
            row = Row(one.cell.model.name, one.cell.posterior, "random", f"control: {one.name}")
            strategy = samples(one.cell.on(backend), solvable=True, min_latents=one.min_latents)
            for sample in draw_many(strategy, self.examples, entropy=self.seed):
                result, point = run_control(one, sample)
                row.tally.add(result)
                if result.outcome is not Outcome.INCONCLUSIVE:
                    row.records += (point,)
                    row.smallest(point.gap)
                tick(1)
            rows.append(row.close(time.perf_counter() - begin))
        return rows


def run_control(one: Control, sample: Sample) -> tuple[Result, PointRecord]:
    """(result of one negative control, the point with the |F − S| that it found).

    A point at which the gap is predicted to vanish, too (redundant latents), shows nothing; then others are sought from
    new parameters, and the control is inconclusive if there are none.
    """
    for restart in range(RESTARTS if one.solve else 1):
        arranged = one.arrange(sample if not restart else restarted(sample, restart))
        problem, certified = arranged.problem(), True
        if one.solve:
            best = max(
                find_stationary_points(problem), key=lambda point: (point.certified, abs(point.decomposition.gap))
            )
            problem, certified = best.problem, best.certified
        decomposition = decompose(problem)
        # the reference is computed in double precision, whatever runs
        predicted = one.predicted(arranged, problem.on(get_backend(problem.compiled.backend.name, "float64")))
        shows = not one.solve or max(abs(predicted), abs(decomposition.gap)) >= LEAST_GAP
        if certified and shows:
            break
    bound = None
    if problem.compiled.backend.dtype != "float64":
        bound = (decomposition.bound if one.solve else decomposition.rounding) + decomposition.elbo_rounding
    result = control(one.name, sample.label, decomposition, predicted, certified and shows, bound)
    return result, record(decomposition, "control")


RESTARTS = 8
"""Most searches of a control for a point at which its gap does not vanish."""


def restarted(sample: Sample, restart: int) -> Sample:
    """The same data at other random parameters."""
    return random_sample(
        sample.cell,
        sample.x,
        sample.latents,
        sample.seed + restart,
        data_weights=sample.data_weights,
        frozen=sample.frozen,
        label=sample.label,
    )


Part = RandomJob | RealJob | ControlJob


@dataclass(frozen=True)
class Job:
    """Parts that share a compiled program, for one process."""

    parts: tuple[Part, ...]
    """Run one after the other."""

    kind: str = ""
    """What it is like: jobs of different kinds are begun first, one of each; empty: never."""

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def label(self) -> str:
        return "; ".join(part.label for part in self.parts)

    def run(self, tick: Tick, backend: Backend | None = None) -> list[Row]:
        return [row for part in self.parts for row in part.run(tick, backend)]


def jobs_for(
    cells: Sequence[Cell],
    reals: Sequence[RealJob],
    examples: int,
    controls: int,
    seed: int,
    source: str = "",
    backend: Backend | None = None,
) -> list[Job]:
    """Everything to run on `cells`: a job for each compiled program, with its random problems and controls.

    Of everything the backend gets as much as it can afford, one at least.
    `source`: where the cells come from, if not from the catalogue.
    """
    backend, groups = backend or get_backend(), dict[Any, list[str]]()
    for cell in cells:
        groups.setdefault((cell.model, cell.variational.points, cell.capacity, cell.costly), []).append(cell.name)
    jobs = [Job((real.affordable(backend),), "real data") for real in reals]
    for (model, points, _, costly), names in groups.items():
        own = [
            ControlJob((position,), max(controls // backend.cost.share, 1), seed)
            for position, one in enumerate(CONTROLS)
            if controls and not source and (one.cell.model, one.cell.variational.points) == (model, points)
        ]
        count = min(examples, max(examples // (backend.cost.share * (COSTLY if costly else 1)), 1))
        jobs.append(Job((RandomJob(tuple(names), count, seed, source), *own), model.factors.__module__))
    return jobs
