"""One reading of a point: value, gradient and terms of the reported and of the declared bound, for two reverse passes.

F and g = ∇F of the code under test, F, d = ∇F and every term of the declaration. Everything that the gate says is
arithmetic on these (THEORY sections 9 to 11). No Jacobian is formed: where gradients are dear (black boxes of NumPy)
slopes are taken along the few directions that are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from elbocheck.bound.compiled import SKETCHES
from elbocheck.bound.problem import Problem
from elbocheck.errors import TargetError, TimeoutExceeded

WIGGLES, SAFETY = (4.0, 4.0, 4.0, 64.0, 64.0, 64.0, 1024.0, 1024.0, 1024.0), 8.0
"""Noise is measured at points so many eps beside the parameters, and multiplied by this (THEORY section 11; J. J. Moré
and S. M. Wild, SIAM J. Sci. Comput. 33, 2011). Code with a cut-off has noise in steps, which near
points may not show."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What is computed at one point; nats per datum."""

    problem: Problem
    """The problem, at the point."""

    elbo: float
    """F of the code under test."""

    gradient: np.ndarray | None
    """g = ∇F (P,) of the code under test; None where derivatives are taken along directions only."""

    declared: float
    """F of the declaration."""

    slope: np.ndarray | None
    """d = ∇F (P,) of the declaration; None as above."""

    terms: Mapping[str, Any]
    """See `Bound.declared`."""

    held: bool = False
    """Whether the code under test holds q while it differentiates, and so does then d."""

    _slopes: dict[Any, tuple[float, float]] = field(default_factory=dict)
    """Direction -> its slopes, so that each is computed once."""

    @property
    def finite(self) -> bool:
        gradients = [one for one in (self.gradient, self.slope) if one is not None]
        return bool(np.isfinite([self.elbo, self.declared]).all() and all(np.isfinite(one).all() for one in gradients))

    @property
    def deviation(self) -> float:
        """|F reported − F declared|; of a bound that may lie below, only what it lies above."""
        excess = self.elbo - self.declared
        return max(excess, 0.0) if at_most(self.problem) else abs(excess)

    @property
    def data_weights(self) -> np.ndarray:
        return np.asarray(self.terms["data_weights"])

    @cached_property
    def constant(self) -> float:
        """c·eps of the rounding bound c·eps·Σ|terms|."""
        return rounding_constant(self.terms) * self.problem.compiled.backend.eps

    @cached_property
    def scale(self) -> float:
        """Σ|terms| without what cancels inside a density: cheap, and at most the `full_scale`."""
        return self._with_entropy(sum(float(one["size"].sum()) for one in self.terms["factors"].values()))

    @cached_property
    def full_scale(self) -> float:
        """Σ|terms|, and at least 1: code makes the log probability of what is certain from numbers of order one."""
        found = self.problem.compiled.magnitudes(self.problem.vector, self.problem.fixed)
        return max(self._with_entropy(sum(float(np.sum(one)) for one in found.values())), self.scale, 1.0)

    def _with_entropy(self, scale: float) -> float:
        return scale + float(self.data_weights @ np.abs(self.terms["entropy"]))

    def scale_at(self, thorough: bool) -> float:
        return self.full_scale if thorough else self.scale

    def along(self, direction: np.ndarray, declared: bool = True) -> tuple[float, float]:
        """(∂F along a direction in units of the parameters, error beyond rounding), of the declared or reported F."""
        gradient = self.slope if declared else self.gradient
        if gradient is not None:
            return float(gradient @ direction), 0.0
        key = (declared, direction.tobytes())
        if key not in self._slopes:
            run: Any = self.problem.compiled.slope(declared)
            found = float(run(self.problem.vector, self.problem.fixed, direction))
            self._slopes[key] = found, float(run.error)
        return self._slopes[key]

    def absolute(self, direction: np.ndarray, thorough: bool) -> float:
        """Σ|terms| of a slope: |v|·|d|, or, `thorough`, Σ_n |w_n ∂F_n| along |v|, estimated from random signs."""
        if self.slope is None:
            quick = abs(self.along(direction)[0])
            return max(quick, self._signed_along(direction)) if thorough else quick
        quick = float(np.abs(direction) @ np.abs(self.slope))
        return max(quick, float(np.abs(direction) @ self.sketch)) if thorough else quick

    @cached_property
    def sketch(self) -> np.ndarray:
        """Σ_n |w_n ∂F_n| (P,) ≤ √N · √Σ_n (w_n ∂F_n)², whose estimate from few signs may be a quarter of it."""
        compiled, problem = self.problem.compiled, self.problem
        rows = [compiled.signed(problem.vector, {"fixed": problem.fixed, "signs": signs})[1] for signs in self._signs]
        return np.asarray(4.0 * np.sqrt(len(self.data_weights) * np.mean(np.square(rows), axis=0)))

    @property
    def _signs(self) -> np.ndarray:
        return np.random.default_rng(0).choice([-1.0, 1.0], size=(SKETCHES, len(self.data_weights)))

    def _signed_along(self, direction: np.ndarray) -> float:
        problem = self.problem
        rows = [
            float(problem.compiled.signed_slope(problem.vector, {"fixed": problem.fixed, "signs": signs}, direction))
            for signs in self._signs
        ]
        return 4.0 * float(np.sqrt(len(self.data_weights) * np.mean(np.square(rows))))

    @cached_property
    def beside(self) -> list[Reading]:
        """Readings a few roundings beside this point: what they differ by is noise (THEORY section 11)."""
        return [one for one in map(read, a_few_roundings_away(self.problem)) if one.finite]

    def _noise(self, of: Callable[[Reading, bool], Any]) -> Any:
        """Spread of a number of both sides at the nearest points, and of their difference, in which what the
        parameters do to both cancels, at all."""
        near = [self, *self.beside[: WIGGLES.count(WIGGLES[0])]]
        sides = [np.ptp([of(one, side) for one in near], axis=0) for side in (False, True)]
        apart = np.ptp([of(one, False) - of(one, True) for one in (self, *self.beside)], axis=0)
        return SAFETY * (sides[0] + sides[1] + apart)

    @cached_property
    def value_noise(self) -> float:
        """The noise of F, reported and declared, nats per datum."""
        return float(self._noise(lambda one, declared: one.declared if declared else one.elbo))

    @cached_property
    def gradient_noise(self) -> np.ndarray:
        """The noise of every element of g and d (P,)."""
        return np.asarray(self._noise(lambda one, declared: one.slope if declared else one.gradient))

    def noise_along(self, direction: np.ndarray) -> float:
        """The noise of the slopes along a direction."""
        if self.slope is not None:
            return float(np.abs(direction) @ self.gradient_noise)
        return float(self._noise(lambda one, declared: one.along(direction, declared)[0]))


def a_few_roundings_away(problem: Problem) -> list[Problem]:
    """The problem at points beside its own: what differs between them is noise."""
    rng, vector = np.random.default_rng(0), problem.vector
    spread = problem.compiled.backend.eps * np.abs(vector)
    return [problem.at(vector + times * spread * rng.choice([-1.0, 1.0], size=vector.size)) for times in WIGGLES]


def at_most(problem: Problem) -> bool:
    """Whether the declaration says that the reported bound may lie below it."""
    read(problem)
    return problem.compiled.seen.at_most


def read(problem: Problem) -> Reading:
    """The reading at the problem's own parameters, taken once."""
    if "reading" not in problem.memory:
        compiled = problem.compiled
        declared, slope, terms = compiled.declared(problem.vector, problem.fixed)
        elbo, gradient = declared, slope
        if compiled.bound.elbo is not None:
            elbo, gradient, _ = compiled.reported(problem.vector, problem.fixed)
        reading = Reading(problem, float(elbo), gradient, float(declared), slope, terms)
        problem.memory["reading"] = _with_q_held(reading) or reading
    found: Reading = problem.memory["reading"]
    return found


def read_beside(problem: Problem) -> list[Reading]:
    """Readings at the points beside the problem's own, as far as they lie in the domain of the code."""
    if "beside" not in problem.memory:
        problem.memory["beside"] = readings(problem.beside)
    found: list[Reading] = problem.memory["beside"]
    return found


def readings(problems: Iterable[Problem]) -> list[Reading]:
    """Readings of those problems that the code can be run on."""
    found = []
    for one in problems:
        try:
            found.append(read(one))
        except TimeoutExceeded:
            raise
        except TargetError:
            continue
    return found


def natural_size(problem: Problem, least: float = 0.1) -> np.ndarray:
    """What counts as a change of order one of each parameter (P,): itself, or a tenth of what its block has.

    `least`: that share; with 0 only what is 0 counts by its block, since a step must not leave what is small.
    """
    size = np.abs(problem.vector)
    for where in problem.layout.slices.values():
        own = size[where]
        typical = float(np.sqrt(np.mean(np.square(own)))) if own.size else 0.0
        size[where] = np.where(own > least * typical, own, (least or 1.0) * typical)
        if not typical:
            size[where] = problem.unit_vector[where]
    return size


def _with_q_held(reading: Reading) -> Reading | None:
    """The reading with d taken while q is held, if that is what the code under test does, and q has no parameters.

    EM differentiates that way, with `stop_gradient` or detached responsibilities. An encoder whose sample is detached
    has elements that only q moves with: then it is a fault, and d stays what it is.
    """
    problem, g, d = reading.problem, reading.gradient, reading.slope
    if g is None or d is None or g is d or not reading.finite:
        return None
    if not abs(reading.elbo - reading.declared) <= 1e-9 * reading.scale:
        return None
    if problem.plain_units and np.abs(g - d).max(initial=0.0) <= reading.constant * reading.scale:
        return None  # as almost always, and cheap to see
    size, free = natural_size(problem), problem.free_mask
    within = 1e3 * reading.constant * (np.abs(size * d) + reading.scale)
    if np.all((np.abs(size * (g - d)) <= within) | ~free):
        return None
    slope = held_slope(reading, g)
    return None if slope is None else replace(reading, slope=slope, held=True)


def held_slope(reading: Reading, gradient: np.ndarray) -> np.ndarray | None:
    """d (P,) with q held, if a gradient is that; None if it is not, or if there are elements that only q moves with."""
    problem, d = reading.problem, reading.slope
    assert d is not None
    size, free = natural_size(problem), problem.free_mask
    within = 1e3 * reading.constant * (np.abs(size * d) + reading.scale)
    slope = np.asarray(problem.compiled.held(problem.vector, problem.fixed)[1])
    same = np.abs(size * (gradient - slope)) <= within
    moves_q_alone = (slope == 0.0) & (np.abs(size * d) > within)
    if not np.all(np.isfinite(slope)) or not np.all(same | ~free) or np.any(moves_q_alone & free):
        return None
    return slope


def rounding_constant(terms: Mapping[str, Any]) -> float:
    """Multiple c of eps in the rounding bound c·eps·Σ|terms|.

    16 for the few roundings inside one term (elementary functions and products), plus 3√n for a sum of n terms: with
    unit roundoff eps/2 this is λ = 6 in the probabilistic bound λ√n·u of Higham and Mary (SIAM J. Sci. Comput. 41,
    2019), exceeded with probability below 4e-8.
    """
    summands = max((float(term["summands"]) for term in terms["factors"].values()), default=1.0)
    return 16.0 + 3.0 * float(np.sqrt(summands))
