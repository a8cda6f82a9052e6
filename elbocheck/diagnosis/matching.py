"""Which of the usual mistakes explain a deviation."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from elbocheck.diagnosis.probes import Probe
from elbocheck.diagnosis.suspects.base import UNUSUAL, Suspect, is_usual

BUDGET = 30.0
"""Seconds after which no further mistake is tried: what is known by then is said."""
MOST_NAMED = 3
"""Explanations that fit equally well, and are all named."""


@dataclass(frozen=True)
class Match:
    """A mistake that explains the deviation at every point."""

    suspect: Suspect
    """The mistake."""

    name: str
    """What it is called, with its multiple."""

    rank: int
    """How usual it is: the least rank wins."""


def matches(suspects: Iterable[Suspect], points: list[Probe], places: Collection[str] | None) -> list[Match]:
    """The mistakes that explain the deviation, of the most usual rank only, one for each place.

    `places`: names of factors (and "q") that can produce it; None: any.
    """
    found: list[Match] = []
    deadline = time.perf_counter() + BUDGET
    for suspect in suspects:
        if time.perf_counter() > deadline:
            break
        if places is not None and suspect.factor and suspect.factor not in places:
            continue
        match = explains(suspect, points)
        if match is not None:
            found.append(match)
    if not found:
        return []
    best = min(one.rank for one in found)
    kept: dict[tuple[str, str], Match] = {}
    for one in found:
        if one.rank == best:
            kept.setdefault((one.suspect.kind, one.suspect.factor), one)
    return list(kept.values())[:MOST_NAMED]


def varies(points: list[Probe]) -> bool:
    """Whether the deviation differs between points, beyond rounding."""
    excess, noise = np.array([one.excess for one in points]), np.array([one.noise for one in points])
    return bool(np.any(np.abs(excess - excess[0]) > 2 * (noise + noise[0])))


def explains(suspect: Suspect, points: list[Probe]) -> Match | None:
    """The suspect if it explains the deviation at all points, with its own coefficient or with one for all.

    A multiple that is no usual one explains nothing unless its term varies: what does not vary explains any constant.
    """
    predicted, excess = np.array(suspect.sizes), np.array([one.excess for one in points])
    if len(predicted) != len(excess) or not np.all(np.isfinite(predicted)):
        return None
    noise = np.array([one.noise for one in points]) * (1.0 + np.abs(predicted) / np.abs(excess).max())
    if suspect.offset:
        return _but_for_a_constant(suspect, predicted, excess, noise)
    if suspect.coefficient is None:
        fits = np.all(np.abs(predicted - excess) <= 4 * noise) and predicted.any()
        return Match(suspect, suspect.name, suspect.rank) if fits else None
    largest = int(np.argmax(np.abs(predicted)))
    if abs(predicted[largest]) <= 1e3 * noise[largest]:
        return None
    times = excess[largest] / predicted[largest]
    if not np.all(np.abs(times * predicted - excess) <= 8 * noise):
        return None
    name, constant = suspect.coefficient(times), np.ptp(predicted) <= 1e-9 * abs(predicted[largest])
    if is_usual(name):
        return Match(suspect, name, suspect.rank + (2 if constant else 0))
    return None if constant or suspect.usual_only or len(points) < 2 else Match(suspect, name, UNUSUAL)


def _but_for_a_constant(suspect: Suspect, predicted: np.ndarray, excess: np.ndarray, noise: np.ndarray) -> Match | None:
    """The suspect if a usual multiple of what it varies by explains what the deviation varies by."""
    assert suspect.coefficient is not None
    varied, off, noise = predicted - predicted[0], excess - excess[0], noise + noise[0]
    largest = int(np.argmax(np.abs(varied)))
    if len(varied) < 3 or abs(varied[largest]) <= 1e3 * noise[largest]:
        return None
    times = off[largest] / varied[largest]
    name = suspect.coefficient(times)
    fits = np.all(np.abs(times * varied - off) <= 8 * noise * max(abs(times), 1.0))
    return Match(suspect, name, suspect.rank) if fits and times and is_usual(name) else None
