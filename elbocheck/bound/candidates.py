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
from scipy.linalg import qr

from elbocheck.bound.layout import Layout

Part = tuple[str, str, float]
"""(block, kind, multiple)."""

COMMON = ("scale", "shift")
RARE = (
    "softplus",
    "log of raw",
    "log of softplus",
    "log of squared",
    "raw − 1",
    "log − 1",
    "softplus − 1",
    "squared − 1",
    "raw + 1",
    "log + 1",
    "softplus + 1",
    "squared + 1",
    "softminus",
    "logit",
    "log1m",
)
MULTIPLES = (1.0, -1.0, 0.5, -0.5, 2.0, -2.0)
MOST_PAIRS = 1200
"""Pairs of candidates are tried where there are at most so many candidates with their multiples."""


def elements(kind: str, block: np.ndarray) -> np.ndarray:
    """One candidate direction in a block (…,) of parameters.

    "scale": θ, for what is linear or a power of θ; "shift": 1, for logs. For a positive quantity c(θ) in one of four
    charts ("raw": θ, "log": e^θ, "softplus", "squared": θ²): c / c', what scales c ("softplus", else the first two);
    (c ∓ 1) / c', what scales c ∓ 1 (natural parameters of gamma, beta, Dirichlet; of Pareto); and c log c / c', what
    scales log c (rates, probabilities). For probabilities: "softminus", what scales log σ(θ); "logit" and "log1m",
    what scales logit θ and log(1 − θ). Not finite where a chart does not exist.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if kind == "scale":
            return np.array(block)
        if kind == "shift":
            return np.ones_like(block)
        if kind == "softminus":
            return -_softplus_over_slope(-block)
        if kind == "logit":
            return block * (1.0 - block) * (np.log(block) - np.log1p(-block))
        if kind == "log1m":
            return (1.0 - block) * np.log1p(-block)
        if kind.startswith("log of "):
            over, logs = _over_slope(kind.removeprefix("log of "), block), _log(kind.removeprefix("log of "), block)
            return over * logs
        chart, _, sign = kind.partition(" ")
        over = _over_slope(chart, block)
        if not sign:
            return over
        one = over / np.exp(_log(chart, block))  # 1 / c'
        return over - one if sign.startswith("−") else over + one


def _over_slope(chart: str, block: np.ndarray) -> np.ndarray:
    """c / c'."""
    if chart == "softplus":
        return _softplus_over_slope(block)
    return {"raw": block, "log": np.ones_like(block), "squared": 0.5 * block}[chart]


def _log(chart: str, block: np.ndarray) -> np.ndarray:
    """log c."""
    if chart == "softplus":
        return np.where(block < -30.0, block, np.log(np.logaddexp(0.0, block)))
    return {"raw": np.log(block), "log": block, "squared": 2.0 * np.log(np.abs(block))}[chart]


def _softplus_over_slope(block: np.ndarray) -> np.ndarray:
    """softplus(θ) / σ(θ) = log1p(t) (1 + 1/t) for t = e^θ, which is 1 + t/2 for t → 0."""
    far = block < -30.0
    return np.where(far, 1.0 + 0.5 * np.exp(block), np.logaddexp(0.0, block) * (1.0 + np.exp(-block)))


def direction(parts: Sequence[Part], layout: Layout, vector: np.ndarray) -> np.ndarray:
    """Σ multiple · candidate, (P,)."""
    total = np.zeros(vector.size)
    for block, kind, times in parts:
        where = layout.slices[block]
        total[where] += times * elements(kind, vector[where])
    return total


@dataclass(frozen=True)
class Slopes:
    """∂F along candidates at one point; nats per datum."""

    values: dict[tuple[str, str], float]
    """Candidate -> slope."""

    errors: dict[tuple[str, str], float]
    """Candidate -> bound on the error of its slope."""

    target: float
    """gap − δ, which the slopes should make up."""

    noise: float
    """Bound on the error of `target`."""


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
    for block in reversed(blocks):
        for kind in kinds:
            parts = ((block, kind, _multiple(points, block, kind)),)
            if parts[0][2] and all(meets(parts, one) for one in points):
                return parts
    return _pair(points, blocks, kinds)


def _multiple(points: Sequence[Slopes], block: str, kind: str) -> float:
    """The multiple of one candidate that the point says where it is heard best; 0 if one point is all there is."""
    best = max(points, key=lambda one: abs(one.values[block, kind]))
    slope = best.values[block, kind]
    heard = sum(abs(one.values[block, kind]) > 1e3 * one.errors[block, kind] for one in points)
    return best.target / slope if heard > 1 and np.isfinite(best.target / slope) else 0.0


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


def neat_solution(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Multiples (J,) with matrix · multiples = target, of few columns, rounded to eighths where close."""
    lengths = np.linalg.norm(matrix, axis=0)
    used = np.flatnonzero(lengths > 0.0)
    found = np.zeros(matrix.shape[1])
    if not used.size:
        return found
    _, r, order = qr(matrix[:, used] / lengths[used], mode="economic", pivoting=True)
    rank = int(np.sum(np.abs(np.diag(r)) > 1e-10 * abs(r[0, 0])))
    basic = used[np.sort(order[:rank])]
    times = np.linalg.lstsq(matrix[:, basic] / lengths[basic], target, rcond=None)[0] / lengths[basic]
    eighths = np.round(8.0 * times) / 8.0
    found[basic] = np.where(np.abs(times - eighths) <= 1e-6, eighths, times)
    return found
