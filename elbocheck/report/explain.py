"""`elbocheck explain`: the terms of one bound in words, at the start and where training stops, at 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from elbocheck.bound.decomposition import Decomposition, FactorTerms
from elbocheck.report.scales import minus
from elbocheck.runs.explain import Explanation
from elbocheck.training.snapshots import Snapshot

WIDTH = 79
MOST_STEPS = 8
"""Steps of training that are listed."""


def lines(explanation: Explanation) -> Iterator[str]:
    """The text, line by line."""
    cell, point = explanation.cell, explanation.point
    data, observed, latents = explanation.sizes
    merged = f" ({data} distinct)" if data != explanation.rows else ""
    yield f"{cell.name}: {cell.model.title}; q: {cell.variational.title}"
    yield from wrapped(
        f"on {explanation.data}: N = {explanation.rows}{merged}, D = {observed}, K = {latents}. "
        "All numbers are nats per datum. The ELBO F and the entropy sum S have the same first term, H[q]; in place of "
        "each factor's E log p, S has its negative entropy:"
    )
    yield ""
    yield "    F = H[q] + Σ E log p          S = H[q] − Σ E H[p]"
    yield "    gap of a factor = E log p + E H[p] = β·∇F + δ, at every point, for any q"
    yield ""
    yield f"At {'random parameters' if point.origin == 'ascent' else 'the start'}: the gaps are not zero, and known."
    yield from _terms(explanation.start)
    yield ""
    yield "Training: the gradient vanishes, and with it the difference."
    yield from _training(explanation.steps)
    yield ""
    if not point.certified:
        yield from wrapped(f"The search ended without a certified stationary point: {point.reason}.")
    else:
        yield f"At the stationary point that it ends in, a {point.kind}:"
    yield from _terms(point.decomposition)
    yield ""
    yield from wrapped(_verdict(explanation))


def wrapped(text: str) -> list[str]:
    """Lines of at most 79 characters."""
    return textwrap.wrap(text, WIDTH)


def _terms(terms: Decomposition) -> Iterator[str]:
    """F and S side by side, then the gap of every factor and what it must be."""
    entropy_q = terms.entropy_weight * terms.entropy_q
    yield ""
    yield f"    {'H[q]':<18}{_number(entropy_q):>12}      {'H[q]':<18}{_number(entropy_q):>12}"
    for name, part in _parts(terms):
        density, entropy = (
            sum(term.weight * getattr(term, key) for term in part) for key in ("log_density", "entropy")
        )
        yield (
            f"    {_short('E log p(' + name + ')'):<18}{_number(density):>12}      "
            f"{_short('− E H[' + name + ']'):<18}{_number(-entropy):>12}"
        )
    yield f"    {'─' * 30}      {'─' * 30}"
    yield f"    {'F':<18}{_number(terms.elbo):>12}      {'S':<18}{_number(terms.entropy_sum):>12}"
    yield ""
    yield f"    {'factor':<14}{'gap':>11}  = {'β·∇F':>11}  + {'δ':>11}   {'off by':>7}  {'rounding':>8}"
    for name, part in _parts(terms):
        gap, predicted, delta, rounding = (
            sum(term.weight * getattr(term, key) for term in part) for key in ("gap", "predicted", "delta", "rounding")
        )
        if any(term.scaling.residual for term in part):
            yield f"    {_short(name, 14):<14}{_number(gap):>11}  no β scales this factor: nothing is predicted"
            continue
        yield (
            f"    {_short(name, 14):<14}{_number(gap):>11}  = {_number(predicted - delta):>11}  + {_number(delta):>11}"
            f"   {abs(gap - predicted):>7.0e}  {rounding:>8.0e}"
        )
    yield f"    {'F − S':<14}{_number(terms.elbo - terms.entropy_sum):>11}"


def _parts(terms: Decomposition) -> Iterator[tuple[str, list[FactorTerms]]]:
    for name in dict.fromkeys(term.name for term in terms.factors):
        yield name, [term for term in terms.factors if term.name == name]


def _training(steps: tuple[Snapshot, ...]) -> Iterator[str]:
    delta = any(share.delta for step in steps for share in step.factors)
    total, gap = ("S + δ", "F − S − δ") if delta else ("S", "F − S")
    yield ""
    yield f"    {'step':>6}{'F':>14}{total:>14}{gap:>14}{'bound':>11}{'‖∇F‖':>11}"
    spread = max(1, -(-(len(steps) - 1) // (MOST_STEPS - 1)))
    shown = [*steps[:-1:spread], steps[-1]]
    for step in shown:
        yield (
            f"    {step.step:>6}{_number(step.elbo):>14}{_number(step.entropy_sum + step.delta):>14}"
            f"{_number(step.gap):>14}{step.bound:>11.0e}{step.gradient:>11.0e}"
        )


def _verdict(explanation: Explanation) -> str:
    terms, point, cell = explanation.point.decomposition, explanation.point, explanation.cell
    gap = terms.elbo - terms.entropy_sum - terms.delta
    if cell.out_of_scope:
        return f"The theorem does not cover this model: {cell.out_of_scope}. F − S stays {_number(gap)}."
    if not point.certified:
        return "Where nothing is stationary the theorem promises nothing; the gaps above are still the predicted ones."
    count = len({term.name for term in terms.factors}) + 1
    rest = f" + δ, with δ = {_number(terms.delta)} from base measures that are not constant" if terms.delta else ""
    return (
        f"Every E log p has become −E H[p]{' + δ' if terms.delta else ''}: the ELBO is a sum of {count} entropies, "
        f"F = S{rest}. What is left, {abs(gap):.0e}, is below its bound {terms.bound + terms.elbo_rounding:.0e}."
    )


def _number(value: float) -> str:
    """Six decimals; smaller numbers by their power of ten."""
    if value == 0.0:
        return "0"
    if abs(value) < 5e-7:
        return minus(f"{value:.0e}")
    return minus(f"{value:.6f}" if abs(value) < 1e5 else f"{value:.4e}")


def _short(text: str, most: int = 18) -> str:
    return text if len(text) < most else text[: most - 2] + "…"
