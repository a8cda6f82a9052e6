"""Mistakes in sampled bounds and in bounds from which the latents are gone: from the points of q, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from elbocheck.backends.namespace import double_precision, plain
from elbocheck.bound.factors import Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.bound.terms import weights_of
from elbocheck.diagnosis.suspects.base import Suspect, multiple
from elbocheck.families.base import parts_of

TIMES = {"missing": -1.0, "half": -0.5, "twice": 1.0, "sign": -2.0}
"""Name -> by how much a term is too large, in units of itself."""
ELBO_OF_PROPOSAL = "the ELBO of the proposal, the mean of log weights, for the logarithm of their mean (IWAE)"
Terms = Callable[[Factor, Any], Mapping[str, Any]]
"""(factor, declaration) -> name of a term, or "with …" what stands in its place -> elements."""


def suspects_of_points(problems: Sequence[Problem], terms: Terms) -> Iterator[Suspect]:
    """`terms` of a factor, inside the logarithm of a sum; and log σ of q, from the spread of its points."""
    if problems[0].factors is None:
        return
    data = len(plain(problems[0].declaration.data_weights))
    with double_precision():
        found = [dict(_inside(problem, terms)) for problem in problems]
        spreads = [_log_spread(problem) for problem in problems]
    for factor, name in found[0]:
        sizes = tuple(one.get((factor, name), np.nan) for one in found)
        if factor == "q" and name != ELBO_OF_PROPOSAL:  # known up to log S
            yield Suspect("", "entropy", "q", sizes, coefficient=_exactly(name), offset=True, rank=2)
        else:
            yield Suspect(name, "entropy" if factor == "q" else "value", factor, sizes, rank=2)
    if all(one is not None for one in spreads):
        what = "log σ (½ log det Σ) in the entropy of q"
        sizes = tuple(float(one or 0.0) for one in spreads)
        yield Suspect("", "entropy", "q", sizes, coefficient=lambda a: multiple(what, a, data), offset=True)


def _exactly(name: str) -> Callable[[float], str]:
    return lambda a: name if abs(a - 1.0) < 1e-9 else f"multiple {a:.6g}: {name}"


def _inside(problem: Problem, terms: Terms) -> Iterator[tuple[tuple[str, str], float]]:
    """log E_r exp δ, r the weights of q: what a term that is off by δ adds to log Σ p(x, z), or to log of a mean of
    importance weights, from which r is made."""
    declaration = problem.declaration
    data_weights = plain(declaration.data_weights)
    for factor in declaration.factors:
        r = plain(weights_of(factor, declaration))
        if r.ndim != 2 or r.shape[1] < 2 or r.shape[0] != len(data_weights) or np.ptp(r) == 0.0:
            continue  # equal weights are those of samples, and of no posterior
        density = factor.distribution.log_density(factor.value)
        own = {"log p": density, **terms(factor, declaration)}
        for name, elements in own.items():
            each = _per_point(factor, plain(elements) + np.zeros(np.shape(density)), r)
            yield from _collapsed(factor.name, name, each, r, data_weights)
    r = plain(declaration.weights)
    if r.ndim == 2 and r.shape[0] == len(data_weights) and r.shape[1] > 1 and np.ptp(r) > 0.0 and np.all(r > 0.0):
        joint = [
            one.weight * _per_point(one, plain(density) + np.zeros(np.shape(density)), r)
            for one in declaration.factors
            if np.ndim(density := one.distribution.log_density(one.value)) > 1 and one.weights is None
        ]
        log_p = np.sum(joint, axis=0) + np.zeros(r.shape)
        evidence = (r * log_p).sum(1) + plain(declaration.entropy)
        log_q = log_p - np.log(r) - evidence[:, None]  # as r is made from p / q
        if np.ptp(log_q) > 1e-9:  # the proposal is another than r
            yield from _collapsed("q", "log q", -log_q, r, data_weights)
            yield ("q", ELBO_OF_PROPOSAL), float(data_weights @ (np.log(r).mean(1) + np.log(r.shape[1])))


def _per_point(factor: Factor, elements: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Summed over elements: (N, M)."""
    if factor.where is not None:
        elements = np.where(plain(factor.where), elements, 0.0)
    return np.broadcast_to(elements.reshape((*elements.shape[:2], -1)).sum(-1), r.shape)


def _collapsed(
    factor: str, name: str, each: np.ndarray, r: np.ndarray, data_weights: np.ndarray
) -> Iterator[tuple[tuple[str, str], float]]:
    whole = {name.removeprefix("with "): 1.0} if name.startswith("with ") else TIMES
    for how, times in whole.items():
        of = "" if factor == "q" else f" of {factor}"
        said = f"{how}: {name}{of}" if how in TIMES else how
        with np.errstate(all="ignore"):
            most = (times * each).max(1, keepdims=True)
            size = float(data_weights @ (most[:, 0] + np.log((r * np.exp(times * each - most)).sum(1))))
        yield (factor, f"{said}, inside the logarithm of the sum"), size


def _log_spread(problem: Problem) -> float | None:
    """Σ log of the spread of the drawn points of q, nats per datum: ½ log det of its covariance, but for a constant.

    Only where the entropy is given by its numbers, so that no family tells.
    """
    raw: Any = problem.call("factors", problem.code_params(problem.vector))
    groups = (raw.q,) if isinstance(raw.q, Latents) else tuple(raw.q)
    given = [one.entropy for one in groups] + ([raw.entropy] if raw.entropy is not None else [])
    if not given or any(entropy is None or hasattr(entropy, "entropy") for entropy in given):
        return None
    declaration, total = problem.declaration, 0.0
    data_weights = plain(declaration.data_weights)
    once = 1.0 / float(raw.data or len(data_weights))
    drawn = [f for f in declaration.factors if parts_of(f.distribution).gaussian == "u" and np.ndim(f.value) > 1]
    for factor in (one for one in drawn if np.shape(one.value)[1] > 1):
        points = plain(factor.value)
        spread = np.log(points.reshape((*points.shape[:2], -1)).std(1)).sum(1)
        total += float(data_weights @ spread) if len(spread) == len(data_weights) > 1 else once * float(spread.sum())
    return total if drawn and np.isfinite(total) and total else None
