"""`elbocheck explain`: the terms of one bound in words, at the start and where training stops, at 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from elbocheck.backends.base import Backend
from elbocheck.bound.decomposition import Decomposition, FactorTerms, decompose
from elbocheck.errors import InputError
from elbocheck.models.datasets import REAL, cells_of, load, real_sample
from elbocheck.models.sample import Cell, Sample
from elbocheck.report.scales import minus
from elbocheck.solver import StationaryPoint, find_stationary_points
from elbocheck.strategies import draw_many, samples
from elbocheck.training.snapshots import Climbs, Snapshot, along

WIDTH = 79
MOST_STEPS = 8
"""Steps of training that are listed."""


@dataclass(frozen=True)
class Explanation:
    """One bound on one data set: its terms at the start and where the search ended, and the steps between.

    `rows`: data before equal rows were merged; `point` is not certified where no search was.
    """

    cell: Cell
    data: str
    sizes: tuple[int, int, int]
    rows: int
    start: Decomposition
    point: StationaryPoint
    steps: tuple[Snapshot, ...]


def sample_for(
    name: str, data: str | None, latents: int | None, seed: int, backend: Backend | None = None
) -> tuple[Sample, str, int]:
    """(sample, name of the data, their number) for a model or model/posterior.

    Without `data`: those that `elbocheck verify` runs it on, else a random problem. Raises `InputError` for unknown
    names and data that do not suit the model.
    """
    model, _, posterior = name.partition("/")
    own = [cell for cell in cells_of(model) if not posterior or cell.posterior == posterior]
    if not own:
        raise InputError(f"{name!r}: {model} has {', '.join(cell.posterior for cell in cells_of(model))}")
    shown = {cell: (file, count) for cell, file, count in REAL}
    cell = next((cell for cell in own if cell.name in shown), own[0]).on(backend)
    if data is None and cell.name not in shown:
        if latents is not None:
            raise InputError(f"--latents {latents} goes with --data; random problems have numbers of their own")
        drawn = draw_many(samples(cell, solvable=True), 3, entropy=seed)[-1]  # the first ones are the simplest
        return drawn, f"a random problem, seed {seed}", drawn.sizes[0]
    file, count = shown[cell.name] if data is None else (data, 2)
    dataset = load(file)
    return real_sample(cell, dataset, latents or count, seed), dataset.name, len(dataset.x)


def explain(sample: Sample, data: str, rows: int) -> Explanation:
    """Decompose the sample's bound, train it, decompose it again. `data`, `rows`: name and number of the data."""
    problem, climbs = sample.problem(), Climbs()
    points = find_stationary_points(problem, patience=3, watch=climbs)
    best, origin = climbs.best(points), points[0].origin
    if best is not None:
        origin = next(label for label, climb in climbs.found.items() if climb is best)
    point = next(point for point in points if point.origin == origin)
    steps = along(problem, climbs.found[origin].vectors)
    begin = problem.at(climbs.found[origin].vectors[0])
    return Explanation(sample.cell, data, sample.sizes, rows, decompose(begin), point, steps)


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
        if any(term.criterion_residual for term in part):
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
