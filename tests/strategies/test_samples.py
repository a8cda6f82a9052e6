"""The strategies from both sides: what they promise holds for every draw, and the hard regions are reached.

Nothing here compiles, except where compilations are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import jax
import jax.monitoring
import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis.strategies import SearchStrategy

from elbocheck.checks import stationary
from elbocheck.models import cells, find_cell
from elbocheck.models.base import as_drawn
from elbocheck.models.sample import Cell, Sample
from elbocheck.outcome import Outcome
from elbocheck.strategies import samples
from elbocheck.strategies.of_cells import Draw

EXAMPLES = 50
MORE = 150
"""Draws among which a hard region must be, where every number is drawn: most are copies of others, in part."""
COMPILATION = "/jax/core/compile/backend_compile_duration"


def by_cell(chosen: Iterable[Cell], *, both: bool = False) -> pytest.MarkDecorator:
    """One test per cell, or two; ids end as those of properties do, so that one worker has all draws of a cell."""
    if not both:
        return pytest.mark.parametrize("cell", [pytest.param(cell, id=cell.name) for cell in chosen])
    ways = {"any": False, "solvable": True}
    parameters = [pytest.param(c, way, id=f"{name}: {c.name}") for c in chosen for name, way in ways.items()]
    return pytest.mark.parametrize(("cell", "solvable"), parameters)


EVERY_CELL = cells()
# sizes and data depend on the model and the cell's limits, not on q
EACH_CELL = tuple({(c.model, c.least, c.capacity): c for c in EVERY_CELL}.values())


def collected(strategy: SearchStrategy[Sample], count: int = EXAMPLES) -> list[Sample]:
    drawn: list[Sample] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate], deadline=None)
    @given(strategy)
    def collect(sample: Sample) -> None:
        drawn.append(sample)

    collect()
    return drawn


@cache
def examples(cell: Cell, solvable: bool) -> tuple[Sample, ...]:
    return tuple(collected(samples(cell, solvable=solvable)))


def smallest(cell: Cell, condition: Callable[[Sample], bool], *, solvable: bool = False) -> Sample:
    phases = [Phase.generate, Phase.shrink]
    plan = settings(max_examples=1000, derandomize=True, database=None, phases=phases, deadline=None)
    return find(samples(cell, solvable=solvable), condition, settings=plan)


def least(cell: Cell, *, solvable: bool) -> tuple[int, int, int]:
    """The smallest (N, D, K) that is drawn; if `solvable`, a finite stationary point is promised from there on."""
    observed = max(cell.model.data.least_observed, cell.least[1] if solvable else 1)
    if not solvable:
        return 1, observed, 1
    distinct = 1 if cell.model.starts.single_datum_frozen else cell.model.data.distinct(observed)
    return max(distinct, cell.least[0]), observed, cell.least[2]


def from_truth(cell: Cell, solvable: bool) -> bool:
    """Whether data come from known parameters, next to which the search begins: no hard data on purpose."""
    return solvable and cell.model.starts.truth is not None


@by_cell(EVERY_CELL, both=True)
def test_every_draw_is_valid(cell: Cell, solvable: bool) -> None:
    for sample in examples(cell, solvable):
        limits = zip(least(cell, solvable=solvable), sample.sizes, cell.capacity, strict=True)
        assert all(fewest <= size <= most for fewest, size, most in limits)
        assert np.all(sample.data_weights >= 0.0)
        assert sample.data_weights.sum() == pytest.approx(1.0, rel=1e-14)
        shapes = cell.axis_sizes(sample.sizes)
        for block in cell.blocks:
            assert np.shape(sample.params[block.name]) == block.shape(shapes), block.name
            assert np.all(np.isfinite(sample.params[block.name])), block.name
        again = Sample.checked(cell, sample.x, sample.latents, sample.params, sample.data_weights)
        assert again.sizes == sample.sizes
        assert set(sample.frozen) <= {block.name for block in cell.model.blocks}
        assert any(np.any(free) for free in sample.problem().free.values())


@by_cell(EACH_CELL)
def test_solvable_draws_keep_their_promise(cell: Cell) -> None:
    """Data in the support (`checked`) with enough distinct values, and no column that drives a logit to infinity."""
    for sample in examples(cell, True):
        seen = sample.x[sample.data_weights > 0.0]
        needed = cell.model.data.distinct(sample.sizes[1])
        frozen_single = cell.model.starts.single_datum_frozen and set(cell.model.starts.single_datum_frozen) <= set(
            sample.frozen
        )
        if cell.model.data.repair is as_drawn:
            assert len(np.unique(seen, axis=0)) >= (1 if frozen_single else needed)
        if cell.model.theory.families[1] == "Bernoulli":
            assert np.array_equal(np.unique(seen), [0.0, 1.0])
            assert np.all(seen.min(0) == 0.0)
            assert np.all(seen.max(0) == 1.0)
        if cell.model.theory.families[1] == "categorical":
            assert all(len(np.unique(column)) == needed for column in seen.T)
        if cell.model.theory.families[1] == "Poisson":
            assert np.all(seen.max(0) > 0.0)


@by_cell(EACH_CELL)
def test_room_and_least_latents_are_respected(cell: Cell) -> None:
    most = cell.capacity[2]
    for solvable, count in ((True, 40), (False, 10)):
        for sample in collected(samples(cell, solvable=solvable, room=2, min_latents=min(2, most)), count):
            assert sample.sizes[0] <= cell.capacity[0] - 2
            assert sample.latents >= min(2, most)


def saturated(sample: Sample) -> bool:
    """A parameter without units beyond 10, or a log variance 5 away from that of the data."""
    size = np.log(np.abs(sample.x).mean() + 1e-300)
    centres = {block.name: block.log_degree * size for block in sample.cell.blocks if not block.degree}
    limits = {block.name: 5.0 if block.log_degree else 10.0 for block in sample.cell.blocks}
    return any(np.abs(sample.params[name] - centre).max() > limits[name] for name, centre in centres.items())


REGIONS: dict[str, Callable[[Sample], bool]] = {
    "unequal weights": lambda s: bool(np.ptp(s.data_weights) > 0.0),
    "a zero weight": lambda s: bool(np.any(s.data_weights == 0.0)),
    "nearly full": lambda s: s.sizes[0] >= 0.8 * s.cell.capacity[0],
    "all dimensions": lambda s: s.sizes[1] == s.cell.capacity[1],
    "all latents": lambda s: s.latents == s.cell.capacity[2],
}
STRUCTURED: dict[str, Callable[[Sample], bool]] = {
    "repeated data": lambda s: len(np.unique(s.x, axis=0)) < len(s.x),
    "distinct data": lambda s: len(np.unique(s.x, axis=0)) == len(s.x) > 1,
}
SCALED: dict[str, Callable[[Sample], bool]] = {
    "large scale": lambda s: bool(s.x.std(0).max() > 1e3),
    "small scale": lambda s: 0.0 < s.x.std(0).max() < 1e-3,
}
SHIFTED: dict[str, Callable[[Sample], bool]] = {
    "far from the origin": lambda s: s.sizes[0] > 1 and bool(np.any(np.abs(s.x.mean(0)) > 20 * s.x.std(0))),
}
UNSOLVABLE: dict[str, Callable[[Sample], bool]] = {
    "a single datum": lambda s: s.sizes[0] == 1,
    "one latent": lambda s: s.latents == 1,
    "fewer data than dimensions": lambda s: s.sizes[0] < s.sizes[1],
}


def wanted(cell: Cell, solvable: bool) -> dict[str, Callable[[Sample], bool]]:
    """The hard regions that exist for a cell."""
    regions = dict(REGIONS)
    if not from_truth(cell, solvable):
        regions |= STRUCTURED
        if cell.model.data.units == "none" and cell.least[0] > 8:
            del regions["distinct data"]  # there are hardly as many binary data
        regions |= SCALED if cell.model.data.units != "none" else {}
        regions |= SHIFTED if cell.model.data.units == "affine" else {}
    if not solvable:
        regions |= UNSOLVABLE
        regions |= {"saturated": saturated} if max(cell.model.starts.spreads) >= 10.0 else {}
    elif cell.least[2] == 1:
        regions["one latent"] = UNSOLVABLE["one latent"]
    if cell.model.starts.single_datum_frozen:
        regions["frozen block, several data"] = lambda s: bool(s.frozen) and s.sizes[0] > 1
    return regions


@by_cell(EACH_CELL, both=True)
def test_hard_regions_are_reached(cell: Cell, solvable: bool) -> None:
    def missing(drawn: Iterable[Sample]) -> list[str]:
        return [name for name, region in wanted(cell, solvable).items() if not any(map(region, drawn))]

    drawn = examples(cell, solvable)
    if missing(drawn) and not solvable:
        drawn = tuple(collected(samples(cell), MORE))
    assert not missing(drawn)
    ranges = zip(least(cell, solvable=solvable), cell.capacity, strict=True)
    possible = math.prod(most - fewest + 1 for fewest, most in ranges)
    assert len({sample.sizes for sample in drawn}) >= min(EXAMPLES // 5, possible // 2)


@by_cell(EACH_CELL, both=True)
def test_shrinks_to_the_smallest_problem(cell: Cell, solvable: bool) -> None:
    sample = smallest(cell, lambda sample: True, solvable=solvable)
    sizes = least(cell, solvable=solvable)
    assert sample.sizes == sizes
    frozen = cell.model.starts.single_datum_frozen if sizes[0] == 1 else ()
    offset = -1.0 if cell.model.data.units == "affine" else 0.0
    plain = Draw(cell.name, sizes, "model", "equal", 0.0, offset, 0.0, frozen, 0 if solvable else None)
    assert sample.label == str(plain) + ("" if solvable else f", x = {sample.x.tolist()}")
    if not solvable and cell.model.data.units != "none":
        assert len(np.unique(sample.x)) == 1


@pytest.mark.parametrize("name", ["sbn/exact", "ppca/full", "gmm-full/arbitrary", "poisson-mixture/exact"])
def test_shrinks_towards_the_boundary_of_a_condition(name: str) -> None:
    cell = find_cell(name)
    assert smallest(cell, lambda s: s.latents >= 2).sizes == (1, 1, 2)
    assert smallest(cell, lambda s: s.sizes[1] >= 2).sizes == (1, 2, 1)
    weighted = smallest(cell, REGIONS["unequal weights"])
    assert weighted.sizes == (2, 1, 1)
    repeated = smallest(cell, lambda s: s.sizes[0] > 2 and STRUCTURED["repeated data"](s))
    assert repeated.sizes[1:] == (1, 1)


compilations: list[float] = []


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event == COMPILATION:
        compilations.append(duration_secs)


jax.monitoring.register_event_duration_secs_listener(_listen)


@contextmanager
def counted() -> Iterator[Callable[[], int]]:
    """How many programs XLA has compiled inside."""
    before = len(compilations)
    yield lambda: len(compilations) - before


def test_the_counter_counts() -> None:
    with counted() as count:
        function = jax.jit(lambda x: x + 1.0)
        function(np.ones(3))
        assert count() == 1
        function(np.zeros(3))
        assert count() == 1
        function(np.ones(4))
        assert count() == 2


@pytest.mark.parametrize("name", ["poisson-mixture/arbitrary", "sbn/arbitrary"])
def test_problems_of_a_cell_share_their_compiled_programs(name: str) -> None:
    # a capacity of its own, so that no other test has compiled it
    cell = replace(find_cell(name), capacity=(9, 2, 2))
    drawn = collected(samples(cell, solvable=True))
    assert len({sample.sizes for sample in drawn}) >= 10
    with counted() as count:
        outcomes = [stationary(sample.problem()).outcome for sample in drawn]
        assert 1 <= count() <= 3
    assert outcomes.count(Outcome.HOLDS) >= 0.9 * len(outcomes)
