"""The functions compiled from a bound, each on first use and once per shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from elbocheck.backends.base import Backend
from elbocheck.bound import Bound


@dataclass(frozen=True, eq=False)
class Program:
    """Compiled functions of the flat vector and the fixed arrays of one bound."""

    bound: Bound
    backend: Backend

    @cached_property
    def terms(self) -> Callable[..., Any]:
        """`-> ((N, P) Jacobian of the declared ELBO per datum, all terms)`, reverse mode."""
        return self.backend.jacobian(self.bound.per_datum, mode="reverse")

    @cached_property
    def derivatives(self) -> Callable[..., Any]:
        """`-> (F, ∇F, ∇²F)` of the value under test, forward over reverse mode."""
        return self.backend.value_gradient_hessian(self.bound.value, self.bound.layout.present)

    @cached_property
    def points(self) -> Callable[..., Any]:
        """`-> {latents}`: the points of q, to be held fixed in the criterion."""
        return self.backend.value(self.bound.held_points)

    @cached_property
    def natural_rows(self) -> Callable[..., Any]:
        """`-> (Jacobians, values)` of all natural parameters, forward mode."""
        return self.backend.jacobian(self.bound.natural_rows, mode="forward")
