"""Problem: one ELBO at one parameter point on one data set, ready to be checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from elbocheck.backends import get_backend
from elbocheck.backends.base import Backend
from elbocheck.bound import Bound
from elbocheck.errors import InputError
from elbocheck.factors import Declaration
from elbocheck.parameters import Layout
from elbocheck.program import Program


@dataclass(frozen=True, eq=False)
class Start:
    """Where and how a search for a stationary point begins.

    `index`: number of Hessian eigenvalues that should be positive at its end (0: a maximum). `held`: boolean (P,),
    elements kept fixed in a first stage (redundant latents), so that the second starts next to a saddle. `missing`:
    only wanted while no "point", or no "saddle", has been certified by the starts before it. `limit`: most
    evaluations of a stage. `optimum(vector) -> vector` with `eliminated` (P,): the elements of q that have a
    closed-form optimum given all others; the search then moves the others alone, on the profile of the bound.
    """

    label: str
    vector: np.ndarray
    index: int = 0
    held: np.ndarray | bool = False
    missing: Literal["", "point", "saddle"] = ""
    limit: int = 80
    optimum: Callable[[np.ndarray], np.ndarray] | None = None
    eliminated: np.ndarray | bool = False


@dataclass(frozen=True, eq=False)
class Problem:
    """One bound with its parameters.

    `params`: name -> array, in a chart without constraints.
    `elbo(params) -> scalar`: the value under test, nats per datum; None recomputes it from `factors`.
    `factors(params) -> Declaration`: the distributions that the bound is made of, at given parameters.
    `free`: name -> boolean array (or bool): what training moves; default everything.
    `units`: name -> positive array: natural unit of each element, so that gradients and steps do not depend on the
    units of the data; default 1.
    `log_evidence`: (1/N) log p(x), where known, in nats per datum.
    `starts`: where searches for stationary points begin; default one ascent from `params`.
    `label`: what the problem is, for messages. Problems of the catalogue carry their compiled `program` and `fixed`
    arrays, which all problems of one cell share.
    Raises `InputError` for parameters that are not finite.
    """

    params: Mapping[str, np.ndarray]
    elbo: Callable[[Mapping[str, Any]], Any] | None = None
    factors: Callable[[Mapping[str, Any]], Declaration] | None = None
    log_evidence: float | None = None
    free: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, Any] = field(default_factory=dict)
    label: str = "problem"
    fixed: Mapping[str, np.ndarray] = field(default_factory=dict)
    shared_program: Program | None = None
    starts: tuple[Start, ...] = ()

    def __post_init__(self) -> None:
        for name, value in self.params.items():
            if not np.all(np.isfinite(value)):
                raise InputError(f"{self.label}: parameter {name!r} is not finite: {np.asarray(value)}")
        if self.factors is None and self.shared_program is None:
            raise InputError(f"{self.label}: `factors` is missing; give a function params -> Declaration")

    @cached_property
    def program(self) -> Program:
        if self.shared_program is not None:
            return self.shared_program
        elbo, factors = self.elbo, self.factors
        assert factors is not None
        bound = Bound(
            layout=Layout.of(self.params),
            declare=lambda params, fixed: factors(params),
            elbo=None if elbo is None else lambda params, fixed: elbo(params),
        )
        return Program(bound, get_backend())

    @property
    def layout(self) -> Layout:
        return self.program.bound.layout

    @cached_property
    def vector(self) -> np.ndarray:
        """The parameters as one vector (P,)."""
        return self.layout.pack(self.params)

    @cached_property
    def free_mask(self) -> np.ndarray:
        """Boolean (P,): the elements that training moves."""
        everything = {name: np.ones(shape) for name, shape in zip(self.layout.names, self.layout.shapes, strict=True)}
        return self.layout.pack({**everything, **self.free}) > 0

    @cached_property
    def unit_vector(self) -> np.ndarray:
        """Natural units (P,)."""
        ones = {name: np.ones(shape) for name, shape in zip(self.layout.names, self.layout.shapes, strict=True)}
        return self.layout.pack({**ones, **self.units})

    def gradient(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """(F, ∇F (P,)) of the value under test."""
        gradient, value = self.program.gradient(vector, self.fixed)
        return float(value), gradient

    def free_gradient(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """The same with ∇F 0 in elements that no one trains, for which no time is spent where every one costs some."""
        if self.program.backend.padded:
            return self.gradient(vector)
        slopes, value = self._slopes(np.zeros(int(self.free_mask.sum())), {"base": vector, "fixed": self.fixed})
        gradient = np.zeros(vector.shape)
        gradient[self.free_mask] = slopes
        return float(value), gradient

    def derivatives(self, vector: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """(F, ∇F (P,), ∇²F (P, P)) of the value under test; the Hessian's rows of elements that no one trains are 0."""
        units = 2.0 ** np.round(np.log2(self.unit_vector))  # powers of two: neither steps nor scaling round
        inputs = {"base": vector, "units": units, "fixed": self.fixed}
        value, gradient, hessian = self._derivatives(np.zeros(vector.shape), inputs)
        return float(value), gradient / units, hessian / (units * units[:, None])

    @cached_property
    def _slopes(self) -> Callable[..., Any]:
        return self.program.slopes_along(np.flatnonzero(self.free_mask))

    @cached_property
    def _derivatives(self) -> Callable[..., Any]:
        program = self.program
        if program.backend.padded:  # one compiled program for all problems, with all columns any of them may need
            return program.derivatives
        return program.derivatives_along(np.flatnonzero(self.free_mask))

    def on(self, backend: Backend) -> Problem:
        """The same problem, data and parameters padded as here, computed by another backend."""
        return replace(self, shared_program=self.program.on(backend))

    def at(self, vector: np.ndarray) -> Problem:
        """The same problem at other parameters."""
        params = {name: np.array(value) for name, value in self.layout.unpack(np.asarray(vector)).items()}
        return replace(self, params=params, shared_program=self.program)

    def in_chart(self, chart: Callable[[Any], Any], inverse: Callable[[np.ndarray], np.ndarray]) -> Problem:
        """The same problem over ϑ, where θ = chart(ϑ) acts on flat vectors of any array library."""
        program = Program(self.program.bound.in_chart(chart), self.program.backend)
        params = {name: np.array(value) for name, value in self.layout.unpack(inverse(self.vector)).items()}
        return replace(self, params=params, units={}, shared_program=program, starts=())
