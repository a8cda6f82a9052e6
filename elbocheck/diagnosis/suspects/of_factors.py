"""The usual mistakes in a bound, each with the deviation it would cause, computed from the declared distributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from elbocheck.backends.namespace import double_precision, namespace, zeros
from elbocheck.bound.decomposition import Decomposition
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.log_density import Penalty
from elbocheck.bound.problem import Problem
from elbocheck.bound.terms import weights_of
from elbocheck.diagnosis.suspects.base import Suspect, counted, multiple
from elbocheck.diagnosis.suspects.of_constants import constants, some_elements
from elbocheck.diagnosis.suspects.of_divergences import suspects_of_divergences
from elbocheck.diagnosis.suspects.of_groups import suspects_of_groups
from elbocheck.diagnosis.suspects.of_pieces import suspects_of_pieces
from elbocheck.diagnosis.suspects.of_points import suspects_of_points
from elbocheck.diagnosis.suspects.of_q import suspects_of_q
from elbocheck.diagnosis.suspects.of_rows import suspects_of_rows
from elbocheck.diagnosis.suspects.sums import HALF_LOG_2PI, over_data
from elbocheck.families import Average
from elbocheck.families.base import inner, parts_of

POINTS_OF_Q = "number of points of q, its samples"
Pieces = Mapping[tuple[str, str, int | None], float]
"""(factor, piece, component) -> its share of the declared ELBO, nats per datum, at one point."""


def suspects(problems: Sequence[Problem], terms: Sequence[Decomposition]) -> Iterator[Suspect]:
    """Every mistake that the declaration suggests, the most common first."""
    found = [pieces(problem) for problem in problems]
    declaration, data = problems[0].declaration, len(np.asarray(problems[0].declaration.data_weights))
    entropy = tuple(one.entropy_weight * one.entropy_q for one in terms)

    def sizes(factor: str, piece: str, component: int | None = None) -> tuple[float, ...]:
        return tuple(one.get((factor, piece, component), math.nan) for one in found)

    def times(what: str, counts: Mapping[str, float] = MappingProxyType({})) -> Callable[[float], str]:
        return lambda a: multiple(what, a, data, counts)

    yield Suspect("", "entropy", "q", entropy, coefficient=times("the entropy of q"))
    whole = np.zeros(len(problems))
    for factor in declaration.factors:
        own, penalty = np.array(sizes(factor.name, "log p")), isinstance(factor.distribution, Penalty)
        counts = {} if penalty else _counts(factor, declaration)
        if any(entropy) and not penalty:
            named = kl_times({"number of data": data, **counts}, states=bool(parts_of(factor.distribution).states))
            yield Suspect("", "value", factor.name, tuple(own + entropy), coefficient=named)
        what = f"the penalty {factor.name}" if penalty else f"E log p of {factor.name}"
        yield Suspect("", "value", factor.name, tuple(own), coefficient=times(what, counts))
        whole += own
        if any(entropy) and factor is not declaration.factors[0] and factor is not declaration.factors[-1]:
            yield Suspect("", "value", "", tuple(whole + entropy), coefficient=kl_times({"number of data": data}))
    by_name = {factor.name: factor for factor in declaration.factors}
    densities = {name: sizes(name, "log p") for name in by_name}
    yield from suspects_of_groups(
        problems,
        densities,
        times,
        lambda what, f: kl_times({"number of data": data, **_counts(by_name[f], declaration)}, what),
    )
    elements = {factor.name: found[0][factor.name, "elements", None] for factor in declaration.factors}
    yield from constants(problems[0], elements, len(problems))
    yield from some_elements(problems[0], elements, terms[0].elbo - terms[0].declared, len(problems))
    yield from suspects_of_q(problems)
    yield from suspects_of_divergences(problems)
    yield from suspects_of_pieces(problems)
    yield from suspects_of_points(problems, _parts)
    for factor in declaration.factors:
        counts = _counts(factor, declaration)
        for component in [*range(_groups(factor)), None]:
            for (name, piece, where), _ in found[0].items():
                if name == factor.name and where == component and piece not in ("elements", "log p"):
                    of = sizes(name, piece, component)
                    if piece.startswith("with "):
                        yield Suspect(piece.removeprefix("with "), "value", name, of, component)
                    else:
                        yield Suspect("", "value", name, of, component, times(piece, counts))
        for component in range(_groups(factor)):
            own = np.array(sizes(factor.name, "log p", component))
            yield Suspect("", "value", factor.name, tuple(own), component, times("E log p of this component"))
    yield from suspects_of_rows(problems)


def kl_times(counts: Mapping[str, float], of: str = "", states: bool = False) -> Callable[[float], str]:
    """Names for a KL divergence that enters 1 + a times; `of`: of which group of latents; `states`: of discrete ones.

    The entropy of enumerated states is written beside the expectation of log p: with one array in place of the other
    the two cancel.
    """
    said, counts = f" {of}" if of else "", {name: one for name, one in counts.items() if name != POINTS_OF_Q}

    def name(a: float) -> str:
        times = 1.0 + a
        if abs(times) < 1e-9:
            both = ", or the entropy of q is a cross-entropy, with log p in place of log q" if states else ""
            return f"missing: the KL divergence{said}{both}"
        if abs(times + 1.0) < 1e-9:
            return f"sign: the KL divergence{said}"
        number, known = counted(times, counts)
        return f"β ≠ 1: KL{said} × {times:.6g}" + (f" ({number}, {known})" if known else "")

    return name


def pieces(problem: Problem) -> Pieces:
    """What the ELBO is made of at the problem's parameters, factor by factor and component by component."""
    declaration = problem.declaration
    found: dict[tuple[str, str, int | None], float] = {}
    with double_precision():
        for factor in declaration.factors:
            log_density = factor.distribution.log_density(factor.value)
            parts = {"log p": log_density, **_parts(factor, declaration)}
            for name, elements in parts.items():
                value = over_data(factor, declaration, log_density, elements)
                found[factor.name, name, None] = float(value.sum())
                if len(value) > 1:
                    found.update({(factor.name, name, c): float(one) for c, one in enumerate(value)})
            count = over_data(factor, declaration, log_density, zeros(log_density) + 1.0)
            found[factor.name, "elements", None] = float(count.sum())
    return found


def _parts(factor: Factor, declaration: Declaration) -> dict[str, Any]:
    """Named parts of log p, and what other distributions would add to it ("with …"), element by element."""
    distribution: Any = factor.distribution
    value = factor.value
    eta, statistics = distribution.natural_parameters(), distribution.sufficient_statistics(value)
    density = distribution.log_density(value)
    parts: dict[str, Any] = {}
    if distribution.event_ndim == 1 and parts_of(distribution).gaussian == "u" and isinstance(value, type(eta[0])):
        parts.update(_of_vectors(distribution, value, density))
    if parts_of(distribution).mean_and_variance:  # two parameters with names of their own
        mean, variance = distribution.mean, distribution.variance
        squares = -((_coordinate(factor) - mean) ** 2) / (2.0 * variance)
        parts["the squares (x − μ)² / 2σ²"] = squares
        parts["½ log σ²"] = -0.5 * namespace(density).xp.log(variance + zeros(density))
        normal = type(distribution)
        for name, other in (
            ("σ² for σ", variance * variance),
            ("σ for σ²", variance**0.5),
            ("1 / σ² for σ²", 1.0 / variance),
            ("2 σ² for σ²", 2.0 * variance),
            ("½ σ² for σ²", 0.5 * variance),
        ):
            parts[f"with {name}"] = normal(mean, other).log_density(value) - density
        spread = _variance_part(factor, declaration)
        if spread is not None:
            parts["the variance under q in the squares (a trace)"] = -spread / (2.0 * variance)
            parts["the mean under q in the squares"] = squares + spread / (2.0 * variance)
    else:
        for k, (one, statistic) in enumerate(zip(eta, statistics, strict=True)):
            event = np.ndim(statistic) - np.ndim(density)
            named = parts_of(distribution).statistics
            which = f", T = {named[k]}" if named else f" {k + 1}" if len(eta) > 1 else ""
            if which.endswith("log u") and isinstance(distribution, Average):
                which += " (its exponent)"
            parts[f"the term η T(x){which}"] = inner((one,), (statistic,), (event,))
    if parts_of(distribution).states == "binary":
        parts["the elements that are 0, log (1 − p)"] = density * (1.0 - value)
        parts["the elements that are 1, log p"] = density * value
    parts["the log-partition A"] = -distribution.log_partition() + zeros(density)
    if not distribution.constant_base_measure:
        parts["the base measure log h"] = distribution.log_base_measure(value) + zeros(density)
    return parts


def _of_vectors(distribution: Any, value: Any, density: Any) -> dict[str, Any]:
    """The two terms of a multivariate normal density: its quadratic form and its determinant."""
    if getattr(distribution, "where", None) is not None:
        return {}
    dimensions = np.shape(value)[-1]
    log_det = distribution.entropy() - dimensions * (HALF_LOG_2PI + 0.5) + zeros(density)
    return {
        "½ log det Σ": -log_det,
        "the quadratic form ½ (x − μ)ᵀ Σ⁻¹ (x − μ)": density + log_det + dimensions * HALF_LOG_2PI,
    }


def _counts(factor: Factor, declaration: Declaration) -> dict[str, float]:
    """Numbers of one factor by which a term is divided or multiplied by mistake."""
    with double_precision():
        density = factor.distribution.log_density(factor.value)
        observed = float(over_data(factor, declaration, density, zeros(density) + 1.0).sum()) / (factor.weight or 1.0)
    event = int(np.shape(factor.value)[-1]) if factor.distribution.event_ndim == 1 and np.ndim(factor.value) else 1
    points = np.shape(weights_of(factor, declaration))[1:2] or (1,)
    found = {
        f"dimensions of {factor.name}": float(math.prod(np.shape(density)[2:]) * event),
        POINTS_OF_Q: float(points[0]),
    }
    if factor.where is not None:
        found[f"elements of {factor.name} that count, for each datum"] = observed * event
    weights = {f"weight of {one.name}": float(one.weight) for one in declaration.factors if one.weight != 1.0}
    return found | weights


def _coordinate(factor: Factor) -> Any:
    """What of the value is Gaussian."""
    value = factor.value
    return namespace(value).xp.log(value) if parts_of(factor.distribution).gaussian == "log u" else value


def _variance_part(factor: Factor, declaration: Declaration) -> Any:
    """Var_q(x − μ) per datum and element, spread over the points; None where elements have weights of their own."""
    distribution: Any = factor.distribution
    residual = _coordinate(factor) - distribution.mean + zeros(distribution.variance)
    weights = weights_of(factor, declaration)
    if np.ndim(weights) != 2 or np.ndim(residual) < 2:
        return None
    shaped = weights.reshape((*np.shape(weights), *(1,) * (np.ndim(residual) - 2)))
    residual = residual + zeros(shaped)
    return (residual - (shaped * residual).sum(1)[:, None]) ** 2


def _groups(factor: Factor) -> int:
    return 0 if factor.groups is None else int(np.shape(factor.groups)[-1])
