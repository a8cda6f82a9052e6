"""What is computed of one problem in ball arithmetic: intervals that contain the true values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbocheck.errors import MissingExtraError, NotRigorousError

try:
    from flint import arb, ctx
except ModuleNotFoundError as error:
    raise MissingExtraError("a certificate needs python-flint", "certify") from error

from elbocheck.backends.balls.arrays import Balls, Objects, boxed, objects
from elbocheck.backends.balls.backend import BallBackend
from elbocheck.bound import functions
from elbocheck.bound.problem import Problem
from elbocheck.models.base import Symmetries


@dataclass(frozen=True)
class Enclosure:
    """An interval that contains a true value."""

    text: str
    """In decimals, with forty digits at most."""

    middle: float
    """As a float."""

    radius: float
    """So that `middle` ± `radius`, two floats, contain it; infinite where nothing is known."""

    contains_zero: bool
    """Of the ball itself, which may be narrower than any float."""

    @classmethod
    def of(cls, ball: arb) -> Enclosure:
        """From a ball, with the rounding of its midpoint added to the radius."""
        middle, radius = float(ball.mid()), np.inf
        if ball.is_finite() and np.isfinite(middle):
            apart = ball - arb(middle)
            radius = 0.0 if apart.is_zero() else float(np.nextafter(float(apart.abs_upper()), np.inf))
        return cls(ball.str(40), middle, radius, bool(ball.contains(0)))

    @property
    def size(self) -> float:
        """No value in the interval is larger."""
        return float(np.nextafter(abs(self.middle) + self.radius, np.inf))


@dataclass(frozen=True)
class Residual:
    """gap − (β·∇F + δ) of one factor, or of one component of it, enclosed: contains 0 where the identity holds."""

    factor: str
    """Its name."""

    component: int | None
    """None where the factor has one β for all."""

    residual: Enclosure
    """The difference itself, nats per datum."""

    gap: Enclosure
    """E_q log p + E_q H[p], beside which it is small; nats per datum."""

    @property
    def holds(self) -> bool:
        return self.residual.contains_zero

    @property
    def label(self) -> str:
        return self.factor if self.component is None else f"{self.factor}[{self.component}]"


@dataclass(frozen=True, eq=False)
class Enclosures:
    """The functions of one problem in ball arithmetic; vectors are NumPy arrays of numbers, or of balls."""

    problem: Problem
    """Whose functions are computed."""

    bits: int = 192
    """Of the midpoints."""

    @property
    def backend(self) -> BallBackend:
        return BallBackend(self.bits)

    def elbo(self, vector: Any) -> arb:
        """F, nats per datum."""
        return self.backend.value(self.problem.compiled.of(functions.value))(vector, self.problem.fixed)[()]

    def gradient(self, vector: Any, columns: np.ndarray | None = None) -> Objects:
        """∇F along `columns`, by default (P,)."""
        columns = np.arange(self.problem.vector.size) if columns is None else columns
        return self.backend.gradient(self.problem.compiled.of(functions.value), columns)(vector, self.problem.fixed)[1]

    def hessian(self, vector: Any, columns: np.ndarray) -> Objects:
        """∇²F along `columns`."""
        value = self.problem.compiled.of(functions.value)
        return self.backend.value_gradient_hessian(value, columns)(vector, self.problem.fixed)[2]

    def tangents(self, symmetries: Symmetries, vector: Any) -> Objects:
        """Tangents T (R, P) of declared symmetries."""
        layout = self.problem.layout

        def rows(vector: Balls, fixed: Any) -> Any:
            return [[tangent.get(name, None) for name in layout.names] for tangent in symmetries(layout.unpack(vector))]

        found = self.backend.value(rows)(vector, self.problem.fixed)
        sizes = [int(np.prod(shape)) for shape in layout.shapes]
        packed = [
            np.concatenate(
                [
                    objects(np.zeros(n)) if block is None else objects(block).reshape(-1)
                    for block, n in zip(row, sizes, strict=True)
                ]
            )
            for row in found
        ]
        return np.array(packed, dtype=object).reshape((len(found), layout.size))

    def residuals(self, vector: Any) -> tuple[Residual, ...]:
        """gap − (β·∇F + δ) of every factor and component; raises `NotRigorousError` where β has no closed form."""
        _, terms = self.backend.value(self.problem.compiled.of(functions.per_datum))(vector, self.problem.fixed)
        weights, found = terms["data_weights"], []
        slope = self.gradient(vector)
        with ctx.workprec(self.bits):
            for name, term in terms["factors"].items():
                if "beta" not in term:
                    raise NotRigorousError(f"factor {name!r} has no β in closed form: its identity is not enclosed")
                gaps, deltas = gap_and_delta(term, weights)
                beta = term["beta"]
                for group, row in enumerate(beta):
                    predicted = boxed(row @ slope)[()] + deltas[group]
                    found.append(
                        Residual(
                            name,
                            group if len(beta) > 1 else None,
                            Enclosure.of(gaps[group] - predicted),
                            Enclosure.of(gaps[group]),
                        )
                    )
        return tuple(found)

    def gap(self, vector: Any) -> tuple[arb, arb]:
        """(F − S − δ, F), nats per datum."""
        elbo, terms = self.backend.value(self.problem.compiled.of(functions.per_datum))(vector, self.problem.fixed)
        with ctx.workprec(self.bits):
            total = arb(0)
            for term in terms["factors"].values():
                gaps, deltas = gap_and_delta(term, terms["data_weights"])
                total += (gaps - deltas).sum()
            return total, (terms["data_weights"] * elbo).sum()


def gap_and_delta(term: Mapping[str, Objects], weights: Objects) -> tuple[Objects, Objects]:
    """(gap, δ) of a factor's components (G,), from its terms per datum."""
    return (
        weights @ (term["log_density"] + term["entropy"]),
        weights @ (term["log_base_measure"] - term["expected_log_base_measure"]),
    )
