"""What a failure says: the promise, the target, the numbers, the reading, and one line that repeats it."""

from __future__ import annotations

import platform
import textwrap
from collections.abc import Iterable
from importlib import metadata

import numpy as np

from elbocheck import __version__
from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.problem import Problem
from elbocheck.checks.table import OF_TARGETS
from elbocheck.errors import ElbocheckError, harmless, named, one_line
from elbocheck.gate.records import Checked, CheckReport
from elbocheck.limits import pass_on
from elbocheck.outcome import Claim, Outcome, Result
from elbocheck.solver import certify

READINGS = {
    "value": "Look at the terms of the ELBO in that factor; training and solver are not involved.",
    "entropy": "Look at how the entropy of q enters the ELBO (or at the KL divergence, if it is written as one).",
    "gradient": "Look at the gradient code of that factor, or for a detached parameter; the value is right.",
    "training": "Look at how these parameters are updated; the ELBO itself and its gradient are right.",
    "scale": "Look for a sum that should be a mean, N / batch, or a division by N that happens twice.",
    "sign": "Report the ELBO, which is maximised, not the loss.",
    "data": "Look at how data, their weights or q enter.",
}
OF_SUSPECTS = {
    "noise": "No term is wrong: look for arrays that become float32, or for differences of nearly equal numbers.",
    "jitter": "No term is wrong: declare it as a departure if it is meant.",
}
"""Advice where the suspect says more than the kind."""
WIDTH = 80


def headline(report: CheckReport, name: str) -> str:
    """One sentence on a target."""
    if report.bad and not report.results:
        return f"{name}: cannot be judged"
    counts = {outcome: sum(one.outcome is outcome for one in report.results) for outcome in Outcome}
    known = sum(
        one.known is not None for one in report.checked if one.result and one.result.outcome is Outcome.VIOLATED
    )
    parts = [f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]]
    note = f" ({known} known)" if known else ""
    return f"{name}: {len(report.results)} checks, {', '.join(parts) or 'none applies'}{note}; {report.seconds:.0f} s"


def claims_of(results: Iterable[Result]) -> list[Claim]:
    """What the theorem says of each factor, over all problems: a factor is told once for each reason."""
    found: dict[tuple[str, str], Claim] = {}
    for result in results:
        for one in result.claims:
            found.setdefault((one.label, one.reason), one)
    return list(found.values())


def claim_lines(report: CheckReport) -> list[str]:
    """The claims at 80 columns, apart from the verdict; none if every factor is covered, which goes without saying."""
    claims = claims_of(report.results)
    if all(one.covered and len(one.factors) == 1 for one in claims):
        return []
    lines = ["  What the theorem says of each factor (no verdict on the code):"]
    for one in claims:
        lines += textwrap.wrap(
            one.sentence,
            WIDTH,
            initial_indent=f"  {one.label:<10} ",
            subsequent_indent=" " * 13,
            break_long_words=False,
        )
    return [*lines, ""]


def explain_failure(checked: Checked, replay: str = "") -> str:
    """The five parts of DESIGN section 6, at 80 columns."""
    result, problem = checked.result, checked.case.problem
    assert result is not None
    lines = [
        f"VIOLATED  {one_line(checked.target)}: {checked.check}",
        *_wrapped("promise", OF_TARGETS[checked.check].promise),
        *_wrapped("target", f"{checked.target}, {problem.label}; {versions(checked)}"),
        *_wrapped("found", worst_of(result.message)),
        *[f"  {line}" for line in _numbers(problem, result.at).splitlines()],
    ]
    if result.diagnosis is not None:
        reading = OF_SUSPECTS.get(result.diagnosis.suspect, READINGS.get(result.diagnosis.kind, ""))
        lines += _wrapped("reading", f"{result.diagnosis.sentence}. {reading}")
    if replay:
        lines += [f"  repeat    {replay}"]
    return harmless("\n".join(lines))


def worst_of(message: str) -> str:
    """The first of the deviations that a message lists, and how many more there are."""
    first, *others = message.split("; ") if message.count("deviates by") > 1 else [message]
    tail = f" ({message.rsplit(' (', 1)[1]}" if others and message.endswith(")") else ""
    return f"{first}, and {len(others)} more{tail}" if others else message


def versions(checked: Checked) -> str:
    """What judged: elbocheck, Python, the array library, dtype."""
    backend = checked.case.problem.compiled.backend
    library = f"{backend.name} {metadata.version(backend.name)}"
    return f"elbocheck {__version__}, Python {platform.python_version()}, {library}, {backend.dtype}"


def _numbers(problem: Problem, at: tuple[float, ...]) -> str:
    """The table at the point that was judged; where training stops with the inertia of the Hessian there.

    What has no gradient, or is not defined at a point beside, has no table; that does not take its verdict away.
    """
    try:
        return _table_at(problem, at)
    except BaseException as error:
        pass_on(error)
        return "\n".join(textwrap.wrap(f"no table of the terms: {named(error)}", WIDTH - 2))


def _table_at(problem: Problem, at: tuple[float, ...]) -> str:
    if not at:
        return table(decompose(problem))
    point = certify(problem.at(np.array(at)), "where training stops")
    if not point.inertia.known:
        return table(point.decomposition)
    inertia = f"{point.inertia.positive} up, {point.inertia.zero} flat, {point.inertia.negative} down"
    return f"{table(point.decomposition)}, curvature where training stops: {inertia}"


def table(terms: Decomposition) -> str:
    """Every term of the ELBO and every entropy, gap, prediction and bound, ‖∇F‖; at most 78 columns."""
    head = f"{'nats per datum':>14} {'E log p':>13} {'entropy':>13} {'gap':>10} {'β·∇F + δ':>10} {'bound':>8}"
    rows = [
        f"{one_line(term.label)[:14]:>14} {term.log_density:>13.6g} {term.entropy:>13.6g} {term.gap:>10.3g} "
        f"{term.predicted:>10.3g} {term.rounding:>8.0e}{' ←' if not abs(term.residual) <= term.rounding else ''}"
        for term in terms.factors[:MOST_ROWS]
    ]
    if len(terms.factors) > MOST_ROWS:
        rows.append(f"{'…':>14} and {len(terms.factors) - MOST_ROWS} more")
    rows.append(f"{'q':>14} {'':>13} {terms.entropy_q:>13.6g}")
    reported = f"F reported {terms.elbo:.9g}, declared {terms.declared:.9g}, entropy sum {terms.entropy_sum:.9g}"
    try:
        norm = f"‖∇F‖ = {terms.gradient_norm:.2e}"
    except ElbocheckError:
        norm = "∇F cannot be measured: the code is not smooth, or rounds in single precision"
    return "\n".join([head, *rows, reported, norm])


MOST_ROWS = 12


def plain(report: CheckReport, name: str = "") -> str:
    """A report as text: failures in full, the first one first; then what is stale or inconclusive."""
    if report.bad:
        return "\n".join(textwrap.wrap(one_line(report.bad), WIDTH))
    name = name or (report.checked[0].target if report.checked else "target")
    parts = [headline(report, name)]
    if report.failures:
        first, *others = report.failures
        parts.append(explain_failure(first))
        rest = list(dict.fromkeys(f"{one.check} ({one.case.problem.label})" for one in others))
        if rest:
            parts.append("\n".join(_wrapped("also", ", ".join(rest))))
    parts += ["\n".join(claim_lines(report)).rstrip()] if claim_lines(report) else []
    parts += ["\n".join(textwrap.wrap(one, WIDTH)) for one in report.stale]
    parts += inconclusive_lines(report)
    return harmless("\n\n".join(parts))


def inconclusive_lines(report: CheckReport) -> list[str]:
    """What could not be judged and why, the same reason once with the number of problems that it is given for."""
    counted: dict[str, list[str]] = {}
    for one in report.inconclusive:
        assert one.result is not None
        label = f" ({one.result.problem})"
        counted.setdefault(one.result.message.removesuffix(label), []).append(
            label if one.result.message.endswith(label) else ""
        )
    texts = [f"{text}{own[0] if len(own) == 1 else f' ({len(own)} problems)'}" for text, own in counted.items()]
    return ["\n".join(textwrap.wrap(text, WIDTH)) for text in texts]


def _wrapped(title: str, text: str) -> list[str]:
    return textwrap.wrap(
        one_line(text), WIDTH, initial_indent=f"  {title:<10}", subsequent_indent=" " * 12, break_long_words=False
    )
