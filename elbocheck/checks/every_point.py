"""Every point: F and ∇F of the code under test are those of the declaration, and gap_f = β_f·∇F + δ_f (THEORY 3, 9).

Rejects: a wrong constant, entropy, normaliser or gradient in a single factor, at any parameters, without training.
"""

from __future__ import annotations

from dataclasses import replace

from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import at_most, read
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
    if problem.program.catalogued:
        return _identity(problem, decompose(problem), _of_factors(decompose(problem)))
    loose = at_most(problem)
    blocks, note = judged(read(problem)) if problem.elbo is not None and not loose else ([], "")
    terms = decompose(problem)
    covered = [term for term in terms.factors if not term.criterion_residual]
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
        if not term.criterion_residual
    ]


def _identity(problem: Problem, terms: Decomposition, deviations: list[Deviation]) -> Result:
    against = read(problem).deviation if not problem.program.catalogued else abs(terms.elbo - terms.declared)
    deviations = [*deviations, Deviation("the ELBO against its declared terms", against, terms.elbo_rounding)]
    result = judge(NAME, problem.label, deviations, gradient_norm=terms.known_gradient_norm)
    outside = unpredicted(terms)
    if outside and result.outcome is Outcome.HOLDS:
        said = out_of_scope(NAME, problem.label, outside, terms.claims)
        return replace(result, outcome=said.outcome, points=0, message=said.message)
    return result


def _of_factors(terms: Decomposition) -> list[Deviation]:
    deviations = []
    for term in terms.factors:
        if term.criterion_residual:
            continue
        pseudo = term.pseudo_gap - (term.predicted - term.delta)
        deviations += [
            Deviation(f"factor {term.label}", abs(term.residual), term.rounding, term.magnitude),
            Deviation(f"pseudo-entropy of factor {term.label}", abs(pseudo), term.rounding, term.magnitude),
        ]
    return deviations


CHECK = Check(
    name=NAME,
    letter="p",
    promise="log p and entropy of every factor differ by β·∇ELBO, at every point (theory, section 3)",
    run=every_point,
)
