"""What is wrong with training whose value and gradient are right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from elbocheck.bound.decomposition import decompose
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import read
from elbocheck.checks.stop import Stop, stop
from elbocheck.diagnosis.influence import owners_of
from elbocheck.diagnosis.probes import place_of
from elbocheck.outcome import Diagnosis, Result
from elbocheck.solver import find_stationary_point

BUDGET = 30.0
"""Seconds after which no further owner is tried."""
MOST_BLOCKS = 6
"""Blocks that a sentence lists."""
LOUD = 1e-3
"""A block whose share of ∇F is smaller is left alone where others are not stationary."""


def of_training(problem: Problem, result: Result) -> Diagnosis:
    """Which factor is not stationary where training stops."""
    at = stop(problem, problem.vector)
    owner = culprit(at)
    terms = [term for term in at.terms.factors if term.covered]
    own = [term for term in terms if term.name == owner]
    worst = max(own, key=lambda one: abs(one.gap - one.delta) / one.rounding, default=None)
    suspect, component = "", None
    if worst is not None and abs(worst.gap - worst.delta) > 100 * worst.rounding:
        total = sum(t.gap - t.delta for t in own)
        loud = [t for t in own if abs(t.gap - t.delta) > 0.05 * abs(total)]
        component = worst.component if len(loud) == 1 else None
        suspect = next((name for name, size in _training_sizes(problem) if abs(total - size) <= 1e-6 * abs(size)), "")
    gap = "" if worst is None else f" (F − S there is {sum(t.gap - t.delta for t in terms if t.name == owner):+.6g})"
    place = place_of("training", owner, component)
    own_blocks = [name for name in loud_blocks(at) if owners_of(problem).get(name, "q") == owner]
    what = ", ".join(own_blocks[:MOST_BLOCKS]) if own_blocks else "its parameters"
    be = "are" if len(own_blocks) != 1 else "is"
    sentence = f"{place}: training stops where {what} {be} not stationary{gap}" + (suspect and f": {suspect}")
    return Diagnosis("training", owner, component, suspect, sentence)


def loud_blocks(at: Stop) -> list[str]:
    """Blocks with more than a small share of ∇F, the largest first."""
    sizes = {name: float(np.linalg.norm(at.terms.gradient[where])) for name, where in at.problem.layout.slices.items()}
    loud = [name for name, size in sizes.items() if size > LOUD * at.terms.gradient_norm]
    return sorted(loud, key=lambda name: -sizes[name])


def culprit(at: Stop) -> str:
    """The factor that training leaves wrong, "q" for the variational distribution.

    If several are not stationary, the one whose parameters alone, once they are, leave least of ∇F to the others: a
    wrong update of one is followed by the right updates of all others.
    """
    problem, owners = at.problem, owners_of(at.problem)
    loud = {owners.get(name, "q") for name in loud_blocks(at)}
    if len(loud) == 1:
        return loud.pop()
    left: dict[str, float] = {}
    deadline = time.perf_counter() + BUDGET
    for owner in sorted(loud):
        if left and time.perf_counter() > deadline:
            break
        held = {name: False for name in problem.layout.names if owners.get(name, "q") != owner}
        alone = find_stationary_point(replace(problem.from_here(), free={**problem.free, **held}, fit=None))
        left[owner] = decompose(problem.at(alone.problem.vector)).gradient_norm
    return min(left, key=lambda name: left[name])


def _training_sizes(problem: Problem) -> Iterator[tuple[str, float]]:
    """Gaps that the usual wrong steps leave in one factor, nats per datum."""
    data = len(read(problem).data_weights)
    for factor in problem.declaration.factors:
        for size in range(1, 65):
            if np.shape(factor.value)[-1:] == (size,) or size == 1:
                yield f"n − 1 for n: {size} / 2N", 0.5 * size / data
                yield f"n + 1 for n: −{size} / 2(N + 1)", -0.5 * size / (data + 1)
