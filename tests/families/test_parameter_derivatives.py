"""Gradients and Hessians of every log density in its parameters, as JAX computes them, against the oracles.

Gradients by the complex step of the NumPy backend too, which knows no rule of differentiation.

`test_derivatives.py` has the relative accuracy at saturated logits, and masks.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from elbocheck.backends import get_backend
from elbocheck.backends.namespace import namespace
from support.compiled import jit
from support.oracles import CASES
from support.oracles.base import Case

TOLERANCE = 1e-13
DIGITS = 80
STEP = mp.mpf("1e-16")  # of central differences: truncation errors are of order STEP²
TINY = mp.mpf("1e-290")


def split(case: Case, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, known constants) of one member: what `with_natural_parameters` hands on is a constant."""
    fields = {field.name: getattr(case.distribution, field.name) for field in dataclasses.fields(case.distribution)}
    fields = {name: field[index] if np.ndim(field) else field for name, field in fields.items() if field is not None}
    member = case.family(**fields)
    other = member.with_natural_parameters(tuple(1.5 * eta for eta in member.natural_parameters()))
    known = {name: field for name, field in fields.items() if getattr(other, name) is field}
    return {name: np.asarray(field) for name, field in fields.items() if name not in known}, known


def exact_derivatives(case: Case, index: int, free: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Gradients (V, free) and Hessians (V, free, free) at all values, by central differences of the oracle."""
    parameters, known = split(case, index)
    flat, restore = ravel_pytree(parameters)
    start = [mp.mpf(float(x)) for x in flat]
    layout = {name: np.asarray(at, dtype=int) for name, at in restore(np.arange(len(flat), dtype=flat.dtype)).items()}
    steps = [abs(start[i]) * STEP for i in free]

    def densities(*moves: int) -> np.ndarray:
        """At the start, moved by a step in each of these parameters; by a step back in −1 − i."""
        moved = np.array(start, dtype=object)
        for at in moves:
            which = max(at, -1 - at)
            moved[free[which]] += steps[which] if at >= 0 else -steps[which]
        oracle = case.exact(case.family(**{name: moved[at] for name, at in layout.items()}, **known))
        return np.array([oracle.log_density(value)[0] for value in case.values[:, index]], dtype=object)

    count = range(len(free))
    here, forth, back = densities(), [densities(i) for i in count], [densities(-1 - i) for i in count]
    gradient = [(forth[i] - back[i]) / (2 * steps[i]) for i in count]
    curved = [forth[i] + back[i] - 2 * here for i in count]
    hessian = np.empty((len(case.values), len(free), len(free)), dtype=object)
    for i in count:
        hessian[:, i, i] = curved[i] / steps[i] ** 2
        for j in range(i):
            mixed = densities(i, j) + densities(-1 - i, -1 - j) - 2 * here - curved[i] - curved[j]
            hessian[:, i, j] = hessian[:, j, i] = mixed / (2 * steps[i] * steps[j])
    return np.stack(gradient, axis=-1), hessian


def jax_derivatives(case: Case, members: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same for every member, in all flattened parameters, compiled once."""

    def derivatives(parameters: Any, known: Any, value: Any) -> Any:
        flat, restore = ravel_pytree(parameters)

        def density(x: Any) -> Any:
            return case.family(**restore(x), **known).log_density(value)

        return jax.grad(density)(flat), jax.hessian(density)(flat)

    with jax.enable_x64(True):
        both = jit(jax.vmap(derivatives, in_axes=(None, None, 0)))
        results = [both(*split(case, index), case.values[:, index].astype(float)) for index in members]
        return [(np.asarray(gradient), np.asarray(hessian)) for gradient, hessian in results]


def complex_step_gradients(case: Case, index: int) -> np.ndarray:
    """Gradients (V, P) of one member at all its values."""
    parameters, known = split(case, index)
    start, restore = ravel_pytree(parameters)
    layout = {name: np.asarray(at, dtype=int) for name, at in restore(np.arange(start.size, dtype=start.dtype)).items()}

    def densities(vector: Any, fixed: Any) -> tuple[Any, Any]:
        picked = {name: vector[at.reshape(-1)].reshape(at.shape) for name, at in layout.items()}
        xp = namespace(vector).xp
        member = case.family(**picked, **known)
        value = xp.stack([member.log_density(xp.asarray(x)) for x in case.values[:, index].astype(float)])
        return value, value

    jacobian: np.ndarray = get_backend("numpy", "float64").jacobian(densities, "forward")(np.asarray(start), {})[0]
    return jacobian


@pytest.mark.parametrize("family", CASES)
def test_gradient_and_hessian_of_log_density(family: Any) -> None:
    """To 1e-13 of their scale.

    Scale of the gradient: its largest magnitude over the values, and the root of the Hessian's, which is its standard
    deviation. Scale of the Hessian: the same over the values, and the geometric mean of the diagonal elements.
    """
    case = CASES[family]
    members = sorted({index % case.values.shape[1] for index in case.differentiated})
    with jax.enable_x64(True), mp.workdps(DIGITS):
        for index, (gradient, hessian) in zip(members, jax_derivatives(case, members), strict=True):
            # zeros are structure, such as the upper triangle of a Cholesky factor, or have no relative step
            free = np.flatnonzero(np.asarray(ravel_pytree(split(case, index)[0])[0])).tolist()
            exact_gradient, exact_hessian = exact_derivatives(case, index, free)
            diagonal = np.abs(np.diagonal(exact_hessian, axis1=1, axis2=2)).max(0)
            roots = np.array([mp.sqrt(x) for x in diagonal], dtype=object)
            scale = np.abs(exact_gradient).max(0) + roots + TINY
            stepped = complex_step_gradients(case, index)
            for library, computed in (("JAX", gradient), ("complex step", stepped)):
                errors = np.abs(computed[:, free] - exact_gradient) / scale
                what = f"gradient of {family.__name__} by {library}, member {index}"
                assert errors.max() <= TOLERANCE, f"{what}: {errors.astype(float)}"
            scale = np.abs(exact_hessian).max(0) + np.outer(roots, roots) + TINY
            errors = np.abs(hessian[:, free][:, :, free] - exact_hessian) / scale
            assert errors.max() <= TOLERANCE, f"Hessian of {family.__name__}, member {index}: {errors.astype(float)}"
