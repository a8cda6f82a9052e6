"""The functions compiled from a bound, each on first use and once per shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from elbocheck.backends.base import Backend, Function
from elbocheck.backends.namespace import namespace
from elbocheck.bound import Bound

SKETCHES = 4
"""Random signs of the data that stand for derivatives datum by datum."""


@dataclass(frozen=True, eq=False)
class Program:
    """Compiled functions of the flat vector and the fixed arrays of one bound."""

    bound: Bound
    backend: Backend
    _elsewhere: dict[Backend, Program] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._elsewhere[self.backend] = self

    def on(self, backend: Backend) -> Program:
        """The same bound compiled by another backend, once."""
        if backend not in self._elsewhere:
            self._elsewhere[backend] = Program(self.bound, backend, self._elsewhere)
        return self._elsewhere[backend]

    @cached_property
    def terms(self) -> Callable[..., Any]:
        """`-> ((N, P) Jacobian of the declared ELBO per datum, all terms)`, reverse mode."""
        return self.backend.jacobian(self.bound.per_datum, mode="reverse")

    @cached_property
    def sketch(self) -> Callable[..., Any]:
        """`-> ((1 + SKETCHES, P) Jacobian, all terms)`: of Σ_n w_n F_n, and of Σ_n ± w_n F_n with random signs.

        The mean square of the latter estimates Σ_n (w_n ∂F_n)² at the cost of a few gradients, where `terms` takes one
        for every datum.
        """

        def sums(vector: Any, fixed: Any) -> tuple[Any, Any]:
            elbo, terms = self.bound.per_datum(vector, fixed)
            xp = namespace(elbo).xp
            signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(SKETCHES, elbo.shape[0]))
            rows = xp.asarray(np.concatenate([np.ones((1, elbo.shape[0])), signs]), dtype=elbo.dtype)
            return xp.matmul(rows, (terms["data_weights"] * elbo)[:, None])[:, 0], terms

        return self.backend.jacobian(sums, mode="reverse")

    @cached_property
    def value(self) -> Callable[..., Any]:
        """`-> F`, the value under test."""
        return self.backend.value(self.bound.value)

    @cached_property
    def gradient(self) -> Callable[..., Any]:
        """`-> (∇F, F)` of the value under test, reverse mode."""
        return self.backend.jacobian(twice(self.bound.value), mode="reverse")

    def slopes_along(self, columns: np.ndarray) -> Callable[..., Any]:
        """`-> (∂F/∂θ of some elements, F)` in their displacement from a base, at 0; compiled anew."""
        basis = np.eye(self.bound.layout.size, dtype=self.backend.dtype)[:, columns]

        def value(displacement: Any, inputs: Mapping[str, Any]) -> Any:
            xp = namespace(displacement).xp
            moved = xp.matmul(xp.asarray(basis), displacement[:, None])[:, 0]
            return self.bound.value(inputs["base"] + moved, inputs["fixed"])

        return self.backend.jacobian(twice(value), mode="reverse")

    @cached_property
    def derivatives(self) -> Callable[..., Any]:
        """`-> (F, ∇F, ∇²F)` of the value under test, forward over reverse mode, see `displaced`."""
        return self.derivatives_along(self.bound.layout.present)

    def derivatives_along(self, columns: np.ndarray) -> Callable[..., Any]:
        """The same with the Hessian in some elements only, zero elsewhere; compiled anew."""
        return self.backend.value_gradient_hessian(self.displaced, columns)

    def displaced(self, displacement: Any, inputs: Mapping[str, Any]) -> Any:
        """The value under test at base + displacement · units: the functions above differentiate it at 0."""
        return self.bound.value(inputs["base"] + displacement * inputs["units"], inputs["fixed"])

    @cached_property
    def leverages(self) -> Callable[..., Any]:
        """`-> {factor: (R,)}`: what an error in each natural parameter does to the gap."""
        return self.backend.value(self.bound.leverages)

    @cached_property
    def points(self) -> Callable[..., Any]:
        """`-> {latents}`: the points of q, to be held fixed in the criterion."""
        return self.backend.value(self.bound.held_points)

    @cached_property
    def natural_rows(self) -> Callable[..., Any]:
        """`-> (Jacobians, values)` of all natural parameters, forward mode."""
        return self.backend.jacobian(self.bound.natural_rows, mode="forward")


def twice(function: Function) -> Function:
    """The function's value as what to differentiate, and as an auxiliary result."""

    def both(*arguments: Any) -> tuple[Any, Any]:
        value = function(*arguments)
        return value, value

    return both
