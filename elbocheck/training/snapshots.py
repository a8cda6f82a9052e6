"""The bound along training: F and S become equal while the gradient vanishes.

What is recorded of each parameter point is enough to draw it: the entropies that S is made of, the gap of every factor
and its prediction β·∇F + δ, and the bound ‖β‖·‖∇F‖ + rounding that |F − S − δ| must obey at every point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.problem import Problem
from elbocheck.solver import Start, StationaryPoint

MOST = 60
"""Most steps of a search that a report shows."""


@dataclass(frozen=True)
class Share:
    """What one factor contributes, its components summed, times its weight in the bound; nats per datum."""

    name: str
    """Of the factor."""

    entropy: float
    """E_q H[p_f], which S subtracts."""

    gap: float
    """E_q log p_f + `entropy`."""

    predicted: float
    """β·∇F + `delta`; NaN where no β exists."""

    delta: float
    """δ, and of a factor outside the theorem what takes the place of 0 there."""

    rounding: float = 0.0
    """Bound on the rounding error of `gap` − `predicted`."""

    @property
    def distance(self) -> float:
        """|gap − δ| = |β·∇F|: how far the factor is from being stationary along its β, in nats."""
        return abs(self.gap - self.delta)

    @property
    def holds(self) -> bool:
        """Whether gap = β·∇F + δ within rounding, as at every point; also where nothing is predicted."""
        return not abs(self.gap - self.predicted) > self.rounding


@dataclass(frozen=True)
class Snapshot:
    """The bound at one step of training; nats per datum."""

    step: int
    """Its number; 0 is the start."""

    elbo: float
    """F, as the code under test reports it."""

    entropy_q: float
    """H[q], times its weight in the bound."""

    factors: tuple[Share, ...]
    """One for each name."""

    gradient: float
    """‖∇F‖ over what is trained, in natural units of the parameters."""

    bound: float
    """‖β‖·‖∇F‖ + rounding, which |F − S − δ| must not exceed."""

    undeclared: float = 0.0
    """F minus the F of the declared distributions, 0 if that is within rounding."""

    @property
    def entropy_sum(self) -> float:
        """S = H[q] − Σ_f E_q H[p_f]."""
        return self.entropy_q - sum(share.entropy for share in self.factors)

    @property
    def delta(self) -> float:
        return sum(share.delta for share in self.factors)

    @property
    def gap(self) -> float:
        """F − S − δ, which vanishes at stationary points."""
        return self.elbo - self.entropy_sum - self.delta


@dataclass(frozen=True)
class PointRecord:
    """One point of the report's scatter; nats per datum."""

    kind: str
    """The inertia ("maximum", "saddle", …), or "control"."""

    gradient: float
    """‖∇F‖, in natural units of the parameters."""

    gap: float
    """|F − S − δ|, of a control |F − S|."""

    bound: float
    """`beta` · `gradient` + rounding."""

    beta: float
    """‖β‖ of the whole bound."""


def snapshot(decomposition: Decomposition, step: int = 0) -> Snapshot:
    """What a picture of training needs of one decomposition."""
    shares = []
    outside = {claim.factors[0]: claim.rest for claim in decomposition.claims if not claim.covered}
    for name in dict.fromkeys(term.name for term in decomposition.factors):
        own = [term for term in decomposition.factors if term.name == name]
        shares.append(
            Share(
                name,
                entropy=sum(term.weight * term.entropy for term in own),
                gap=sum(term.weight * term.gap for term in own),
                predicted=sum(np.nan if term.scaling.residual else term.weight * term.predicted for term in own),
                delta=sum(term.weight * term.delta for term in own) + outside.get(name, 0.0),
                rounding=sum(term.weight * term.rounding for term in own),
            )
        )
    undeclared = decomposition.elbo - decomposition.declared
    entropy_q = decomposition.entropy_weight * decomposition.entropy_q
    return Snapshot(
        step,
        decomposition.elbo,
        entropy_q,
        tuple(shares),
        decomposition.gradient_norm,
        decomposition.bound + decomposition.elbo_rounding,
        undeclared if abs(undeclared) > decomposition.elbo_rounding else 0.0,
    )


def record(decomposition: Decomposition, kind: str) -> PointRecord:
    """One verified point, or one control."""
    gap = decomposition.elbo - decomposition.entropy_sum - (0.0 if kind == "control" else decomposition.delta)
    bound = decomposition.bound + decomposition.elbo_rounding
    beta = float(np.linalg.norm(np.sum([term.weight * term.scaling.beta for term in decomposition.factors], axis=0)))
    return PointRecord(kind, decomposition.gradient_norm, abs(gap), bound, beta)


@dataclass
class Climb:
    """The steps of a search: where F rose or, once it is within rounding of its best, ‖∇F‖ fell.

    Called by the solver with every point it evaluates, `(vector, F, ‖∇F‖)`; trial points that it steps back from are
    left out.
    """

    vectors: list[np.ndarray] = field(default_factory=list)
    """Parameters (P,) of each step."""

    best: float = -np.inf
    """The highest F so far."""

    least: float = np.inf
    """‖∇F‖ of the last step."""

    def __call__(self, vector: np.ndarray, value: float, gradient: float) -> None:
        noise = 4 * np.finfo(float).eps * abs(value)
        rises, falls = value > self.best + noise, value >= self.best - noise and gradient < self.least
        if rises or falls:
            self.vectors.append(np.array(vector))
            self.best, self.least = max(value, self.best), gradient


@dataclass
class Climbs:
    """The climbs from all starts of a problem, by their labels; searches for saddles do not only climb."""

    found: dict[str, Climb] = field(default_factory=dict)
    """Label of the start -> its climb."""

    def __call__(self, start: Start) -> Climb:
        path = Climb()
        if not start.index:
            self.found[start.label] = path
        return path

    def best(self, points: Sequence[StationaryPoint]) -> Climb | None:
        """The highest of the climbs that ended at a certified point; None if there is none."""
        climbs = [self.found[point.origin] for point in points if point.certified and point.origin in self.found]
        return max(climbs, key=lambda path: path.best, default=None)


def along(problem: Problem, vectors: Iterable[np.ndarray], most: int = MOST) -> tuple[Snapshot, ...]:
    """Snapshots at the given parameter vectors, at most `most` of them, until ‖∇F‖ is no more than its rounding error.

    The first is among them and, if the gradient does not vanish, the last.
    """
    vectors, steps = list(vectors), list[Snapshot]()
    for step in np.unique(np.linspace(0, len(vectors) - 1, min(most, len(vectors))).round().astype(int)):
        decomposition = decompose(problem.at(vectors[step]))
        steps.append(snapshot(decomposition, int(step)))
        if decomposition.gradient_norm <= decomposition.gradient_rounding:
            break
    return tuple(steps)
