"""Mistakes in one term of an entropy that is written out, and in expected statistics such as E log τ under q."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from elbocheck.backends.namespace import double_precision, plain
from elbocheck.bound.latents import Latents
from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.problem import Problem
from elbocheck.diagnosis.suspects.base import Suspect, multiple
from elbocheck.diagnosis.suspects.sums import over_data
from elbocheck.families import Average
from elbocheck.families.base import inner, parts_of

OF_EXPONENTS = " (an exponent off by one)"
"""Of the expected statistics of a prior, that come with its parameters."""
OF_PARTITION = " in the log-partition A"
Key = tuple[str, str, str]
"""(kind, factor, name of the term); a name that begins with "E " is of an expected statistic."""


def suspects_of_pieces(problems: Sequence[Problem]) -> Iterator[Suspect]:
    """Terms of the entropies of q's families, with a wrong sign or twice or lost; expected statistics, once or half."""
    if problems[0].factors is None:
        return
    with double_precision():
        found = [dict(_pieces(problem)) for problem in problems]
    for key in found[0]:
        kind, factor, name = key
        sizes = tuple(one.get(key, math.nan) for one in found)
        whole = kind == "entropy" or name.endswith(OF_PARTITION)
        named = _lost_or_turned(name, "½" in name or "A" in name) if whole else _once(name)
        rarer = 1 if kind == "entropy" or name.endswith(OF_EXPONENTS) else 2
        yield Suspect("", kind, factor, sizes, coefficient=named, usual_only=True, rank=rarer)


def _lost_or_turned(what: str, halves: bool) -> Callable[[float], str]:
    """Names of multiples of one term: half and twice only of one that has a ½ of its own, or of a whole A."""

    def name(a: float) -> str:
        if not halves and min(abs(a + 0.5), abs(a - 1.0)) < 1e-9:
            return f"multiple {1.0 + a:.6g}: {what}"
        return multiple(what, a, 1)

    return name


def _once(what: str) -> Callable[[float], str]:
    """Names for a statistic that is added or subtracted, once or half: an exponent off by one, a ½ forgotten."""

    def name(a: float) -> str:
        for usual, said in ((1.0, ""), (0.5, "½ "), (2.0, "twice ")):
            if abs(abs(a) - usual) < 1e-9:
                return f"{said}{what}, {'too much' if a > 0 else 'lost'}"
        return f"multiple {a:.6g}: {what}"

    return name


def _pieces(problem: Problem) -> Iterator[tuple[Key, float]]:
    """(term, its share of the bound, nats per datum) at the problem's parameters."""
    declaration = problem.declaration
    raw: Any = problem.call("factors", problem.code_params(problem.vector))
    shares = plain(declaration.data_weights)
    once = np.ones(1) / float(raw.data or len(shares))
    groups = (raw.q,) if isinstance(raw.q, Latents) else tuple(raw.q)
    families = [(f" of q({g.name})", g.entropy, shares if g.plate is not None else once) for g in groups]
    if raw.entropy is not None:
        families.append((" of q", raw.entropy, shares))
    under = {one.name: (one.under,) if isinstance(one.under, str) else tuple(one.under) for one in raw.factors}
    for place, entropy, weights in families:
        times = float(raw.entropy_weight)
        for part in entropy if isinstance(entropy, tuple) else (entropy,):
            if not hasattr(part, "mean_statistics"):
                continue
            for name, term in _of_entropy(part).items():
                yield ("entropy", "q", f"{name} in the entropy{place}"), times * _summed(term, weights, part)
            for factor in declaration.factors:
                if not isinstance(factor.distribution, LogDensity):
                    continue
                if any(place == f" of q({one})" for one in under.get(factor.name, ())) or len(families) == 1:
                    for name, term in _of_statistics(part).items():
                        yield ("value", factor.name, f"{name} under q"), _summed(term, np.ones(1), part)
    for factor in declaration.factors:
        if isinstance(factor.distribution, Average):
            density = factor.distribution.log_density(factor.value)
            for name, term in _of_statistics(factor.distribution.under).items():
                size = float(over_data(factor, declaration, density, term).sum())
                yield ("value", factor.name, f"{name} under q{OF_EXPONENTS}"), size
            for name, term in _of_partition(factor.distribution.distribution).items():
                size = float(over_data(factor, declaration, density, term).sum())
                yield ("value", factor.name, f"{name}{OF_PARTITION}"), size


def _of_partition(prior: Any) -> dict[str, Any]:
    """Terms of −A as they are written out: log Γ, that stand in the entropy with the other sign."""
    written = prior.entropy_terms() if hasattr(prior, "entropy_terms") else {}
    return {name: -term for name, term in written.items() if "log Γ" in name}


def _of_entropy(part: Any) -> dict[str, Any]:
    """Terms of H = A − η · E T, and of the entropy as it is written out."""
    eta, means, log_partition = part.natural_parameters(), part.mean_statistics(), part.log_partition()
    found = {"the log normaliser A": log_partition}
    for name, one, mean in zip(_names(part), eta, means, strict=True):
        found[f"η · {name}"] = -inner((one,), (mean,), (np.ndim(mean) - np.ndim(log_partition),))
    if hasattr(part, "entropy_terms"):
        found.update(part.entropy_terms())
    return found


def _of_statistics(part: Any) -> dict[str, Any]:
    """E log of a value, or of parts of it, summed over its axes."""
    ndim, found = np.ndim(part.log_partition()), {}
    for name, mean in zip(_names(part), part.mean_statistics(), strict=True):
        if name.startswith("E log"):  # only logarithms come with exponents
            found[name] = inner((1.0,), (mean,), (np.ndim(mean) - ndim,))
    return found


def _names(part: Any) -> Sequence[str]:
    count = len(part.natural_parameters())
    known = parts_of(part).statistics
    return [f"E {one}" for one in known] if len(known) == count else [f"E T {k + 1}" for k in range(count)]


def _summed(term: Any, weights: np.ndarray, part: Any) -> float:
    """Over all axes but the first, which `weights` are of."""
    each = plain(term) + np.zeros(np.shape(plain(part.entropy())))
    rows = each.reshape(len(each), -1).sum(1) if each.ndim else each.reshape(1)
    if len(weights) == 1 and len(rows) > 1:
        return float(rows.mean() * weights[0])
    return float(np.broadcast_to(rows, weights.shape) @ weights)
