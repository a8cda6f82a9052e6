"""The terms of one factor of a bound."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from elbocheck.outcome import Claim


@dataclass(frozen=True)
class Scaling:
    """β of one factor: the direction of parameters that multiplies its natural parameters."""

    beta: np.ndarray
    """(P,), in units of the parameters, free elements only; that of the family over the factor's weight."""

    norm: float
    """‖β‖."""

    covered: bool
    """Whether β moves free parameters only, so that stationarity implies gap = δ."""

    residual: float
    """Not 0 if no β scales all natural parameters of the factor, so that nothing is predicted."""


@dataclass(frozen=True)
class FactorTerms:
    """The terms of one factor, or of one component of it; nats per datum.

    `gap` = `log_density` + `entropy`; with a weight (R) reads gap = β·∇F / weight + δ.
    """

    name: str
    """Of the factor."""

    component: int | None
    """Which of its components; None for all of it."""

    log_density: float
    """E_q log p."""

    entropy: float
    """E_q H[p]."""

    pseudo_entropy: float
    """E_q H̃[p]."""

    log_base_measure: float
    """E_q log h."""

    delta: float
    """δ = E_q log h − E_q E_p log h."""

    predicted: float
    """β·∇F + δ."""

    magnitude: float
    """Σ|terms| that `rounding` is relative to, of the whole bound as ∇F is of it, and |β|·|∂F| datum by datum."""

    rounding: float
    """Bound on the rounding error of `gap` − `predicted`.

    A β that was solved for misses (R) by what it leaves of its system, Σ |(∂η/∂θ)β − η|·|T − ∇A|, at any condition.
    """

    scaling: Scaling
    """The direction that scales its natural parameters."""

    weight: float = 1.0
    """Declared multiple of these terms in the bound (annealing)."""

    @property
    def covered(self) -> bool:
        """Whether stationarity implies `gap` = `delta`."""
        return self.scaling.covered

    @property
    def gap(self) -> float:
        return self.log_density + self.entropy

    @property
    def residual(self) -> float:
        """gap − (β·∇F + δ): zero to rounding at every parameter point."""
        return self.gap - self.predicted

    @property
    def pseudo_gap(self) -> float:
        """E_q log p − E_q log h + E_q H̃: equals β·∇F for every base measure (THEORY section 2)."""
        return self.log_density - self.log_base_measure + self.pseudo_entropy

    @property
    def label(self) -> str:
        return self.name if self.component is None else f"{self.name}[{self.component}]"


@dataclass(frozen=True)
class ClaimAt(Claim):
    """A claim at a point."""

    beta: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(P,): its β, in units of the parameters, free elements only."""

    @property
    def plain(self) -> Claim:
        """The claim alone."""
        return Claim(self.factors, self.covered, self.reason, self.rest, self.rounding)
