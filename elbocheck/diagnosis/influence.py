"""What each part of a declared bound depends on: a part is blamed only for what its own terms can produce."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from elbocheck.backends.namespace import double_precision, namespace, plain
from elbocheck.bound.factors import Declaration
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import natural_size, read
from elbocheck.bound.trees import covers
from elbocheck.diagnosis.suspects.of_groups import entropies, groups_of
from elbocheck.diagnosis.suspects.sums import over_data
from elbocheck.errors import ElbocheckError
from elbocheck.families import Average

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
    here = _sizes(problem, base)
    blocks: dict[tuple[str, str, str], set[str]] = {key: set() for key in here}
    held: dict[tuple[str, str, str], set[str]] = {key: set() for key in here}
    deadline = time.perf_counter() + MOST_SECONDS
    rng, size = np.random.default_rng(0), natural_size(problem)
    for name in (*first, *(one for one in problem.layout.names if one not in first)):
        where, moved = problem.layout.slices[name], problem.vector.copy()
        moved[where] += MOVE * size[where] * rng.uniform(0.5, 1.0, where.stop - where.start)
        try:
            if time.perf_counter() > deadline:
                raise ElbocheckError("no time left")
            at = problem.at(moved)
            there, fixed = _sizes(at, at.declaration), _sizes(problem, _with_q(at.declaration, base))
        except ElbocheckError:  # outside the domain of the code, or too late: nothing is excluded
            for found in (*blocks.values(), *held.values()):
                found.add(name)
            continue
        for key, (value, scale) in here.items():
            if abs(there[key][0] - value) > SEEN * scale:
                blocks[key].add(name)
            if key[0] == "value" and abs(fixed[key][0] - value) > SEEN * scale:
                held[key].add(name)
    return tuple(Part(*key, frozenset(blocks[key]), frozenset(held[key])) for key in here)


def _with_q(declaration: Declaration, base: Declaration) -> Declaration:
    """The declaration with the weights of q, and the values of its latents, as they were."""
    own, factors = {one.name: one for one in base.factors}, []
    for one in declaration.factors:
        before, distribution = own[one.name], one.distribution
        if isinstance(distribution, Average) and isinstance(before.distribution, Average):
            distribution = replace(distribution, under=before.distribution.under)
        factors.append(replace(one, weights=before.weights, value=before.value, distribution=distribution, known=None))
    return replace(declaration, weights=base.weights, factors=tuple(factors))


def _sizes(problem: Problem, declaration: Declaration) -> Sizes:
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
    parameters every part depends on all: then the loudest block counts that only one of them has while q is held.
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
            fits = [one for one in fits if len(one.blocks - names) == least]
    entropies_of = frozenset().union(*(one.blocks for one in found if one.kind == "entropy"))
    if len(fits) > 1 and names and names <= entropies_of:
        loud = {
            one.label: max((off[b] for b in names & one.held if sum(b in o.held for o in fits) == 1), default=0.0)
            for one in fits
        }
        most = max(loud.values())
        if most > 0.0:
            fits = [one for one in fits if loud[one.label] == most]
    return fits


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
