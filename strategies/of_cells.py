"""Strategies for samples: sizes, data sets, weights, parameters and variational families for one cell.

Hypothesis draws sizes, kinds and all numbers. Where a problem must be solvable it draws one seed instead, from which
arrays are constructed and never filtered. Everything shrinks towards one datum, one dimension, one latent, plain data,
equal numbers, seed 0.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from elbocheck.bound.layout import DATA
from elbocheck.errors import InputError
from elbocheck.models.sample import Cell, Sample, random_sample
from elbocheck.strategies.numbers import generator, one_in

STRUCTURES = ("model", "noise", "duplicates")
WEIGHTINGS = ("equal", "some zero", "random")
MOST_SEED = 2**32 - 1
SEEDS = st.integers(0, MOST_SEED)
RANGES = {"float64": 1.0, "float32": 0.125}
"""Extreme logits and log variances, by the range of exponents: exp overflows at 709 and at 88."""
FEW = 4
"""At most so many data are drawn in every third problem that need not be solvable, or N < D would be rare."""
AMORTISED = 0.4
"""Share of extremes that an encoder gets: it multiplies them by standardised data, for the logarithm of a width."""
MOST_SHOWN = 12
"""Numbers of a drawn data set that its label lists."""


@dataclass(frozen=True)
class Draw:
    """What Hypothesis chose; `repr` is what a failure shows."""

    cell: str
    """Name."""

    sizes: tuple[int, int, int]
    """(N, D, K)."""

    structure: str
    """Of the data: drawn from the "model", "noise", or half of them "duplicates"."""

    weighting: str
    """Of the data: "equal", "some zero" or "random"."""

    log10_scale: float
    """Power of ten that multiplies the data."""

    log10_offset: float
    """Power of ten of what is added to them before."""

    spread: float
    """Standard deviation of the noise that is added to starting parameters; 0 for none."""

    frozen: tuple[str, ...]
    """Blocks that are not trained."""

    seed: int | None
    """Of all numbers; None where each was drawn."""


@dataclass(frozen=True)
class Chooser:
    """How choices are made: by Hypothesis, which shrinks them, or from a seed, a hundred times as fast."""

    integers: Callable[[int, int], int]
    """(least, most) -> one of them, both included."""

    one_of: Callable[[Sequence[Any]], Any]
    """One of these."""

    rarely: Callable[[int], bool]
    """True once in so many."""

    @classmethod
    def drawn(cls, draw: st.DrawFn) -> Chooser:
        """By Hypothesis."""
        return cls(
            lambda least, most: draw(st.integers(least, most)),
            lambda options: draw(st.sampled_from(options)),
            lambda number: draw(one_in(number)),
        )

    @classmethod
    def seeded(cls, rng: np.random.Generator) -> Chooser:
        """By a generator."""
        return cls(
            lambda least, most: int(rng.integers(least, most, endpoint=True)),
            lambda options: options[int(rng.integers(len(options)))],
            lambda number: not rng.integers(number),
        )


@st.composite
def sizes(
    draw: st.DrawFn, cell: Cell, *, solvable: bool = False, room: int = 0, min_latents: int = 1
) -> tuple[int, int, int]:
    """(N, D, K) inside the cell's capacity.

    `solvable`: with N large enough for a finite stationary point of the model; `room`: leave that many data unused.
    """
    return _sizes(Chooser.drawn(draw), cell, solvable, room, min_latents)


def _sizes(choose: Chooser, cell: Cell, solvable: bool, room: int, min_latents: int) -> tuple[int, int, int]:
    most_data, most_observed, most_latents = cell.capacity
    most_data -= room
    model = cell.model
    latents = choose.integers(max(min_latents, cell.least[2]) if solvable else min_latents, most_latents)
    least = model.data.least_observed
    if not solvable:
        most_data = min(FEW, most_data) if choose.rarely(3) else most_data
        return choose.integers(1, most_data), choose.integers(least, most_observed), latents
    observed = choose.integers(max(least, cell.least[1]), most_observed)
    fewest = (
        1 if model.starts.single_datum_frozen or model.data.distinct(observed) == 1 else model.data.distinct(observed)
    )
    return choose.integers(min(max(fewest, cell.least[0]), most_data), most_data), observed, latents


def samples(
    cell: Cell, *, solvable: bool = False, room: int = 0, min_latents: int = 1, dtype: str | None = None
) -> st.SearchStrategy[Sample]:
    """A data set with weights and random parameters for `cell`.

    Reached on purpose: a single datum, N < D, repeated data, unequal and zero weights, data of size 1e±4 and far from
    the origin, frozen means, and (unless `solvable`) saturated logits and extreme variances, as far as exp goes in
    `dtype`, by default that of the cell's backend.
    `solvable`: only data for which a finite stationary point exists: enough distinct data, both values in every binary
    column, a positive count in every column. Numbers then come from a seed; otherwise they are drawn, and shrink.
    Raises `InputError` for what is no `Cell`, and for an unknown `dtype`.
    """
    if not isinstance(cell, Cell):
        raise InputError(f"samples: cell must be a Cell; got {cell!r} (find_cell finds one by its name)")
    dtype = cell.backend.dtype if dtype is None else dtype
    if dtype not in RANGES:
        raise InputError(f"samples: dtype must be one of {', '.join(RANGES)}; got {dtype!r}")
    return _samples(cell, solvable, room, min_latents, RANGES[dtype])


@st.composite
def _samples(draw: st.DrawFn, cell: Cell, solvable: bool, room: int, min_latents: int, reach: float) -> Sample:
    choice = _choice(Chooser.drawn(draw), cell, solvable, room, min_latents, reach)
    return realise(cell, choice, solvable=True) if solvable else _made(cell, choice, generator(draw), solvable=False)


def _choice(choose: Chooser, cell: Cell, solvable: bool, room: int, min_latents: int, reach: float) -> Draw:
    shape = _sizes(choose, cell, solvable, room, min_latents)
    units = cell.model.data.units
    single = shape[0] == 1
    may_freeze = cell.model.starts.single_datum_frozen
    frozen = may_freeze if may_freeze and (single or choose.rarely(7)) else ()
    return Draw(
        cell=cell.name,
        sizes=shape,
        structure=choose.one_of(STRUCTURES),
        weighting="equal" if single else choose.one_of(WEIGHTINGS),
        log10_scale=choose.one_of((0.0, -4.0, 4.0, -1.0, 2.5)) if units != "none" else 0.0,
        log10_offset=choose.one_of((-1.0, 0.0, 1.0, 2.0)) if units == "affine" else 0.0,
        spread=0.0 if solvable else choose.one_of(cell.model.starts.spreads) * reach,
        frozen=frozen,
        seed=choose.integers(0, MOST_SEED) if solvable else None,
    )


def numbered_sample(cell: Cell, seed: int, number: int) -> Sample:
    """The solvable sample of this number: a pure function of cell, seed and number, chosen without Hypothesis.

    The choices are those of `samples`, each as likely as any other.
    """
    rng = np.random.default_rng([seed, number, zlib.crc32(cell.name.encode())])
    return realise(cell, _choice(Chooser.seeded(rng), cell, True, 0, 1, 1.0), solvable=True)


def realise(cell: Cell, choice: Draw, *, solvable: bool) -> Sample:
    """The sample that a draw stands for, a pure function of it. Raises `InputError` without a seed."""
    if choice.seed is None:
        raise InputError(f"the numbers of this sample were drawn one by one, they cannot be made again: {choice}")
    return _made(cell, choice, np.random.default_rng(choice.seed), solvable=solvable)


def _made(cell: Cell, choice: Draw, rng: np.random.Generator, *, solvable: bool) -> Sample:
    """The sample of a choice with all numbers from `rng`."""
    data, observed, latents = choice.sizes
    distinct = min(data, cell.model.data.distinct(observed))
    rows = max(distinct, (data + 1) // 2) if choice.structure == "duplicates" else data
    truth = (
        None
        if cell.model.starts.truth is None or not solvable
        else cell.model.starts.truth(rng, data, observed, latents)
    )
    if truth is None:
        x = cell.model.data.simulate(rng, rows, observed, 0 if choice.structure == "noise" else latents)
        x = np.concatenate([x, x[rng.integers(rows, size=data - rows)]])
        if cell.model.data.units != "none":
            columns = np.exp(0.5 * rng.normal(size=observed) * (choice.log10_scale != 0.0))
            offset = rng.normal(size=observed) * 10.0**choice.log10_offset if cell.model.data.units == "affine" else 0.0
            x = (x + offset) * columns * 10.0**choice.log10_scale
        if solvable:
            x = cell.model.data.repair(rng, x)
    else:
        x = cell.model.data.repair(rng, truth[0])
    weights, drawn = np.ones(data), choice.seed is None
    if drawn:
        weights = drawn_weights(rng, data, choice.weighting)
        if cell.model.data.units == "affine":  # a datum without weight may be any number of standard deviations away
            x[weights == 0.0] = x[0]
    elif choice.weighting != "equal":
        weights = np.exp(rng.normal(size=data))
    if (
        not drawn
        and choice.weighting == "some zero"
        and data > max(distinct, rows if choice.structure == "duplicates" else distinct)
    ):
        weights[max(distinct, 2) :] *= rng.random(data - max(distinct, 2)) < 0.7
    sample = random_sample(
        cell,
        x,
        latents,
        0 if drawn else int(rng.integers(2**32)),
        data_weights=weights,
        frozen=choice.frozen,
        label=str(choice) + (_shown(x) if drawn else ""),
        rng=rng if drawn else None,
    )
    if truth is not None:
        sample = sample.with_params(truth[1])
    if choice.spread:
        encoder = {block.name for block in cell.variational.blocks if drawn and DATA not in block.axes}
        moved = {}
        for name in [block.name for block in cell.blocks if block.degree == 0]:
            spread = choice.spread * (AMORTISED if name in encoder else 1.0)
            moved[name] = sample.params[name] + spread * rng.normal(size=sample.params[name].shape)
        sample = sample.with_params(moved)
    return sample


def _shown(x: np.ndarray) -> str:
    """Data as a label lists them, if they are few."""
    return f", x = {x.tolist()}" if x.size <= MOST_SHOWN else ""


def drawn_weights(rng: np.random.Generator, count: int, weighting: str) -> np.ndarray:
    """Weights (N,) that sum to 1: "equal"; "random", which differ; or "some zero", of which the first is not."""
    found = np.ones(count) if weighting == "equal" else np.exp(0.5 * rng.normal(size=count))
    if weighting != "equal" and count > 1 and np.ptp(found) == 0.0:
        found[0] *= 2.0
    if weighting == "some zero" and count > 1:
        found[1:] *= rng.random(count - 1) < 0.7
    return np.asarray(found / found.sum())
