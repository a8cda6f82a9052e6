"""A proof for every cell of the catalogue that balls can evaluate, and for every other one the reason why not."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.errors import ElbocheckError, NotRigorousError, TimeoutExceeded, UndecidedError
from elbocheck.limits import time_limit
from elbocheck.models import find_cell
from elbocheck.models.datasets import Dataset, real_sample
from elbocheck.models.sample import Cell, Sample
from elbocheck.models.support import check_binary
from elbocheck.proofs.certify import Certificate, certify_sample, symmetries_of, unpadded, well_determined
from elbocheck.proofs.enclosures import Enclosure
from elbocheck.solver import StationaryPoint, distinct, find_stationary_points
from elbocheck.strategies import draw_many, samples
from elbocheck.threads import single_threaded

Search = Callable[[Sample], Sequence[StationaryPoint]]
PROBLEMS = 30
"""Most random problems that are tried."""
SECONDS = 300.0
"""What one cell may take, unless said otherwise."""
TABLES, ROWS, COLUMNS = 10, 400, 4
"""How many tables of binary data are drawn; their rows, of which most are equal; their columns."""


@dataclass(frozen=True)
class Proven:
    """What was proved of one cell."""

    cell: str
    """Its name."""

    sizes: tuple[int, ...] = ()
    """(N, D, K) of the problem; empty if there is none."""

    coordinates: int = 0
    """How many parameters move."""

    kind: str = ""
    """Of the stationary point, "maximum" or "saddle", as far as the signs of all eigenvalues are proved."""

    radius: float = float("inf")
    """How far from the computed point the true one may lie in any coordinate, in natural units."""

    gap: Enclosure | None = None
    """F − S − δ there, nats per datum."""

    seconds: float = 0.0
    """On the clock."""

    reason: str = ""
    """Why nothing is proved; empty if it is."""

    false: bool = False
    """Whether an interval excludes what the theorem says."""

    @property
    def proved(self) -> bool:
        return not self.reason

    def to_json(self) -> dict[str, Any]:
        """Plain values; null for what is not known."""
        return {**asdict(self), "radius": self.radius if self.proved else None, "proved": self.proved}


def random_problems(cell: Cell, seed: int) -> Sequence[Sample]:
    """Random problems of a cell; the first draws, which are the simplest, are left out."""
    return draw_many(samples(well_determined(cell), solvable=True), PROBLEMS + 2, entropy=seed)[2:]


def binary_tables(cell: Cell, seed: int, latents: int) -> Sequence[Sample]:
    """Many binary data, equal rows merged to at most 2^4 with weights; none for other data.

    A few data send logits to infinity; so many have a finite maximum, and cost no more than 16.
    """
    if cell.model.states is None or cell.model.data.check is not check_binary:
        return []
    tables = []
    for number in range(TABLES):
        x = cell.model.data.simulate(np.random.default_rng([seed, number]), ROWS, COLUMNS, latents)
        tables.append(real_sample(cell, Dataset("simulated", x, np.ones(ROWS)), latents, number))
    return tables


def cost(sample: Sample) -> int:
    """Of a Hessian, up to a factor."""
    return int(unpadded(sample).problem().free_mask.sum()) ** 2 * sample.sizes[0]


def problems_of(cell: Cell, seed: int) -> Sequence[Sample]:
    """What is tried, one after the other: several latents before one, then what costs least."""
    tables = [one for latents in (2, 1) if latents <= cell.capacity[2] for one in binary_tables(cell, seed, latents)]
    problems = sorted(random_problems(cell, seed), key=cost)
    return sorted([*tables, *problems], key=lambda one: -one.latents)


def every_point(sample: Sample) -> Sequence[StationaryPoint]:
    """All that a float64 search finds."""
    return distinct(find_stationary_points(sample.problem()))


def likeliest(sample: Sample) -> Sequence[StationaryPoint]:
    """The one with the fewest flat directions, if symmetries account for them: no other one can be isolated."""
    symmetries = symmetries_of(sample.cell)
    points = sorted(every_point(sample), key=lambda point: point.inertia.zero)[:1]
    return [point for point in points if point.inertia.zero <= len(symmetries(sample.unpadded(point.problem.params)))]


def _found(points: Sequence[StationaryPoint], problem: Problem) -> Sequence[StationaryPoint]:
    """What a search has found already."""
    return points


def first_proof(problems: Sequence[Sample], bits: int, search: Search = every_point) -> tuple[Certificate, int]:
    """(the first certificate with an isolated stationary point, how many problems without one were passed over).

    The last certificate if none has one, or one whose identity fails. Raises as `certify_sample`, on the last problem.
    """
    found: Certificate | None = None
    for passed, sample in enumerate(problems):
        points = search(sample)
        if not points and sample is not problems[-1]:
            continue
        try:
            found = certify_sample(sample, bits, partial(_found, points))
        except UndecidedError:
            if sample is problems[-1]:
                raise
        else:
            if found.proved or not found.identity:
                return found, passed
    assert found is not None
    return found, len(problems) - 1


def prove_cell(name: str, bits: int = 192, seed: int = 0, seconds: float = SECONDS) -> Proven:
    """A proof for one cell, or the reason why there is none."""
    begin, cell = time.perf_counter(), find_cell(name)
    if cell.out_of_scope:
        return Proven(name, reason=f"outside the theorem: {cell.out_of_scope}")
    try:
        tried = problems_of(cell, seed)  # before the clock starts: Hypothesis is not to be interrupted
        with time_limit(seconds, name, "the problem is large for balls"):
            certificate, _ = first_proof(tried, bits, likeliest)
    except TimeoutExceeded:
        return Proven(name, seconds=time.perf_counter() - begin, reason=f"not finished after {seconds:g} s")
    except NotRigorousError as error:
        return Proven(name, seconds=time.perf_counter() - begin, reason=f"not rigorous: {error}")
    except ElbocheckError as error:
        return Proven(name, seconds=time.perf_counter() - begin, reason=str(error))
    return of_certificate(certificate, time.perf_counter() - begin, len(tried))


def of_certificate(found: Certificate, seconds: float, tried: int = 1) -> Proven:
    """The best of the proofs in a certificate, of the last of the problems `tried`: whose point is known best."""
    gaps = [one.gap for one in found.proofs if one.gap is not None]
    false = not found.identity or not all(gap.contains_zero for gap in gaps)
    proofs = sorted((one for one in found.proofs if one.proved), key=lambda one: one.radius)
    if not proofs:
        reasons = [one.reason for one in found.proofs] or ["the float64 search found no stationary point"]
        reason = f"{tried} problems without a proof, the last: {reasons[0]}"
        return Proven(found.name, found.sizes, seconds=seconds, reason=reason, false=false)
    best = proofs[0]
    kind = "" if best.inertia is None else best.inertia.kind
    return Proven(found.name, found.sizes, best.free, kind, best.radius, best.gap, seconds, false=false)


def prove_all(
    names: Sequence[str],
    workers: int,
    listen: Callable[[Proven], None] = lambda one: None,
    *,
    bits: int = 192,
    seed: int = 0,
    seconds: float = SECONDS,
) -> tuple[Proven, ...]:
    """Every cell, over worker processes; in the order of the names, `listen` as they come.

    A process that is killed takes those with it that are not finished: its cells, and what waited, are not proved.
    """
    if workers <= 1:
        found = {}
        for name in names:
            found[name] = prove_cell(name, bits, seed, seconds)
            listen(found[name])
    else:
        with single_threaded():
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(workers, mp_context=context) as pool:
                jobs = {pool.submit(prove_cell, name, bits, seed, seconds): name for name in names}
                found = {}
                try:
                    for job in as_completed(jobs):
                        try:
                            one = job.result()
                        except BrokenProcessPool:
                            one = Proven(jobs[job], reason="a worker process was killed")
                        found[one.cell] = one
                        listen(one)
                finally:
                    pool.shutdown(wait=False, cancel_futures=True)
    return tuple(found[name] for name in names)
