"""Mistakes in the variational distribution and in sums over its points, elements and dimensions, by their size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from elbocheck.backends.namespace import double_precision, plain
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.bound.terms import weights_of
from elbocheck.diagnosis.suspects.base import Suspect, multiple
from elbocheck.diagnosis.suspects.sums import HALF_LOG_2PI
from elbocheck.families.base import parts_of

MOST = 64
"""Single states, points, elements and dimensions are suspects where there are at most so many."""

Key = tuple[str, str, str]
"""(kind, factor, name of the mistake)."""


def suspects_of_q(problems: Sequence[Problem]) -> Iterator[Suspect]:
    """Mistakes that need q itself: its states, marginals, determinant; single points, elements and dimensions."""
    if problems[0].factors is None:
        return
    with double_precision():
        found = [dict(_mistakes(problem)) for problem in problems]
    data = len(np.asarray(problems[0].declaration.data_weights))
    for key in found[0]:
        kind, factor, name = key
        sizes = tuple(one.get(key, math.nan) for one in found)
        if name.startswith("×"):
            what = name.removeprefix("×")
            yield Suspect("", kind, factor, sizes, coefficient=lambda a, what=what: multiple(what, a, data))  # type: ignore[misc]
        else:
            yield Suspect(name, kind, factor, sizes)


def _mistakes(problem: Problem) -> Iterator[tuple[Key, float]]:
    """(mistake, what it adds to the ELBO) at the problem's parameters; "×…": with a coefficient to be found."""
    assert problem.factors is not None
    declaration = problem.declaration
    raw = problem.factors(problem.code_params(problem.vector))
    entropy, groups = raw.entropy, (raw.q,) if isinstance(raw.q, Latents) else tuple(raw.q)
    densities = {f.name: plain(f.distribution.log_density(f.value)) for f in declaration.factors}
    weights, data_weights = plain(declaration.weights), plain(declaration.data_weights)
    for group in groups:
        once = np.ones(1) / float(raw.data or len(data_weights))
        for part in group.entropy if isinstance(group.entropy, tuple) else (group.entropy,):
            if "normal" in getattr(part, "family", ""):
                yield from _of_gaussian(part, data_weights if group.plate is not None else once, raw.entropy_weight)
    if entropy is None and weights.ndim == 2 and not groups:
        yield from _of_states(declaration, weights, data_weights, densities)
    elif entropy is not None:
        for part in entropy if isinstance(entropy, tuple) else (entropy,):
            if parts_of(part).gaussian:
                yield from _of_gaussian(part, data_weights, raw.entropy_weight)
    for factor in declaration.factors:
        own = plain(weights_of(factor, declaration))
        if own.ndim == 2 and own.shape[0] == len(data_weights):
            yield from _of_sums(factor, densities[factor.name], own, data_weights)


def _of_states(
    declaration: Declaration, r: np.ndarray, w: np.ndarray, densities: dict[str, np.ndarray]
) -> Iterator[tuple[Key, float]]:
    """Mistakes with enumerated states: one forgotten, means and marginals for the whole, KL(p ‖ q)."""
    each, mean = _surprise(r), w @ r
    entropy = float(w @ each.sum(1))
    of_mean = ("entropy", "q", "the entropy of the mean of q, not the mean of the entropies")
    yield of_mean, float(_surprise(mean).sum()) - entropy
    if r.shape[1] <= MOST:
        for m, size in enumerate(w @ each):
            yield ("entropy", "q", f"state {m} is left out of the entropy of q"), -size
    marginals = {f.name: _marginals(f, r, w) for f in declaration.factors if np.shape(f.value)[0] == 1}
    known = {name: sizes for name, sizes in marginals.items() if sizes is not None}
    for name, sizes in known.items():
        for e, size in enumerate(sizes[:MOST]):
            place = f"the entropy of {name}" + (f"[{e}]" if len(sizes) > 1 else "")
            yield ("entropy", "q", f"{place} is subtracted from that of q"), -size
            yield ("entropy", "q", f"{place} is added to that of q"), size
    if known and len(known) == len(marginals):
        total = sum(float(sizes.sum()) for sizes in known.values())
        yield ("entropy", "q", "the entropy of independent latents, the sum of their marginals'"), total - entropy
    priors = [name for name, density in densities.items() if density.shape[0] == 1]
    if priors:
        log_p = sum(_per_point(densities[name])[0] for name in priors) + np.zeros(r.shape[1])
        p = np.exp(log_p)
        if abs(p.sum() - 1.0) < 1e-9 and np.all(r > 0):
            forward = float(w @ (r * (np.log(r) - log_p)).sum(1))
            backward = float(w @ (p * (log_p - np.log(r))).sum(1))
            yield ("value", priors[-1], "KL(p ‖ q) for KL(q ‖ p)"), forward - backward


def _of_gaussian(part: Any, w: np.ndarray, weight: float) -> Iterator[tuple[Key, float]]:
    """A mistake in the entropy of a Gaussian q: its determinant; its constants are with the other constants."""
    each = plain(part.entropy())
    event = np.shape(part.mean)[-1] if part.event_ndim else 1
    size = event * math.prod(each.shape[1:])
    entropy = float(np.broadcast_to(each.reshape(len(each), -1).sum(1), w.shape) @ w)
    of_determinant = entropy - (HALF_LOG_2PI + 0.5) * size * float(w.sum())
    yield ("entropy", "q", "×½ log det of the covariance of q"), weight * of_determinant


def _of_sums(factor: Factor, density: np.ndarray, r: np.ndarray, w: np.ndarray) -> Iterator[tuple[Key, float]]:
    """Mistakes in the sums over points of q and over elements of one factor."""
    density = factor.weight * np.broadcast_to(density, (*r.shape, *density.shape[2:]))
    points = _per_point(density)
    expected = float(w @ (r * points).sum(1))
    if 1 < r.shape[1] <= MOST:
        for m, size in enumerate(w @ points):
            yield ("value", factor.name, f"point {m} of q stands for all"), size - expected
        most = points.max(1)
        with np.errstate(all="ignore"):
            log_mean = most + np.log((r * np.exp(points - most[:, None])).sum(1))
        mistake = ("value", factor.name, "the logarithm of a mean over points, for the mean of logarithms")
        yield mistake, float(w @ log_mean) - expected
    elements = density.reshape((*r.shape, -1))
    count = elements.shape[2]
    if factor.where is None and 1 < count <= MOST:
        for e, size in enumerate(np.einsum("n,nm,nme->e", w, r, elements)):
            yield ("value", factor.name, f"element {e} is left out"), -size
            yield ("value", factor.name, f"element {e} is counted twice"), size


def _marginals(factor: Factor, r: np.ndarray, w: np.ndarray) -> np.ndarray | None:
    """Entropies of the elements of a discrete latent (E,), averaged over data; None for any other factor."""
    value = plain(factor.value)[0]
    states = parts_of(factor.distribution).states
    if states == "one-hot":
        p = np.einsum("nm,mek->nek", r, value.reshape((len(value), -1, value.shape[-1])) + np.zeros((r.shape[1], 1, 1)))
    elif states == "binary":
        ones = np.einsum("nm,me->ne", r, value.reshape((len(value), -1)) + np.zeros((r.shape[1], 1)))
        p = np.stack([ones, 1.0 - ones], axis=-1)
    else:
        return None
    result: np.ndarray = w @ _surprise(p).sum(-1)
    return result


def _surprise(p: np.ndarray) -> np.ndarray:
    """−p log p, element by element."""
    return -p * np.log(np.where(p > 0, p, 1.0))


def _per_point(density: np.ndarray) -> np.ndarray:
    """Summed over elements: (N or 1, M)."""
    return density.reshape((*density.shape[:2], -1)).sum(-1)
