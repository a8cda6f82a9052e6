"""The checks `every point` and `stationary` of many problems at once: the same deviations, bounds and verdicts.

What is violated here has no message and no measured noise yet: whoever asks repeats it one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elbocheck.checks.every_point import NAME as EVERY_POINT
from elbocheck.checks.stationary import NAME as STATIONARY
from elbocheck.outcome import Outcome, Result
from elbocheck.solver.batched_certificate import Certificates, Decompositions


@dataclass(frozen=True, eq=False)
class LaneDeviation:
    """A number of each lane that must not exceed its bound, nats per datum, see `compare.Deviation`: (L,) arrays."""

    size: np.ndarray
    """Absolute value of what should be 0."""
    bound: np.ndarray
    """Computed."""
    scale: np.ndarray
    """Σ|terms| behind it; 0 where no relative size makes sense."""
    judged: np.ndarray
    """Boolean: where it is to be judged."""


def every_point_lanes(terms: Decompositions, labels: Sequence[str]) -> list[Result]:
    """(R) with the true and with the pseudo-entropies, for every lane."""
    everywhere, nothing = np.ones(len(labels), dtype=bool), np.zeros(len(labels))
    deviations = [
        LaneDeviation(np.abs(left - term.slope), term.rounding, term.magnitude, everywhere)
        for term in terms.terms
        for left in (term.gap - term.delta, term.pseudo_gap)
    ]
    deviations.append(LaneDeviation(np.abs(terms.elbo - terms.declared), terms.elbo_rounding, nothing, everywhere))
    return judge_lanes(EVERY_POINT, labels, deviations, terms.gradient_norm)


def stationary_lanes(found: Certificates, labels: Sequence[str]) -> list[Result | None]:
    """|gap − δ| ≤ ‖β‖·‖∇F‖ + rounding, per factor, component and in total; None where the point is not certified."""
    terms = found.decompositions
    with np.errstate(all="ignore"):
        deviations = [
            LaneDeviation(np.abs(one.gap - one.delta), terms.factor_bound(one), one.magnitude, one.covered)
            for one in terms.terms
        ]
        total = np.abs(terms.elbo - terms.entropy_sum - terms.delta)
        size = np.sum([one.magnitude for one in terms.terms], axis=0)
        covered = np.all([one.covered for one in terms.terms], axis=0)
        deviations.append(LaneDeviation(total, terms.bound + terms.elbo_rounding, size, covered))
    kinds = [(one.kind,) for one in found.inertia]
    results = judge_lanes(STATIONARY, labels, deviations, terms.gradient_norm, kinds)
    return [result if sure else None for result, sure in zip(results, found.certified, strict=True)]


def judge_lanes(
    check: str,
    labels: Sequence[str],
    deviations: Sequence[LaneDeviation],
    gradient_norm: np.ndarray,
    kinds: Sequence[tuple[str, ...]] = (),
) -> list[Result]:
    """`compare.judge`, lane by lane; `out of scope` where nothing is to be judged."""
    size, bound, scale, judged = (
        np.stack([getattr(one, name) for one in deviations]) for name in ("size", "bound", "scale", "judged")
    )
    with np.errstate(all="ignore"):
        ratio = np.where(bound > 0.0, size / np.where(bound > 0.0, bound, 1.0), np.where(size == 0.0, 0.0, np.inf))
        excess = np.where(np.isfinite(size), ratio, np.inf)
        relative = np.where((scale > 0.0) & judged & np.isfinite(bound), size / np.where(scale > 0.0, scale, 1.0), 0.0)
    bounded = judged & np.isfinite(bound)
    broken = np.any(bounded & ~(excess <= 1.0), axis=0)
    unbounded = np.any(judged & ~np.isfinite(bound), axis=0)
    worst = np.argmax(np.where(bounded, excess, -1.0), axis=0)
    lanes = np.arange(size.shape[1])
    some = np.any(bounded, axis=0)
    gap, own = np.where(some, size[worst, lanes], 0.0), np.where(some, bound[worst, lanes], 0.0)
    power = np.max(np.where(bounded, bound, 0.0), axis=0)
    results = []
    for lane in range(len(lanes)):
        outcome, points = Outcome.HOLDS, 1
        if not np.any(judged[:, lane]):
            outcome, points = Outcome.OUT_OF_SCOPE, 0
        elif broken[lane]:
            outcome = Outcome.VIOLATED
        elif unbounded[lane]:
            outcome, points = Outcome.INCONCLUSIVE, 0
        results.append(
            Result(
                check,
                labels[lane],
                outcome,
                gap=float(gap[lane]),
                bound=float(own[lane]),
                relative=float(relative[:, lane].max()),
                points=points,
                kinds=kinds[lane] if kinds and points else (),
                gradient_norm=float(gradient_norm[lane]),
                power=float(power[lane]),
            )
        )
    return results
