"""The reported gradient against directional derivatives of the reported value, in every block of parameters.

Rejects: a wrong gradient, a detached parameter, a missing chain rule, in directions too that β does not move
(THEORY section 8).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from elbocheck.backends.plain import PlainBackend, directional
from elbocheck.checks.compare import Deviation, judge
from elbocheck.errors import InputError
from elbocheck.identity import decompose
from elbocheck.outcome import Result
from elbocheck.problem import Problem, flat

CHECK = "gradient"
EACH, DRAWN = 6, 3
"""Blocks of so few elements are compared element by element, larger ones along so many random directions."""
SAFETY = 10.0
"""The error of differences is an estimate, the last change of the extrapolation."""
FINEST = 2.0**10
"""Differences go down to steps of 1/1024 of a parameter: what rounding of the value does to them."""


def gradient(problem: Problem) -> Result | None:
    """g·v against dF(θ + εv)/dε for every block; g is the problem's `grad`, or what the library derives.

    The derivative comes from values alone (extrapolated differences with their error estimate), or from a complex step.
    None where derivatives and gradient are the same thing: plain NumPy without a `grad` of its own.
    """
    backend = problem.program.backend
    plain = isinstance(backend, PlainBackend)
    if problem.grad is None and plain:
        return None
    terms = decompose(problem)
    reported = reported_gradient(problem)
    exact = problem.gradient(problem.vector)[1] if plain else None
    if backend.error_of(problem.program.gradient) > 0.0:
        exact = None
    free, deviations = problem.free_mask, []
    for name, direction in directions(problem):
        along = np.where(free, direction, 0.0)
        if not along.any():
            continue
        if exact is None:
            slopes, error = directional(lambda v: np.atleast_1d(problem.value(v)), problem.vector, along)
            slope = float(slopes[0])
        else:
            slope, error = float(exact @ along), 0.0
        scale = abs(slope) + float(np.abs(reported) @ np.abs(along))
        rounding = terms.elbo_rounding * (1.0 if exact is not None else FINEST)
        bound = SAFETY * error + rounding + 64 * backend.eps * scale
        deviations.append(Deviation(f"the gradient in {name}", abs(float(reported @ along) - slope), bound, scale))
    return judge(CHECK, problem.label, deviations, gradient_norm=terms.gradient_norm)


def reported_gradient(problem: Problem) -> np.ndarray:
    """The gradient under test (P,); raises `InputError` if `grad` returns another structure than `params`."""
    if problem.grad is None:
        return problem.gradient(problem.vector)[1]
    arrays = flat(problem.call("grad", problem.code_params(problem.vector)), f"{problem.label}: grad(params)")
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    expected = dict(zip(problem.layout.names, problem.layout.shapes, strict=True))
    if shapes != expected:
        raise InputError(f"{problem.label}: grad(params) has the shapes {shapes}; the parameters have {expected}")
    return problem.layout.pack(arrays)


def directions(problem: Problem) -> Iterator[tuple[str, np.ndarray]]:
    """(block or element, direction (P,) in units of the parameters) pairs that cover every block."""
    rng, layout, vector = np.random.default_rng(0), problem.layout, problem.vector
    unit = np.where(vector == 0.0, problem.unit_vector, np.minimum(np.abs(vector), 1.0) * problem.unit_vector)
    for name, where in layout.slices.items():
        size = where.stop - where.start
        for k in range(size if size <= EACH else DRAWN):
            direction = np.zeros(vector.size)
            chosen = np.eye(size)[k] if size <= EACH else rng.normal(size=size) / np.sqrt(size)
            direction[where] = chosen * unit[where]
            yield (f"{name}[{k}]" if 1 < size <= EACH else name), direction
