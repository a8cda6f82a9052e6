"""The reported gradient is the derivative of the bound, in every block of parameters.

Rejects: a wrong gradient, a detached parameter, a missing chain rule, in directions too that β does not move
(THEORY section 8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import Reading, held_slope, natural_size, read, read_beside
from elbocheck.checks.blocks import (
    FINEST,
    HELD,
    SAFETY,
    block_directions,
    compared,
    judged,
    off,
    own_gradient,
    reported_gradient,
    value_slope,
)
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge
from elbocheck.outcome import Outcome, Result

NAME = "gradient"
MOST_BLOCKS = 16
"""Blocks that are compared with differences of values one by one; more are compared all at once."""


def gradient(problem: Problem) -> Result | None:
    """g against d, the gradient of the declared bound, block by block; g is `grad`, or what the library derives.

    Where the reported value is not the declared one, g is compared with derivatives of the reported value, from values
    alone (extrapolated differences with their error estimate) or from a complex step. None where derivatives and
    gradient are the same thing: plain NumPy without a `grad` of its own.
    """
    backend = problem.compiled.backend
    if problem.grad is None and backend.cost.directional:
        return None
    reading = read(problem)
    note, right = "", _value_holds(reading)
    if backend.cost.directional:
        deviations = _against_slopes(reading)
        with_q_held = _against_held_slopes(reading) if right and off(deviations) else []
        result = judge(NAME, problem.label, with_q_held if with_q_held and not off(with_q_held) else deviations)
        return replace(result, note=HELD) if with_q_held and not off(with_q_held) else result
    if problem.grad is None and right:
        deviations, note = judged(reading)
    elif problem.grad is None:
        deviations = list(_against_values(reading, reported_gradient(problem)))
    else:
        deviations = _of_own(reading, right)
        held = held_slope(reading, own_gradient(problem)) if right and off(deviations) else None
        if held is not None:
            deviations, note = compared(reading, own_gradient(problem), held, thorough=True), HELD
    assert reading.gradient is not None
    norm = float(np.linalg.norm(problem.scaled(reading.gradient, up=True)))
    result = judge(NAME, problem.label, deviations, gradient_norm=norm)
    return replace(result, note=note) if result.outcome is Outcome.HOLDS else result


def _against_held_slopes(reading: Reading) -> list[Deviation]:
    """The problem's own `grad` against d with q held, along random directions of each block; empty if q is not held.

    Where q moves with a block alone, holding it is a fault, and without complex steps nothing can be held.
    """
    problem, own, found = reading.problem, own_gradient(reading.problem), []
    run: Any = problem.compiled.held_along
    for name, direction in block_directions(problem):
        slope, declared = float(run(problem.vector, problem.fixed, direction)), reading.along(direction)[0]
        size = reading.scale + abs(slope) + float(np.abs(own) @ np.abs(direction))
        bound = reading.constant * size
        if not run.exact or abs(slope) <= bound < 1e-3 * abs(declared):
            return []
        found.append(Deviation(f"the gradient in {name}", abs(float(own @ direction) - slope), bound, size))
    return found


def _value_holds(reading: Reading) -> bool:
    """Whether the reported value is the declared one, here and beside."""
    for one in (reading, *read_beside(reading.problem)):
        deviation = abs(one.elbo - one.declared)
        if deviation > 2 * one.constant * one.scale and deviation > 2 * one.constant * one.full_scale + one.value_noise:
            return False
    return True


def _of_own(reading: Reading, right: bool) -> list[Deviation]:
    """The problem's own `grad` against d or, where the value is not the declared one, against the library's g."""
    problem = reading.problem
    own, other = own_gradient(problem), reading.slope if right else reading.gradient
    assert other is not None
    deviations = compared(reading, own, other)
    if not off(deviations):
        return deviations
    deviations = compared(reading, own, other, thorough=True)
    if not off(deviations):
        return deviations
    noise = 8.0 * np.ptp([own, *(own_gradient(one.problem) for one in reading.beside)], axis=0)
    size, slices = natural_size(problem), problem.layout.slices
    return [
        replace(one, bound=one.bound + float(np.linalg.norm((size * noise)[slices[_block(one)]]))) for one in deviations
    ]


def _block(deviation: Deviation) -> str:
    return deviation.what.removeprefix("the gradient in ")


def _against_slopes(reading: Reading) -> list[Deviation]:
    """The problem's own `grad` against slopes of the reported value, along random directions of each block."""
    problem, found = reading.problem, []
    own = own_gradient(problem)
    for name, direction in block_directions(problem):
        slope, error = reading.along(direction, declared=False)
        size = reading.scale + abs(slope) + float(np.abs(own) @ np.abs(direction))
        bound = reading.constant * size + SAFETY * error
        deviation = Deviation(f"the gradient in {name}", abs(float(own @ direction) - slope), bound, size)
        if not deviation.excess <= 1.0:
            size = max(size, reading.full_scale, reading.absolute(direction, thorough=True))
            more = reading.constant * size + SAFETY * error + reading.noise_along(direction)
            deviation = replace(deviation, bound=max(bound, more), scale=size)
        found.append(deviation)
    return found


def _against_values(reading: Reading, gradient: np.ndarray) -> Iterator[Deviation]:
    """A gradient against differences of the reported value: along all blocks at once, and in each of few."""
    problem = reading.problem
    directions = block_directions(problem)
    if len(problem.layout.names) > MOST_BLOCKS:
        directions = [("all blocks", np.sum([direction for _, direction in directions], axis=0))]
    for name, direction in directions:
        slope, error = value_slope(problem, direction)
        size = abs(slope) + float(np.abs(gradient) @ np.abs(direction))
        bound = SAFETY * error + reading.constant * FINEST * (reading.scale + abs(reading.elbo))
        bound += 64 * problem.compiled.backend.eps * size
        yield Deviation(f"the gradient in {name}", abs(float(gradient @ direction) - slope), bound, size)


CHECK = Check(
    name=NAME,
    letter="g",
    promise="the reported gradient is the derivative of the reported ELBO (theory, section 8)",
    run=gradient,
    diagnose="gradient",
)
