"""The gradient of the code under test against that of its declaration, block by block (THEORY section 9).

g = d in every block is stronger than one direction β: it sees a wrong gradient anywhere, at any sharing of parameters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elbocheck.backends.plain import directional
from elbocheck.bound.problem import Problem, flat
from elbocheck.bound.reading import Reading, natural_size, read
from elbocheck.checks.compare import Deviation
from elbocheck.errors import InputError

DRAWN = 2
"""Random directions of each block, where derivatives are taken along directions."""
SAFETY = 10.0
"""The error of differences is an estimate, the last change of the extrapolation."""
FINEST = 2.0**10
"""Differences go down to steps of 1/1024 of a parameter: what rounding of the value does to them."""
HELD = (
    "the code holds q while it differentiates (EM, stop_gradient, detached responsibilities); its gradient is that of "
    "the declared bound with q held"
)


def block_deviations(reading: Reading, *, thorough: bool = False) -> list[Deviation]:
    """g − d of every block, over the size of its parameters, in nats per datum."""
    if reading.slope is None or reading.gradient is None:
        return _along_directions(reading, thorough)
    return compared(reading, reading.gradient, reading.slope, thorough=thorough)


def compared(reading: Reading, one: np.ndarray, other: np.ndarray, *, thorough: bool = False) -> list[Deviation]:
    """Two gradients (P,) at a point, block by block."""
    problem = reading.problem
    size = natural_size(problem) * problem.free_mask
    absolute = np.maximum(np.abs(one), np.abs(other))
    if thorough:
        absolute = np.maximum(absolute, reading.sketch)
    scale, found = reading.scale_at(thorough), []
    for name, where in problem.layout.slices.items():
        if not size[where].any():
            continue
        off = float(np.linalg.norm(size[where] * (one - other)[where]))
        sized = float(np.linalg.norm(size[where] * absolute[where])) + scale
        bound = reading.constant * sized
        if thorough:
            bound += float(np.linalg.norm(size[where] * reading.gradient_noise[where]))
        found.append(Deviation(f"the gradient in {name}", off, bound, sized))
    return found


def block_directions(problem: Problem) -> list[tuple[str, np.ndarray]]:
    """(block, random direction in it (P,)), so many of each whatever its size."""
    rng, size = np.random.default_rng(0), natural_size(problem, least=0.0) * problem.free_mask
    found = []
    for name, where in problem.layout.slices.items():
        count = where.stop - where.start
        for _ in range(min(DRAWN, count)):
            direction = np.zeros(size.size)
            direction[where] = size[where] * rng.normal(size=count) / np.sqrt(count)
            if direction.any():
                found.append((name, direction))
    return found


def _along_directions(reading: Reading, thorough: bool) -> list[Deviation]:
    found = []
    for name, direction in block_directions(reading.problem):
        (one, error), (other, more) = (reading.along(direction, side) for side in (False, True))
        sized = reading.scale_at(thorough) + max(reading.absolute(direction, thorough), abs(one))
        bound = reading.constant * sized + SAFETY * (error + more)
        if thorough:
            bound += reading.noise_along(direction)
        found.append(Deviation(f"the gradient in {name}", abs(one - other), bound, sized))
    return found


def off(deviations: list[Deviation]) -> bool:
    """Whether one of them exceeds its bound."""
    return any(not one.excess <= 1.0 for one in deviations)


def judged(reading: Reading) -> tuple[list[Deviation], str]:
    """(g against d, a note): with the cheap bounds, with measured ones where those are exceeded.

    Where the declaration, not the code, holds back a part of its gradient, values decide: differences along what is
    off.
    """
    key = "blocks"
    memory = reading.problem.memory
    if key not in memory:
        memory[key] = _judged(reading)
    found: tuple[list[Deviation], str] = memory[key]
    return found


def _judged(reading: Reading) -> tuple[list[Deviation], str]:
    note = HELD if reading.held else ""
    deviations = block_deviations(reading)
    if not off(deviations):
        return deviations, note
    deviations = block_deviations(reading, thorough=True)
    if not off(deviations) or reading.gradient is None or reading.slope is None:
        return deviations, note
    return _arbitrated(reading, deviations)


def _arbitrated(reading: Reading, deviations: list[Deviation]) -> tuple[list[Deviation], str]:
    """Each block in which only the declaration's gradient is not that of the value is the declaration's affair."""
    problem, kept, silent = reading.problem, list[Deviation](), list[str]()
    assert reading.gradient is not None
    assert reading.slope is not None
    right = abs(reading.elbo - reading.declared) <= reading.constant * reading.full_scale + reading.value_noise
    size = natural_size(problem) * problem.free_mask
    for one in deviations:
        name = one.what.removeprefix("the gradient in ")
        where = problem.layout.slices[name]
        direction = np.zeros(size.size)
        direction[where] = (size**2 * (reading.gradient - reading.slope))[where]
        length = float(np.linalg.norm(direction[where] / np.where(size[where] > 0.0, size[where], 1.0)))
        if not one.excess <= 1.0 and right and np.isfinite(length) and length > 0.0:
            slope, error = value_slope(problem, direction / length)
            within = SAFETY * error + reading.constant * FINEST * reading.scale
            of_code, of_declaration = (
                abs(float(each @ direction) / length - slope) for each in (reading.gradient, reading.slope)
            )
            if of_code <= within < of_declaration:
                silent.append(name)
                continue
        kept.append(one)
    note = ""
    if silent:
        note = f"factors(params) holds back a part of its gradient in {', '.join(silent)} (a detach or stop_gradient)"
    return kept, note


def value_slope(problem: Problem, direction: np.ndarray) -> tuple[float, float]:
    """(∂F along a direction from values of the code under test alone, estimated error)."""
    value: Callable[[np.ndarray], np.ndarray] = lambda v: np.atleast_1d(  # noqa: E731
        np.asarray(problem.compiled.reported(v, problem.fixed)[0], dtype=float)
    )
    slope, error = directional(value, problem.vector, direction)
    return float(slope[0]), error


def own_gradient(problem: Problem) -> np.ndarray:
    """What the problem's `grad` returns (P,); raises `InputError` for another structure than that of `params`."""
    arrays = flat(problem.call("grad", problem.code_params(problem.vector)), f"{problem.label}: grad(params)")
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    expected = dict(zip(problem.layout.names, problem.layout.shapes, strict=True))
    if shapes != expected:
        raise InputError(f"{problem.label}: grad(params) has the shapes {shapes}; the parameters have {expected}")
    return problem.layout.pack(arrays)


def reported_gradient(problem: Problem) -> np.ndarray:
    """The gradient under test (P,): the problem's `grad`, or what the library derives."""
    if problem.grad is not None:
        return own_gradient(problem)
    gradient = None if problem.compiled.catalogued else read(problem).gradient
    return problem.gradient(problem.vector)[1] if gradient is None else gradient
