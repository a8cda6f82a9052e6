"""Every point: F and ∇F of the code under test are those of the declaration, and gap_f = β_f·∇F + δ_f (THEORY 3, 9).

Rejects: a wrong constant, entropy, normaliser or gradient in a single factor, at any parameters, without training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import SAFETY, a_few_roundings_away, at_most, read
from elbocheck.checks.blocks import HELD, judged
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge, out_of_scope, unpredicted
from elbocheck.outcome import Outcome, Result

NAME = "every point"


def every_point(problem: Problem) -> Result:
    """The verdict on value and gradient, block by block, and, where both hold, what the theorem claims.

    For problems of the catalogue (R) with the true and with the pseudo-entropies, within the rounding error computed
    for each factor. `out of scope`, never `violated`, where the theorem does not cover a factor; the message says why.
    """
    if problem.compiled.catalogued:
        return _of_catalogue(problem)
    loose = at_most(problem)
    blocks, note = judged(read(problem)) if problem.elbo is not None and not loose else ([], "")
    terms = decompose(problem)
    covered = [term for term in terms.factors if not term.scaling.residual]
    if not abs(terms.elbo - terms.declared) <= terms.elbo_rounding or any(
        not abs(term.residual) <= term.rounding for term in covered
    ):
        terms = decompose(problem, thorough=True)
    if not (note and note != HELD) and not loose:  # else what is held back is the declaration's, not the code's
        blocks = [*_of_gaps(terms), *blocks]
    claims = tuple(one.plain for one in terms.claims)
    return replace(_identity(problem, terms, blocks), note=note, claims=claims)


def _of_gaps(terms: Decomposition) -> list[Deviation]:
    """β·∇F of the code against that of the declaration, for the factors that have a β: what names the factor."""
    return [
        Deviation(f"factor {term.label}", abs(term.residual), term.rounding, term.magnitude)
        for term in terms.factors
        if not term.scaling.residual
    ]


def _identity(problem: Problem, terms: Decomposition, deviations: list[Deviation]) -> Result:
    against = read(problem).deviation if not problem.compiled.catalogued else abs(terms.elbo - terms.declared)
    deviations = [*deviations, Deviation("the ELBO against its declared terms", against, terms.elbo_rounding)]
    result = judge(NAME, problem.label, deviations, gradient_norm=terms.known_gradient_norm)
    outside = unpredicted(terms)
    if outside and result.outcome is Outcome.HOLDS:
        said = out_of_scope(NAME, problem.label, outside, terms.claims)
        return replace(result, outcome=said.outcome, points=0, message=said.message)
    return result


def _of_catalogue(problem: Problem) -> Result:
    """(R) within the computed bounds; where they are exceeded, with measured noise, as for any code (THEORY 11).

    The derivative of an exact q cancels between its states, of log probabilities that may be thousands: no term shows
    what rounding leaves of it.
    """
    terms = decompose(problem)
    result = _identity(problem, terms, _of_factors(terms, {}))
    if result.outcome is not Outcome.VIOLATED:
        return result
    return _identity(problem, terms, _of_factors(terms, measured_noise(problem, terms)))


def measured_noise(problem: Problem, terms: Decomposition) -> dict[str, float]:
    """ "factor LABEL" -> what rounding changes in that which (R) leaves of it, a few roundings beside the point."""
    beside = [terms, *map(decompose, a_few_roundings_away(problem))]
    left = [{what: size for what, size, _, _ in _left(one)} for one in beside]
    return {what: SAFETY * float(np.ptp([one[what] for one in left])) for what in left[0]}


def _left(terms: Decomposition) -> Iterator[tuple[str, float, float, float]]:
    """(what, what (R) leaves, its computed bound, Σ|terms|) of every factor that has a β."""
    for term in terms.factors:
        if not term.scaling.residual:
            pseudo = term.pseudo_gap - (term.predicted - term.delta)
            yield f"factor {term.label}", term.residual, term.rounding, term.magnitude
            yield f"pseudo-entropy of factor {term.label}", pseudo, term.rounding, term.magnitude


def _of_factors(terms: Decomposition, noise: Mapping[str, float]) -> list[Deviation]:
    return [
        Deviation(what, abs(size), rounding + noise.get(what, 0.0), magnitude, noise.get(what, 0.0))
        for what, size, rounding, magnitude in _left(terms)
    ]


CHECK = Check(
    name=NAME,
    letter="p",
    promise="log p and entropy of every factor differ by β·∇ELBO, at every point (theory, section 3)",
    run=every_point,
)
