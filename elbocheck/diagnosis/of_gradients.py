"""What is wrong with a gradient whose value is right."""

from __future__ import annotations

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import Reading, read
from elbocheck.checks.blocks import block_directions, compared, reported_gradient
from elbocheck.checks.evidence import evidence
from elbocheck.diagnosis.influence import owners_of
from elbocheck.diagnosis.probes import MOST_EXACT, deviating
from elbocheck.outcome import Diagnosis, Outcome, Result


def of_gradient(problem: Problem, result: Result) -> Diagnosis:
    """Which block's gradient is off, and by what."""
    if problem.grad is None:  # what the library derives is at fault
        return detached(problem)
    reading, reported = read(problem), reported_gradient(problem)
    loose = not_optimal(problem)
    if loose is not None and abs(reading.elbo - reading.declared) <= 4 * reading.constant * reading.scale:
        return loose  # gradients with q held, as EM has them, are right at the exact posterior only
    exact = _exact(reading, reported)
    norms = {one.what.removeprefix("the gradient in "): one for one in compared(reading, reported, exact)}
    wrong = [name for name, one in norms.items() if one.size > 4 * one.bound]
    worst = max(wrong or norms, key=lambda name: norms[name].size)
    owner, where = owners_of(problem).get(worst, "q"), problem.layout.slices[worst]
    heard = {name for name, one in norms.items() if np.abs(exact[problem.layout.slices[name]]).max() > one.bound}
    every = heard <= set(wrong)
    suspect = _ratio(reported[where], exact[where], problem.vector[where])
    what = "the gradient of every block" if every and len(norms) > 1 else f"the gradient of {', '.join(wrong)}"
    sentence = f"the value is right, {what} is not" + (f": {suspect}" if suspect else "")
    return Diagnosis("gradient", "" if every and len(norms) > 1 else owner, suspect=suspect, sentence=sentence)


def _exact(reading: Reading, reported: np.ndarray) -> np.ndarray:
    """∇F (P,) of the code's value; along directions only, in the blocks that are off, as far as they are small."""
    if reading.gradient is not None:
        return reading.gradient
    problem, exact = reading.problem, np.array(reported)
    for name, direction in block_directions(problem):
        where = problem.layout.slices[name]
        slope, error = reading.along(direction, declared=False)
        if abs(slope - float(reported @ direction)) <= reading.constant * reading.scale + 10.0 * error:
            continue
        indices = range(where.start, where.stop)
        if len(indices) > MOST_EXACT:
            exact[where] = reported[where] + (slope - float(reported @ direction)) / max(len(indices), 1)
            continue
        for k in indices:
            exact[k] = reading.along(np.eye(1, problem.vector.size, k)[0], declared=False)[0]
    return exact


def detached(problem: Problem) -> Diagnosis:
    """The library's own derivative of the code is not that of its value."""
    off = deviating(read(problem))
    worst = max(off, key=lambda name: off[name]) if off else problem.layout.names[0]
    owner = owners_of(problem).get(worst, "q")
    return Diagnosis(
        "gradient",
        owner,
        suspect="a detached parameter",
        sentence=f"the library's derivative along {worst} is not that of the value (stop_gradient, detach, own rule)",
    )


def _ratio(reported: np.ndarray, exact: np.ndarray, vector: np.ndarray) -> str:
    """The usual mistake that turns one gradient into the other, element by element."""
    close = 1e-9 * (np.abs(exact).max(initial=0.0) + 1e-300)
    if np.abs(reported).max(initial=0.0) <= close:
        return "it is zero (a detached parameter)"
    with np.errstate(all="ignore"):
        candidates = {
            "the sign": -exact,
            "twice as large": 2.0 * exact,
            "half as large": 0.5 * exact,
            "the chain rule of exp: multiplied by the parameter": exact * vector,
            "the chain rule of log: divided by the parameter": exact / vector,
            "the chain rule of exp: exp(−parameter) too much": exact * np.exp(-vector),
            "the chain rule of exp: exp(parameter) too much": exact * np.exp(vector),
            "the chain rule of softplus": exact * (1.0 + np.exp(-vector)),
            "the chain rule of a square: divided by twice the parameter": exact / (2.0 * vector),
        }
    for name, candidate in candidates.items():
        if np.all(np.isfinite(candidate)) and np.abs(candidate - reported).max() <= close:
            return name
    moving = np.abs(exact) > close
    ratios = reported[moving] / exact[moving]
    if (
        ratios.size > 1  # any one number is a multiple of any other
        and np.ptp(ratios) <= 1e-9 * np.abs(ratios).max()
        and np.abs(reported[~moving]).max(initial=0) <= close
    ):
        return f"multiplied by {ratios[0]:.6g}"
    return ""


def not_optimal(problem: Problem) -> Diagnosis | None:
    """Where the log evidence is known: a q that is not the exact posterior that it is declared to be."""
    tight = evidence(problem) if problem.declaration.optimal else None
    if tight is None or tight.outcome is not Outcome.VIOLATED:
        return None
    sentence = "the reported ELBO is that of the declared distributions, and misses the log evidence: q is not the "
    sentence += "exact posterior that it is declared to be"
    return Diagnosis("data", "q", suspect="q is not the exact posterior", sentence=sentence)
