"""Directions that scale natural parameters in the charts that people use, block by block, and sums of few of them.

A factor whose last layer is linear is scaled by that layer itself, one with a log variance by a shift, one with a
softplus scale by softplus / σ. Which combination it is shows in numbers that a reading has anyway: the gap of a factor,
less δ, must be β·∇F at every point (THEORY section 3), and a combination that meets that to rounding at several random
points is the claim itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from elbocheck.parameters import Layout

Part = tuple[str, str, float]
"""(block, kind, multiple)."""

COMMON, RARE = ("scale", "shift"), ("softplus", "softminus", "decay")
MULTIPLES = (1.0, -1.0, 0.5, -0.5, 2.0, -2.0)
MOST_PAIRS = 1200
"""Pairs of candidates are tried where there are at most so many candidates with their multiples."""


def elements(kind: str, block: np.ndarray) -> np.ndarray:
    """One candidate direction in a block (…,) of parameters.

    "scale": θ, for what is linear or a power; "shift": 1, for logs; "softplus": softplus(θ) / σ(θ), for softplus(θ) to
    a power; "softminus": log σ(θ) / σ(−θ), for logits of a log probability; "decay": e^−θ, for exp(θ) − 1.
    """
    with np.errstate(over="ignore"):
        if kind == "scale":
            return np.array(block)
        if kind == "shift":
            return np.ones_like(block)
        if kind == "decay":
            return np.exp(-block)
        side = block if kind == "softplus" else -block
        small = side < -30.0  # log1p(t) (1 + 1/t) for t = e^θ → 0
        found = np.where(small, 1.0 + 0.5 * np.exp(side), np.logaddexp(0.0, side) * (1.0 + np.exp(-side)))
        return found if kind == "softplus" else -found


def direction(parts: Sequence[Part], layout: Layout, vector: np.ndarray) -> np.ndarray:
    """Σ multiple · candidate, (P,)."""
    total = np.zeros(vector.size)
    for block, kind, times in parts:
        where = layout.slices[block]
        total[where] += times * elements(kind, vector[where])
    return total


@dataclass(frozen=True)
class Slopes:
    """∂F along candidates at one point: `values`, with bounds `errors` on theirs; `target` = gap − δ, `noise` in it."""

    values: dict[tuple[str, str], float]
    errors: dict[tuple[str, str], float]
    target: float
    noise: float


def guesses(blocks: Sequence[str], kinds: Sequence[str]) -> Iterator[tuple[Part, ...]]:
    """Combinations, the simplest first: none, one block, neighbouring blocks that are scaled together."""
    yield ()
    for kind in kinds:
        for block in reversed(blocks):
            yield from (((block, kind, times),) for times in MULTIPLES)
    for size in range(2, len(blocks) + 1) if "scale" in kinds else ():
        for begin in range(len(blocks) - size, -1, -1):
            yield tuple((block, "scale", 1.0) for block in blocks[begin : begin + size])


def guess(points: Sequence[Slopes], blocks: Sequence[str], kinds: Sequence[str]) -> tuple[Part, ...] | None:
    """The first combination whose slope is the target, to rounding, at all points; None if there is none."""
    for parts in guesses(blocks, kinds):
        if all(meets(parts, one) for one in points):
            return parts
    return _pair(points, blocks, kinds)


def meets(parts: Sequence[Part], point: Slopes) -> bool:
    """Whether target = Σ multiple · slope at a point."""
    total = sum(times * point.values[block, kind] for block, kind, times in parts)
    error = sum(abs(times) * point.errors[block, kind] for block, kind, times in parts)
    return bool(abs(total - point.target) <= point.noise + error)


def _pair(points: Sequence[Slopes], blocks: Sequence[str], kinds: Sequence[str]) -> tuple[Part, ...] | None:
    singles = [(block, kind, times) for kind in kinds for block in reversed(blocks) for times in MULTIPLES]
    if len(singles) > MOST_PAIRS or not singles:
        return None
    found = np.ones((len(singles),) * 2, dtype=bool)
    for one in points:
        values = np.array([times * one.values[block, kind] for block, kind, times in singles])
        errors = np.array([abs(times) * one.errors[block, kind] for block, kind, times in singles])
        off = np.abs(values[:, None] + values - one.target)
        found &= off <= one.noise + errors[:, None] + errors
    heard = np.array(
        [any(abs(one.values[part[:2]]) > one.noise + one.errors[part[:2]] for one in points) for part in singles]
    )
    found &= heard[:, None] & heard  # a block that moves nothing would pair with anything
    for first, second in zip(*np.nonzero(np.triu(found, 1)), strict=True):
        one, other = singles[first], singles[second]
        if one[:2] != other[:2]:
            return (one, other)
    return None
