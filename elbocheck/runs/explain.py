"""One bound of the catalogue along a search: its terms at the start, where it ends, and the steps between."""

from __future__ import annotations

from dataclasses import dataclass

from elbocheck.backends.base import Backend
from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.errors import InputError
from elbocheck.models.datasets import REAL, cells_of, load, real_sample
from elbocheck.models.sample import Cell, Sample
from elbocheck.solver import StationaryPoint, find_stationary_points
from elbocheck.strategies import draw_many, samples
from elbocheck.training.snapshots import Climbs, Snapshot, along


@dataclass(frozen=True)
class Explanation:
    """One bound on one data set: its terms at the start and where the search ended, and the steps between."""

    cell: Cell
    """Model and posterior."""

    data: str
    """Name of the data."""

    sizes: tuple[int, int, int]
    """(N, D, K), equal rows merged."""

    rows: int
    """Data before equal rows were merged."""

    start: Decomposition
    """Terms where the search began."""

    point: StationaryPoint
    """Where it ended; not certified where no search was."""

    steps: tuple[Snapshot, ...]
    """Between the two, at most `snapshots.MOST`."""


def sample_for(
    name: str, data: str | None, latents: int | None, seed: int, backend: Backend | None = None
) -> tuple[Sample, str, int]:
    """(sample, name of the data, their number) for a model or model/posterior.

    Without `data`: those that `elbocheck verify` runs it on, else a random problem. Raises `InputError` for unknown
    names and data that do not suit the model.
    """
    model, _, posterior = name.partition("/")
    own = [cell for cell in cells_of(model) if not posterior or cell.posterior == posterior]
    if not own:
        raise InputError(f"{name!r}: {model} has {', '.join(cell.posterior for cell in cells_of(model))}")
    shown = {cell: (file, count) for cell, file, count in REAL}
    cell = next((cell for cell in own if cell.name in shown), own[0]).on(backend)
    if data is None and cell.name not in shown:
        if latents is not None:
            raise InputError(f"--latents {latents} goes with --data; random problems have numbers of their own")
        drawn = draw_many(samples(cell, solvable=True), 3, entropy=seed)[-1]  # the first ones are the simplest
        return drawn, f"a random problem, seed {seed}", drawn.sizes[0]
    file, count = shown[cell.name] if data is None else (data, 2)
    dataset = load(file)
    return real_sample(cell, dataset, count if latents is None else latents, seed), dataset.name, len(dataset.x)


def explain(sample: Sample, data: str, rows: int) -> Explanation:
    """Decompose the sample's bound, train it, decompose it again. `data`, `rows`: name and number of the data."""
    problem, climbs = sample.problem(), Climbs()
    points = find_stationary_points(problem, patience=3, watch=climbs)
    best, origin = climbs.best(points), points[0].origin
    if best is not None:
        origin = next(label for label, climb in climbs.found.items() if climb is best)
    point = next(point for point in points if point.origin == origin)
    steps = along(problem, climbs.found[origin].vectors)
    begin = problem.at(climbs.found[origin].vectors[0])
    return Explanation(sample.cell, data, sample.sizes, rows, decompose(begin), point, steps)
