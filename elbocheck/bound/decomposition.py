"""The identity: every term of the ELBO and of the entropy sum, the gap, its prediction and its rounding.

F = H[q] + Σ_f E_q log p_f      S = H[q] − Σ_f E_q H[p_f]      gap_f = E_q log p_f + E_q H[p_f]
gap_f = β_f · ∇F + δ_f          at every point, for every q                       (R, THEORY section 3)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from elbocheck.bound.criterion import Criterion, criteria
from elbocheck.bound.directions import Direction, directions
from elbocheck.bound.factor_terms import ClaimAt, FactorTerms, Scaling
from elbocheck.bound.gaps import targets
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import Reading, read, rounding_constant


@dataclass(frozen=True)
class Decomposition:
    """F and S with all their terms at one parameter point; nats per datum."""

    elbo: float
    """F."""

    entropy_q: float
    """H[q]."""

    factors: tuple[FactorTerms, ...]
    """Terms of every factor."""

    slope: np.ndarray | Callable[[], np.ndarray]
    """What `gradient` is made from, or a function that makes it."""

    gradient_rounding: float
    """Bound on the rounding error of ‖∇F‖: c·eps times the absolute derivatives of the data, and of Σ|terms|."""

    elbo_rounding: float
    """Bound on the rounding error of F."""

    entropy_weight: float = 1.0
    """Declared multiple of H[q]."""

    claims: tuple[ClaimAt, ...] = ()
    """What the theorem says of each factor or group."""

    @cached_property
    def gradient(self) -> np.ndarray:
        """∇F (P,) in units of the parameters, free elements only; where gradients are dear, taken when asked for."""
        return self.slope() if callable(self.slope) else self.slope

    @property
    def known_gradient_norm(self) -> float:
        """‖∇F‖ where it costs nothing, else 0."""
        return 0.0 if callable(self.slope) and "gradient" not in self.__dict__ else self.gradient_norm

    @property
    def declared(self) -> float:
        """F = H[q] + Σ_f E_q log p_f, recomputed from the declaration."""
        return self.entropy_weight * self.entropy_q + sum(term.weight * term.log_density for term in self.factors)

    @property
    def entropy_sum(self) -> float:
        """S = H[q] − Σ_f E_q H[p_f]."""
        return self.entropy_weight * self.entropy_q - sum(term.weight * term.entropy for term in self.factors)

    @property
    def gap(self) -> float:
        return sum(term.weight * term.gap for term in self.factors)

    @property
    def delta(self) -> float:
        return sum(term.weight * term.delta for term in self.factors)

    @property
    def gradient_norm(self) -> float:
        return float(np.linalg.norm(self.gradient))

    @property
    def covered(self) -> bool:
        """Whether the theorem predicts the gap at a stationary point, for every factor."""
        return all(one.covered for one in self.claims or self.factors)

    @property
    def grouped(self) -> tuple[ClaimAt, ...]:
        """Groups of factors that the theorem covers together."""
        return tuple(one for one in self.claims if one.covered and len(one.factors) > 1)

    @property
    def bound(self) -> float:
        """‖β‖·‖∇F‖ + rounding, for the total gap over free parameters."""
        beta = np.sum([term.weight * term.scaling.beta for term in self.factors], axis=0)
        return float(np.linalg.norm(beta)) * (self.gradient_norm + self.gradient_rounding) + self.rounding

    @property
    def rounding(self) -> float:
        return sum(term.weight * term.rounding for term in self.factors)

    @property
    def magnitude(self) -> float:
        return sum(term.magnitude for term in self.factors)

    def __str__(self) -> str:
        head = f"{'nats per datum':>16} {'E log p':>12} {'entropy':>12} {'gap':>12} {'predicted':>12} {'rounding':>9}"
        rows = [
            f"{term.label:>16} {term.log_density:>12.6f} {term.entropy:>12.6f} {term.gap:>12.3g} "
            f"{term.predicted:>12.3g} {term.rounding:>9.0e}"
            for term in self.factors
        ]
        foot = (
            f"F = {self.elbo:.6f}, S = {self.entropy_sum:.6f}, F − S = {self.gap:.2e}, ‖∇F‖ = {self.gradient_norm:.2e}"
        )
        return "\n".join([head, *rows, f"{'q':>16} {'':>12} {self.entropy_q:>12.6f}", foot])

    def group_bound(self, claim: ClaimAt) -> float:
        """‖β‖·‖∇F‖ + rounding for factors that have a β together."""
        return float(np.linalg.norm(claim.beta)) * (self.gradient_norm + self.gradient_rounding) + claim.rounding

    def factor_bound(self, term: FactorTerms) -> float:
        """‖β_f‖·‖∇F‖ + rounding for one factor or component."""
        return term.scaling.norm * (self.gradient_norm + self.gradient_rounding) + term.rounding


def decompose(
    problem: Problem, params: Mapping[str, Any] | None = None, *, sketched: bool = False, thorough: bool = False
) -> Decomposition:
    """All terms of the bound at `params` (default: the problem's own). See `Decomposition`.

    `thorough`: bounds with all that rounding does, for when the cheap ones, which are smaller, are exceeded.
    `sketched`: for problems of the catalogue, estimate what the bounds need of the derivatives datum by datum, instead
    of computing them.
    """
    here = problem if params is None else problem.at(problem.vector_of(params))
    if problem.compiled.catalogued:
        return _by_datum(here, sketched)
    key = f"decomposition, thorough {thorough}"
    if key not in here.memory:
        here.memory[key] = _of_reading(here, thorough)
    found: Decomposition = here.memory[key]
    return found


def _by_datum(problem: Problem, sketched: bool) -> Decomposition:
    """With the derivatives of every datum, or an estimate of them."""
    vector = problem.vector
    compiled, units, free = problem.compiled, problem.unit_vector, problem.free_mask
    jacobian, terms = (compiled.sketch if sketched else compiled.terms)(vector, problem.fixed)
    data_weights = terms["data_weights"]
    if sketched:  # Σ_n |w_n ∂F_n| ≤ √N · √Σ_n (w_n ∂F_n)², whose estimate from few signs may be a quarter of it
        gradient = jacobian[0]
        absolute = 4.0 * np.sqrt(len(data_weights) * np.mean(jacobian[1:] ** 2, axis=0))
    else:
        gradient, absolute = data_weights @ jacobian, data_weights @ np.abs(jacobian)
    elbo = float(data_weights @ terms["elbo"])
    if compiled.bound.elbo is not None:
        elbo, gradient = problem.gradient(vector)

    constant = rounding_constant(terms) * compiled.backend.eps
    differences = compiled.backend.error_of(
        compiled.gradient if compiled.bound.elbo is not None else compiled.sketch if sketched else compiled.terms
    )
    stretch = 1.0 / np.where(vector == 0.0, 1.0, np.abs(vector))  # steps of differences are relative to parameters
    scale = sum(float(np.sum(data_weights @ term["magnitude"])) for term in terms["factors"].values())
    scale += float(data_weights @ np.abs(terms["entropy"]))
    factors: list[FactorTerms] = []
    solved: dict[str, Criterion] = {}
    leverages: Mapping[str, np.ndarray] = {}
    for name, term in terms["factors"].items():
        totals = {key: data_weights @ term[key] for key in FACTOR_TERMS}
        unsure, missing, weight = 0.0, 0.0, float(term["weight"])
        if "beta" in term:
            beta = term["beta"]
        else:  # one β for all components: only their sum is predicted
            solved = solved or criteria(problem.at(vector))
            beta = solved[name].beta[None] if name in solved else np.zeros((1, vector.size))
            if name in solved:
                missing = 0.0 if solved[name].applies(compiled.backend.eps) else solved[name].residual
                if not missing:
                    leverages = leverages or compiled.leverages(vector, problem.fixed)
                    relative = max(compiled.backend.eps, compiled.backend.error_of(compiled.natural_rows))
                    unsure = solved[name].error(leverages, relative, scale) / weight
            totals = {key: value.sum(keepdims=True) for key, value in totals.items()}
        groups = len(beta)
        moved = np.where(absolute * units > 0, beta / units, 0.0)
        for group in range(groups):
            row = beta[group] / weight
            delta = float(totals["log_base_measure"][group] - totals["expected_log_base_measure"][group])
            magnitude = float(scale + np.abs(row) @ absolute)
            factors.append(
                FactorTerms(
                    name=name,
                    component=group if groups > 1 else None,
                    log_density=float(totals["log_density"][group]),
                    entropy=float(totals["entropy"][group]),
                    pseudo_entropy=float(totals["pseudo_entropy"][group]),
                    log_base_measure=float(totals["log_base_measure"][group]),
                    delta=delta,
                    predicted=float(row @ gradient) + delta,
                    magnitude=magnitude,
                    rounding=constant * magnitude
                    + unsure
                    + differences * float(np.abs(row) @ (absolute + stretch * scale)),
                    scaling=Scaling(
                        beta=np.where(free, moved[group] / weight, 0.0),
                        norm=float(np.linalg.norm(np.where(free, moved[group], 0.0))) / weight,
                        covered=not missing and not np.any(moved[group][~free]),
                        residual=missing,
                    ),
                    weight=weight,
                )
            )
    return Decomposition(
        elbo=elbo,
        entropy_q=float(data_weights @ terms["entropy"]),
        factors=tuple(factors),
        slope=np.where(free, units * gradient, 0.0),
        gradient_rounding=constant * float(np.hypot(np.linalg.norm(np.where(free, units * absolute, 0.0)), scale))
        + differences * float(np.linalg.norm(np.where(free, units * (absolute + stretch * scale), 0.0))),
        elbo_rounding=constant * scale,
        entropy_weight=float(terms["entropy_weight"]),
    )


FACTOR_TERMS = (
    "log_density",
    "entropy",
    "pseudo_entropy",
    "log_base_measure",
    "expected_log_base_measure",
    "magnitude",
)


def _of_reading(problem: Problem, thorough: bool) -> Decomposition:
    """From one reading of the point, see `elbocheck.bound.reading`."""
    reading, found = read(problem), directions(problem)
    terms, claims = list[FactorTerms](), list[ClaimAt]()
    for one in found:
        own = list(_terms_along(reading, one, thorough))
        terms += own
        claims.append(_claim(reading, one, own))
    order = list(reading.terms["factors"])
    measured, scale = reading.value_noise if thorough else 0.0, reading.scale_at(thorough)
    return Decomposition(
        elbo=reading.elbo,
        entropy_q=float(reading.data_weights @ reading.terms["entropy"]),
        factors=tuple(sorted(terms, key=lambda term: order.index(term.name))),
        slope=(lambda: problem.scaled(problem.gradient(problem.vector)[1], up=True))
        if reading.gradient is None
        else problem.scaled(reading.gradient, up=True),
        gradient_rounding=_gradient_rounding(reading, thorough),
        elbo_rounding=reading.constant * scale + measured,
        entropy_weight=float(reading.terms["entropy_weight"]),
        claims=tuple(sorted(claims, key=lambda claim: order.index(claim.factors[0]))),
    )


def _gradient_rounding(reading: Reading, thorough: bool) -> float:
    scale, scaled = reading.scale_at(thorough), reading.problem.scaled
    if reading.slope is None or reading.gradient is None:
        return reading.constant * scale
    if not thorough:
        return reading.constant * float(np.hypot(np.linalg.norm(scaled(reading.slope, up=True)), scale))
    absolute = np.maximum(np.maximum(np.abs(reading.slope), np.abs(reading.gradient)), reading.sketch)
    sized = reading.constant * float(np.hypot(np.linalg.norm(scaled(absolute, up=True)), scale))
    return sized + float(np.linalg.norm(scaled(reading.gradient_noise, up=True)))


def _terms_along(reading: Reading, found: Direction, thorough: bool) -> Iterator[FactorTerms]:
    """The terms of the factors that share a β, or of the components of one that has several."""
    problem, recipe, moves = reading.problem, found.recipe, bool(found.recipe.parts or not found.recipe.reason)
    scale, count = reading.scale_at(thorough), len(recipe.factors)
    untrained = ~problem.free_mask
    sized = [reading.absolute(row, thorough) if moves else 0.0 for row in found.beta]
    moved = [problem.scaled(row) if moves else row for row in found.beta]
    lengths = [float(np.linalg.norm(row)) if moves else 0.0 for row in moved]
    free = [problem.plain_units or not np.any(row[untrained]) for row in found.beta]
    wobble = [reading.noise_along(row) if thorough and moves else 0.0 for row in found.beta]
    for name in recipe.factors:
        term = reading.terms["factors"][name]
        times = 1.0 / (float(term["weight"]) * count)
        totals = {key: np.asarray(term[key]) for key in FACTOR_TERMS if key != "magnitude"}
        if len(found.beta) == 1:
            totals = {key: value.sum(keepdims=True) for key, value in totals.items()}
        for group in range(len(found.beta)):
            gap = float(totals["log_density"][group] + totals["entropy"][group])
            delta = float(totals["log_base_measure"][group] - totals["expected_log_base_measure"][group])
            size = scale + times * sized[group]
            rounding = reading.constant * size + times * (found.missed * count + 10.0 * found.errors[group])
            if thorough:
                rounding += reading.value_noise + times * wobble[group]
            left = gap - delta - times * found.slopes[group]  # rounding where the theorem covers the factor
            yield FactorTerms(
                name=name,
                component=group if len(found.beta) > 1 else None,
                log_density=float(totals["log_density"][group]),
                entropy=float(totals["entropy"][group]),
                pseudo_entropy=float(totals["pseudo_entropy"][group]),
                log_base_measure=float(totals["log_base_measure"][group]),
                delta=delta,
                predicted=times * found.reported[group] + delta + left,
                magnitude=size,
                rounding=rounding,
                scaling=Scaling(
                    beta=moved[group] if times == 1.0 else times * moved[group],
                    norm=times * lengths[group],
                    covered=count == 1 and not recipe.reason and free[group],
                    residual=max(recipe.residual, float(np.finfo(float).tiny)) if recipe.reason else 0.0,
                ),
                weight=float(term["weight"]),
            )


def _claim(reading: Reading, found: Direction, terms: Sequence[FactorTerms]) -> ClaimAt:
    problem, recipe = reading.problem, found.recipe
    reason, beta = recipe.reason, found.beta[0] if len(found.beta) == 1 else found.beta.sum(0)
    if not reason and not problem.plain_units and np.any(beta[~problem.free_mask]):
        reason = "the direction that scales its natural parameters moves parameters that are not trained"
    left = float(sum(targets(reading, name).sum() for name in recipe.factors)) - sum(found.slopes)
    rounding = max(term.weight * term.rounding for term in terms)
    return ClaimAt(recipe.factors, not reason, reason, left, rounding, problem.scaled(beta))
