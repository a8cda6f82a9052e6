"""F ≤ log evidence, with equality where q is the exact posterior (THEORY section 6).

Rejects: a bound that is none, points drawn from another q than the one whose entropy is added, a posterior that is not.
"""

from __future__ import annotations

from elbocheck.bound.decomposition import decompose
from elbocheck.bound.problem import Problem
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge
from elbocheck.outcome import Outcome, Result

NAME = "evidence"


def evidence(problem: Problem) -> Result | None:
    """F − (1/N) log p(x) at most rounding, and zero if the declaration says `optimal`; None where it is not known."""
    if problem.log_evidence is None:
        return None
    known = problem.log_evidence
    params = problem.code_params(problem.vector)
    most = float(problem.scalar("log_evidence", params)) if callable(known) else float(known)
    found = _judged(problem, most, thorough=False)
    return _judged(problem, most, thorough=True) if found.outcome is Outcome.VIOLATED else found


def _judged(problem: Problem, most: float, thorough: bool) -> Result:
    terms = decompose(problem, thorough=thorough)
    bound = 4 * terms.elbo_rounding + 16 * problem.compiled.backend.eps * abs(most)
    deviations = [
        Deviation(
            f"the reported ELBO {terms.elbo:.9g} exceeds the log evidence {most:.9g}: it",
            max(terms.elbo - most, 0.0),
            bound,
            terms.magnitude,
        )
    ]
    if problem.compiled.seen.optimal:
        what = f"at the exact posterior the ELBO is the log evidence, {most:.9g}; the reported {terms.elbo:.9g}"
        deviations.append(Deviation(what, abs(terms.elbo - most), bound, terms.magnitude))
    return judge(NAME, problem.label, deviations)


CHECK = Check(
    name=NAME,
    letter="e",
    promise="the ELBO is a lower bound of the log evidence, tight at the exact posterior (theory, section 6)",
    run=evidence,
    needs=("log_evidence",),
)
