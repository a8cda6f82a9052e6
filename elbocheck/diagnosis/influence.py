"""What each part of a declared bound depends on: a part is blamed only for what its own terms can produce."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from elbocheck.backends.namespace import double_precision, namespace, plain
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.log_density import LogDensity, Penalty
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import natural_size, read
from elbocheck.bound.trees import covers
from elbocheck.diagnosis.suspects.of_groups import entropies, groups_of, under_of
from elbocheck.diagnosis.suspects.sums import over_data
from elbocheck.errors import ElbocheckError
from elbocheck.families import Average
from elbocheck.families.base import parts_of

MOVE = 1e-2
"""How far a block is moved, in its natural size."""
SEEN = 1e-12
"""A part that changes by less, relative to its terms, does not depend on a block."""
MOST_SECONDS = 10.0
"""Blocks that are not reached in this time are taken to influence everything."""


@dataclass(frozen=True)
class Part:
    """A term of the bound: the expectation of one factor, or the entropy of one group of latents."""

    kind: str
    """ "value" of a factor, or "entropy"."""

    factor: str
    """Name of the factor; "q" for an entropy."""

    label: str
    """For people."""

    blocks: frozenset[str]
    """Blocks that it depends on."""

    held: frozenset[str]
    """Those that it depends on while q is held, its weights and values: none for an entropy."""

    drawn: frozenset[str] = frozenset()
    """Blocks that move points of q, of any factor, so that distributions given the points move with q, too."""

    divergence: str = ""
    """Label of the entropy that it makes up a KL divergence with, of a prior in closed form."""


Sizes = Mapping[tuple[str, str, str], tuple[float, float]]
"""(kind, factor, label) -> (value, nats per datum; Σ|terms|)."""


def parts(problem: Problem, first: tuple[str, ...] = ()) -> tuple[Part, ...]:
    """Every part with what it depends on; the blocks `first` are tried first."""
    if "parts" not in problem.memory:
        problem.memory["parts"] = _parts(problem, first)
    found: tuple[Part, ...] = problem.memory["parts"]
    return found


def _parts(problem: Problem, first: tuple[str, ...]) -> tuple[Part, ...]:
    problem = next((one for one in problem.beside if np.isfinite(read(one).declared)), problem)  # no symmetric point
    base = problem.declaration
    here = sizes_of(problem, base)
    blocks: dict[tuple[str, str, str], set[str]] = {key: set() for key in here}
    held: dict[tuple[str, str, str], set[str]] = {key: set() for key in here}
    drawn: set[str] = set()
    raw = problem.call("factors", problem.code_params(problem.vector))
    given = [raw.entropy, *(one.entropy for one in groups_of(problem))]
    posterior = base.optimal or all(one is None for one in given)  # no proposal, whose density may be wrong, too
    deadline = time.perf_counter() + MOST_SECONDS
    rng, size = np.random.default_rng(0), natural_size(problem)
    for name in (*first, *(one for one in problem.layout.names if one not in first)):
        where, moved = problem.layout.slices[name], problem.vector.copy()
        moved[where] += MOVE * size[where] * rng.uniform(0.5, 1.0, where.stop - where.start)
        try:
            if time.perf_counter() > deadline:
                raise ElbocheckError("no time left")
            at = problem.at(moved)
            there, fixed = sizes_of(at, at.declaration), sizes_of(problem, with_q(at.declaration, base))
        except ElbocheckError:  # outside the domain of the code, or too late: nothing is excluded
            for found in (*blocks.values(), *held.values(), drawn):
                found.add(name)
            continue
        entropies_move = any(abs(there[k][0] - v) > SEEN * scale for k, (v, scale) in here.items() if k[0] == "entropy")
        if entropies_move and not (base.optimal or (posterior and _only_weights_move(base, at.declaration))):
            drawn.add(name)
        for key, (value, scale) in here.items():
            if abs(there[key][0] - value) > SEEN * scale:
                blocks[key].add(name)
            if key[0] == "value" and abs(fixed[key][0] - value) > SEEN * scale:
                held[key].add(name)
    pairs = _divergences(problem)
    return tuple(
        Part(*key, frozenset(blocks[key]), frozenset(held[key]), frozenset(drawn), pairs.get(key[1], ""))
        for key in here
    )


def _divergences(problem: Problem) -> dict[str, str]:
    """Factor -> the entropy that code writes it together with, of the priors in closed form."""
    several, under = len(groups_of(problem)) > 1, under_of(problem)
    closed = [one.name for one in problem.declaration.factors if isinstance(one.distribution, Average)]
    if not several:
        return dict.fromkeys(closed, "the entropy of q")
    return {name: f"the entropy of q({under[name][0]})" for name in closed if under.get(name)}


def _only_weights_move(one: Declaration, other: Declaration) -> bool:
    """Whether q differs by the weights of its points, and by nothing that a distribution given a point may hold."""
    same = True
    for before, after in zip(one.factors, other.factors, strict=True):
        if before.value is not None:
            same = same and np.array_equal(plain(before.value), plain(after.value))
        if isinstance(before.distribution, Average):
            same = False
    weights = [one.weights, *(factor.weights for factor in one.factors if factor.weights is not None)]
    others = [other.weights, *(factor.weights for factor in other.factors if factor.weights is not None)]
    return same and any(not np.array_equal(plain(a), plain(b)) for a, b in zip(weights, others, strict=True))


def with_q(declaration: Declaration, base: Declaration) -> Declaration:
    """The declaration with the weights of q, and the values of its latents, as they were."""
    own, factors = {one.name: one for one in base.factors}, []
    for one in declaration.factors:
        before, distribution = own[one.name], one.distribution
        if isinstance(distribution, Average) and isinstance(before.distribution, Average):
            distribution = replace(distribution, under=before.distribution.under)
        factors.append(replace(one, weights=before.weights, value=before.value, distribution=distribution, known=None))
    return replace(declaration, weights=base.weights, factors=tuple(factors))


def sizes_of(problem: Problem, declaration: Declaration) -> Sizes:
    """Every part's share of the declared bound; entropies without their weight."""
    found: dict[tuple[str, str, str], tuple[float, float]] = {}
    weights = plain(declaration.data_weights)
    with double_precision():
        for factor in declaration.factors:
            density = factor.distribution.log_density(factor.value)
            both = (density, namespace(density).xp.abs(density))
            value, scale = (float(over_data(factor, declaration, density, one).sum()) for one in both)
            found["value", factor.name, f"factor {factor.name}"] = (value, scale)
        if len(groups_of(problem)) > 1:
            for name, size in entropies(problem).items():
                found["entropy", "q", f"the entropy of q({name})"] = (size, abs(size) + 1.0)
        else:
            size = float(weights @ (plain(declaration.entropy) + 0.0 * weights))
            found["entropy", "q", "the entropy of q"] = (size, abs(size) + 1.0)
    return found


def able(found: tuple[Part, ...], off: Mapping[str, float]) -> list[Part]:
    """The parts that can produce a deviation that depends on the blocks `off`, the likeliest only; several if equal.

    Such a part depends on all of them. One with parameters of its own, that no other part has, would not leave them
    out, and of the others that is likeliest which depends on least besides. Where q is a function of the same
    parameters every part depends on all: then the loudest block counts that only one of them has while q is held, of
    those that move no points.
    """
    names = frozenset(off)
    fits = [one for one in found if names <= one.blocks]
    everything = len(fits) == len(found) > 2  # as where q is a function of the same parameters
    if len(fits) > 1:
        own = {
            one.label: [b for b in one.blocks - names if sum(b in other.blocks for other in found) == 1] for one in fits
        }
        least = min(len(blocks) for blocks in own.values())
        fits = [one for one in fits if len(own[one.label]) == least]
        if not everything:
            least = min(len(one.blocks - names) for one in fits)
            likeliest = [one for one in fits if len(one.blocks - names) == least]
            fits = [one for one in fits if one in likeliest or any(_paired(one, other) for other in likeliest)]
    entropies_of = frozenset().union(*(one.blocks for one in found if one.kind == "entropy"))
    if len(fits) > 1 and names and names <= entropies_of:
        loud = {
            one.label: max(
                (off[b] for b in (names & one.held) - one.drawn if sum(b in o.held for o in fits) == 1), default=0.0
            )
            for one in fits
        }
        most = max(loud.values())
        if most > 0.0:
            fits = [one for one in fits if loud[one.label] == most]
    return fits


def constant_in(problem: Problem, found: tuple[Part, ...]) -> list[Part]:
    """The parts whose terms hold something that no parameter changes: constants of densities, fixed priors, log h.

    Of a density or an entropy that is given by its numbers nothing is known: it may.
    """
    factors = {one.name: one for one in problem.declaration.factors}
    raw = problem.call("factors", problem.code_params(problem.vector))
    entropies_of = {f"the entropy of q({one.name})": one.entropy for one in groups_of(problem)}
    with double_precision():
        return [
            part
            for part in found
            if (
                _entropy_has_constant(entropies_of.get(part.label, next(iter(entropies_of.values()), raw.entropy)))
                if part.kind == "entropy"
                else _factor_has_constant(factors[part.factor], part)
            )
        ]


def _factor_has_constant(factor: Factor, part: Part) -> bool:
    distribution, kinds = factor.distribution, parts_of(factor.distribution)
    if isinstance(distribution, Penalty):
        return False
    if isinstance(distribution, LogDensity) or not distribution.constant_base_measure:
        return True
    fixed = not part.held and bool(np.any(plain(distribution.log_partition()) != 0.0))
    return fixed or kinds.log_pi or kinds.log_two


def _entropy_has_constant(entropy: Any) -> bool:
    """Of enumerated states (None), and where nothing is latent (zero), there is none."""
    families = entropy if isinstance(entropy, tuple) else (entropy,)
    given = [one for one in families if one is not None]
    return any(
        bool(parts_of(one).gaussian or parts_of(one).log_pi) if hasattr(one, "entropy") else bool(np.any(plain(one)))
        for one in given
    )


def _paired(one: Part, other: Part) -> bool:
    """Whether the two are written as one divergence."""
    return one.label == other.divergence or other.label == one.divergence


def owners_of(problem: Problem) -> dict[str, str]:
    """Block -> the one factor that it is a parameter of, as declared, or as it turns out.

    A block that no factor names is that of the one factor which depends on it while q is held, if q does not depend on
    it, or only because it is the optimum. (Where values are drawn from q, a factor's parameters depend on the draws.)
    """
    found: dict[str, list[str]] = {}
    for factor in problem.declaration.factors:
        for name in problem.layout.names:
            if any(covers(one, name) for one in factor.parameters):
                found.setdefault(name, []).append(factor.name)
    known = {name: owners[0] for name, owners in found.items() if len(owners) == 1}
    unnamed = [name for name in problem.layout.names if name not in found]
    if unnamed:
        pieces = parts(problem)
        of_q = frozenset().union(*(one.blocks - one.held for one in pieces))
        optimal = problem.declaration.optimal
        for name in unnamed:
            owners = [one.factor for one in pieces if one.kind == "value" and name in one.held]
            if len(owners) == 1 and (optimal or name not in of_q):
                known[name] = owners[0]
    return known
