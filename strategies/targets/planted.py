"""Correct targets with one small error planted, to see whether the gate rejects it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from elbocheck.backends.namespace import double_precision, namespace
from elbocheck.bound.factors import Declaration
from elbocheck.bound.problem import Problem
from elbocheck.errors import InputError
from elbocheck.strategies.targets import WRITERS, CorrectTarget, structure
from elbocheck.strategies.targets.tools import EVERY, Array, Params, Written, tools

STEP = 1e-30
"""Of complex steps, whose error is its square."""
NOTICEABLE = 0.01


def planted(
    target: CorrectTarget, what: Literal["gradient", "value"], size: float, rng: np.random.Generator
) -> Problem:
    """The target's problem with a relative error `size`.

    "gradient": ∂F/∂θ of one block of parameters is reported (1 + size) times, the value is what it was; "value": one
    term of F, E log p of a factor or H[q], is counted (1 + size) times. `rng` draws the block or the term, which the
    label names, among those that are at least a hundredth of the largest one (a block counts as |∂F/∂θ · θ|).
    Raises `InputError` for anything else.
    """
    if what == "gradient":
        return _gradient(target, _drawn(rng, _slopes(target)), size)
    if what == "value":
        declaration = target.problem.declaration
        names = ["q", *(factor.name for factor in declaration.factors)]
        with double_precision():
            sizes = {name: float(term_of(declaration, name)) for name in names}
        return _value(target, _drawn(rng, sizes), size)
    raise InputError(f"planted: what must be 'gradient' or 'value'; got {what!r}")


def _drawn(rng: np.random.Generator, sizes: dict[str, float]) -> str:
    largest = max(map(abs, sizes.values()))
    return str(rng.choice([name for name, size in sizes.items() if abs(size) >= NOTICEABLE * largest]))


def _slopes(target: CorrectTarget) -> dict[str, float]:
    """Block -> Σ |∂F/∂θ θ|."""
    slopes = complex_step(_twin(target).value, target.written.params)
    return {name: float(np.sum(np.abs(one * target.written.params[name]))) for name, one in slopes.items()}


def _twin(target: CorrectTarget) -> Written:
    """The same bound in NumPy code that continues to complex numbers and does not overflow."""
    choice = target.choice
    if choice.library == "numpy":
        return target.written
    stable = replace(tools("numpy"), stable=True)
    return WRITERS[choice.kind](
        stable, replace(choice, style=replace(choice.style, scipy=False)), np.random.default_rng(choice.seed)
    )


def _gradient(target: CorrectTarget, block: str, size: float) -> Problem:
    problem, written = target.problem, target.written
    read, tree, _ = structure(written.params, target.choice.style.nested)
    label = f"{problem.label}, ∂F/∂{block} × (1 + {size:g})"
    if problem.library == "numpy":
        twin = _twin(target)

        def grad(params: Any) -> Any:
            found = complex_step(twin.value, read(params))
            return tree({name: one * (1.0 + size) if name == block else one for name, one in found.items()})

        return replace(problem, grad=grad, label=label)

    def moved(params: Any) -> Any:
        """The same numbers, with another derivative."""
        blocks = dict(read(params))
        block_as = blocks[block]
        blocks[block] = block_as + size * (block_as - namespace(block_as).constant(block_as))
        return tree(blocks)

    elbo = _elbo(problem)
    return replace(problem, elbo=lambda params: elbo(moved(params)), subset=None, log_evidence=None, label=label)


def _elbo(problem: Problem) -> Callable[[Any], Any]:
    assert problem.elbo is not None
    return problem.elbo


def complex_step(value: Callable[[Params, Any], Array], params: Params) -> dict[str, np.ndarray]:
    """∂value/∂params by one complex step for each number; for NumPy code that continues to complex numbers."""
    arrays = {name: np.asarray(np.real(one), dtype=float) for name, one in params.items()}
    found = {name: np.zeros(one.shape) for name, one in arrays.items()}
    for name, one in arrays.items():
        for place in np.ndindex(one.shape):
            at = one.astype(complex)
            at[place] += 1j * STEP
            found[name][place] = np.imag(value({**arrays, name: at}, EVERY)) / STEP
    return found


def _value(target: CorrectTarget, term: str, size: float) -> Problem:
    problem, elbo = target.problem, _elbo(target.problem)
    factors = problem.factors
    assert factors is not None

    def wrong(params: Any) -> Any:
        more = size * term_of(factors(params), term)
        return elbo(params) + (float(more) if target.choice.library == "numpy-differences" else more)

    label = f"{problem.label}, {term} × (1 + {size:g})"
    return replace(problem, elbo=wrong, grad=None, subset=None, log_evidence=None, label=label)


def term_of(declaration: Declaration, term: str) -> Array:
    """E_q log p of a factor, or for "q" H[q], nats per datum."""
    declaration = declaration.resolved()
    weights = declaration.weights
    xp = namespace(weights).xp
    if term == "q":
        return xp.sum(declaration.data_weights * declaration.entropy)
    factor = next(one for one in declaration.factors if one.name == term)
    density = factor.distribution.log_density(factor.value)
    while density.ndim > 2:
        density = xp.sum(density, axis=-1)
    return factor.weight * xp.sum(declaration.data_weights[:, None] * weights * density)
