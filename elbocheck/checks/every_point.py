"""The identity at every point: gap_f = β_f·∇F + δ_f, per factor and component (THEORY section 3, R).

Rejects: a wrong constant, entropy, normaliser or gradient in a single factor, at any parameters, without training.
"""

from __future__ import annotations

from elbocheck.checks.compare import Deviation, judge, out_of_scope, unpredicted
from elbocheck.identity import decompose
from elbocheck.outcome import Outcome, Result
from elbocheck.problem import Problem


def every_point(problem: Problem) -> Result:
    """(R) with the true and with the pseudo-entropies, within the rounding error computed for each factor."""
    decomposition = decompose(problem)
    deviations = []
    for term in decomposition.factors:
        if term.criterion_residual:
            continue
        pseudo = term.pseudo_gap - (term.predicted - term.delta)
        deviations += [
            Deviation(f"factor {term.label}", abs(term.residual), term.rounding, term.magnitude),
            Deviation(f"pseudo-entropy of factor {term.label}", abs(pseudo), term.rounding, term.magnitude),
        ]
    declared = decomposition.declared
    deviations.append(
        Deviation(
            "the ELBO against its declared terms", abs(decomposition.elbo - declared), decomposition.elbo_rounding
        )
    )
    result = judge("every point", problem.label, deviations, gradient_norm=decomposition.gradient_norm)
    outside = unpredicted(decomposition)
    if outside and result.outcome is Outcome.HOLDS:
        return out_of_scope("every point", problem.label, outside)
    return result
