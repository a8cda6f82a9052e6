"""The certificate of many points at once: all terms of the bound, and the spectrum of its Hessian, recomputed.

Two programs of their own, which share nothing with the search but the bound: the terms with the gradient datum by
datum in reverse mode, as `decompose` takes them, and the Hessian of the declared bound. What follows is the arithmetic
of `decomposition` and `certificate`, line by line, over a leading axis of lanes; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from elbocheck.bound import functions
from elbocheck.bound.compiled import Compiled
from elbocheck.bound.decomposition import FACTOR_TERMS
from elbocheck.bound.definition import Bound
from elbocheck.solver.batched import Cohort, Ends, widths
from elbocheck.solver.certificate import Inertia, located, reason_of
from elbocheck.solver.lanes import filled


@dataclass(frozen=True, eq=False)
class LaneTerms:
    """The terms of one factor, or of one component, at the points of all lanes: (L,) arrays, as `FactorTerms`."""

    label: str
    """Of the factor, with the number of the component if there are several."""
    gap: np.ndarray
    """E_q log p + E_q H[p]."""
    pseudo_gap: np.ndarray
    """The same with the pseudo-entropy, without E_q log h."""
    delta: np.ndarray
    """E_q log h − E_q E_p log h."""
    slope: np.ndarray
    """β·∇F."""
    magnitude: np.ndarray
    """Σ|terms|."""
    rounding: np.ndarray
    """Bound on the rounding error of gap − δ − β·∇F."""
    beta: np.ndarray
    """(L, P): in units of the parameters, free elements only."""
    norm: np.ndarray
    """Its length."""
    covered: np.ndarray
    """Boolean: whether β moves free parameters only."""
    weight: np.ndarray
    """Declared multiple."""


@dataclass(frozen=True, eq=False)
class Decompositions:
    """All terms at the points of all lanes, as `Decomposition`: (L,) arrays."""

    elbo: np.ndarray
    """F."""
    declared: np.ndarray
    """H[q] + Σ_f E_q log p_f."""
    entropy_sum: np.ndarray
    """S."""
    terms: tuple[LaneTerms, ...]
    """Of every factor and component."""
    gradient: np.ndarray
    """∇F (L, P) in units of the parameters, free elements only."""
    gradient_rounding: np.ndarray
    """Bound on the rounding error of its length."""
    elbo_rounding: np.ndarray
    """Bound on that of F."""

    @cached_property
    def gradient_norm(self) -> np.ndarray:
        return np.linalg.norm(self.gradient, axis=1)

    @cached_property
    def delta(self) -> np.ndarray:
        return np.sum([term.weight * term.delta for term in self.terms], axis=0)

    @cached_property
    def bound(self) -> np.ndarray:
        """‖β‖·‖∇F‖ + rounding, for the total gap."""
        beta = np.sum([term.weight[:, None] * term.beta for term in self.terms], axis=0)
        rounding = np.sum([term.weight * term.rounding for term in self.terms], axis=0)
        return np.linalg.norm(beta, axis=1) * (self.gradient_norm + self.gradient_rounding) + rounding

    def factor_bound(self, term: LaneTerms) -> np.ndarray:
        """‖β_f‖·‖∇F‖ + rounding for one factor or component."""
        return term.norm * (self.gradient_norm + self.gradient_rounding) + term.rounding


@dataclass(frozen=True, eq=False)
class Certificates:
    """Whether each lane's point is stationary, and of which kind."""

    vectors: np.ndarray
    """(L, P): the points."""
    decompositions: Decompositions
    """All terms there."""
    inertia: tuple[Inertia, ...]
    """Their kinds."""
    distances: np.ndarray
    """Newton steps, in chart units."""
    reasons: tuple[str, ...]
    """Why a point is not certified; empty if it is."""

    @cached_property
    def certified(self) -> np.ndarray:
        """Boolean (L,)."""
        return np.array([not reason for reason in self.reasons], dtype=bool)


def decompose_lanes(cohort: Cohort, vectors: np.ndarray) -> Decompositions:
    """All terms at one point (P,) of each problem; all their factors must have a closed form of β."""
    found = _program(cohort.compiled, "terms", cohort.columns)({"vector": vectors, "fixed": cohort.fixed})
    with np.errstate(all="ignore"):
        return _assembled(cohort, found)


def certify_lanes(cohort: Cohort, ends: Ends) -> Certificates:
    """Judge where searches ended."""
    terms = decompose_lanes(cohort, ends.vectors)
    lane = {
        "vector": ends.vectors,
        "fixed": cohort.fixed,
        "units": cohort.units,
        "free": cohort.free.astype(float),
        "gradient": terms.gradient,
    }
    found = _program(cohort.compiled, "spectrum", cohort.columns)(lane)
    values, along, count = found["values"], np.abs(found["along"]), cohort.free.sum(axis=1)
    eps = cohort.compiled.backend.eps
    size = np.abs(values).max(axis=1, initial=0.0)
    null = (100 * eps * count * size)[:, None]
    absent = values.shape[1] - count
    with np.errstate(all="ignore"):
        heard = along > terms.gradient_rounding[:, None]
        steps = np.minimum(along / np.maximum(np.abs(values), 1e-300), 1e150)
        distances = np.linalg.norm(np.where(heard, steps, 0.0), axis=1)
    up, down = np.sum(values > null, axis=1), np.sum(values < -null, axis=1) - np.where(size > 0.0, absent, 0)
    inertia, reasons = [], []
    fine = found["fine"] & np.all(np.isfinite(terms.gradient), axis=1) & np.isfinite(terms.elbo)
    layout = cohort.compiled.bound.layout
    for lane_number, is_fine in enumerate(fine):
        if not is_fine:
            inertia.append(Inertia(0, 0, 0))
            reasons.append("non-finite value or derivative")
            distances[lane_number] = np.inf
            continue
        positive, negative = int(up[lane_number]), int(down[lane_number])
        inertia.append(Inertia(positive, int(count[lane_number]) - positive - negative, negative))
        norm, rounding = float(terms.gradient_norm[lane_number]), float(terms.gradient_rounding[lane_number])
        reason = reason_of(norm, rounding, float(distances[lane_number]), eps)
        reasons.append(located(reason, layout, ends.displacements[lane_number]))
    return Certificates(ends.vectors, terms, tuple(inertia), distances, tuple(reasons))


_made: dict[Any, Any] = {}


def _program(compiled: Compiled, what: str, columns: np.ndarray) -> Any:
    key = (compiled, what, columns.tobytes() if what == "spectrum" else b"")
    if key not in _made:
        from elbocheck.backends.lanes import over_lanes

        function = partial(_terms, compiled.bound) if what == "terms" else partial(_spectrum, compiled.bound, columns)
        _made[key] = over_lanes(function, widths()[0])
    return _made[key]


def _terms(bound: Bound, lane: Mapping[str, Any]) -> dict[str, Any]:
    """Of one lane: terms summed over the data, and ∇F with its absolute size datum by datum."""
    from elbocheck.backends.lanes import jacobian, xp

    rows, terms = jacobian(lambda vector: functions.per_datum(bound, vector, lane["fixed"]), lane["vector"])
    weights = terms["data_weights"]
    scale: Any = 0.0
    factors = {}
    for position, (name, term) in enumerate(terms["factors"].items()):
        scale = scale + xp.sum(xp.matmul(weights, term["magnitude"]))
        own = {key: xp.matmul(weights, term[key]) for key in FACTOR_TERMS}
        factors[f"{position:03} {name}"] = {**own, **{key: term[key] for key in ("beta", "weight", "summands")}}
    return {
        "gradient": xp.matmul(weights, rows),
        "absolute": xp.matmul(weights, xp.abs(rows)),
        "elbo": xp.sum(weights * terms["elbo"]),
        "entropy": xp.sum(weights * terms["entropy"]),
        "entropy_weight": terms["entropy_weight"],
        "scale": scale + xp.sum(weights * xp.abs(terms["entropy"])),
        "factors": factors,
    }


def _spectrum(bound: Bound, columns: np.ndarray, lane: Mapping[str, Any]) -> dict[str, Any]:
    """Of one lane: eigenvalues of the declared bound's Hessian over free elements, in chart units, and ∇F along them.

    Elements that are not free are lowest, and count as negative.
    """
    from elbocheck.backends.lanes import value_gradient_hessian, xp

    def declared(vector: Any) -> Any:
        elbo, terms = functions.per_datum(bound, vector, lane["fixed"])
        return xp.sum(terms["data_weights"] * elbo)

    _, _, rows = value_gradient_hessian(declared, lane["vector"], columns)
    units = lane["units"][columns]
    free = lane["free"][columns] > 0
    hessian = xp.where(free[:, None] & free[None, :], rows[:, columns] * units * units[:, None], 0.0)
    fine = xp.all(xp.isfinite(hessian))
    values, vectors = xp.linalg.eigh(filled(xp.where(fine, hessian, 0.0), free))
    return {"values": values, "along": xp.matmul(lane["gradient"][columns], vectors), "fine": fine}


def _assembled(cohort: Cohort, found: Mapping[str, Any]) -> Decompositions:
    free, units = cohort.free, cohort.units
    gradient, absolute, scale = found["gradient"], found["absolute"], found["scale"]
    summands = np.max([term["summands"] for term in found["factors"].values()], axis=0)
    constant = (16.0 + 3.0 * np.sqrt(summands)) * cohort.compiled.backend.eps
    terms = tuple(
        one
        for name, term in found["factors"].items()
        for one in _of_factor(name.split(" ", 1)[1], term, gradient, absolute, scale, constant, free, units)
    )
    entropy = found["entropy_weight"] * found["entropy"]
    density = [term["weight"] * term["log_density"].sum(axis=1) for term in found["factors"].values()]
    entropies = [term["weight"] * term["entropy"].sum(axis=1) for term in found["factors"].values()]
    length = np.linalg.norm(np.where(free, units * absolute, 0.0), axis=1)
    return Decompositions(
        elbo=found["elbo"],
        declared=entropy + sum(density),
        entropy_sum=entropy - sum(entropies),
        terms=terms,
        gradient=np.where(free, units * gradient, 0.0),
        gradient_rounding=constant * np.hypot(length, scale),
        elbo_rounding=constant * scale,
    )


def _of_factor(
    name: str,
    term: Mapping[str, np.ndarray],
    gradient: np.ndarray,
    absolute: np.ndarray,
    scale: np.ndarray,
    constant: np.ndarray,
    free: np.ndarray,
    units: np.ndarray,
) -> Iterator[LaneTerms]:
    beta, weight = term["beta"], term["weight"]
    groups = beta.shape[1]
    for group in range(groups):
        own = {key: term[key][:, group] for key in FACTOR_TERMS}
        row = beta[:, group] / weight[:, None]
        moved = np.where(absolute * units > 0, beta[:, group] / units, 0.0)
        magnitude = scale + np.sum(np.abs(row) * absolute, axis=1)
        inside = np.where(free, moved, 0.0)
        yield LaneTerms(
            label=name if groups == 1 else f"{name}[{group}]",
            gap=own["log_density"] + own["entropy"],
            pseudo_gap=own["log_density"] - own["log_base_measure"] + own["pseudo_entropy"],
            delta=own["log_base_measure"] - own["expected_log_base_measure"],
            slope=np.sum(row * gradient, axis=1),
            magnitude=magnitude,
            rounding=constant * magnitude,
            beta=inside / weight[:, None],
            norm=np.linalg.norm(inside, axis=1) / weight,
            covered=~np.any((moved != 0.0) & ~free, axis=1),
            weight=weight,
        )
