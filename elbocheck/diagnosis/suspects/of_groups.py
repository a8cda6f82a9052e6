"""Mistakes in one of several groups of latents: its entropy, or the divergence of its q from its prior."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from elbocheck.backends.namespace import double_precision, plain
from elbocheck.bound.factors import Declaration, entropy_of
from elbocheck.bound.latents import JACOBIAN, Latents
from elbocheck.bound.problem import Problem
from elbocheck.diagnosis.suspects.base import Suspect

Named = Callable[[str], Callable[[float], str]]
Weighted = Callable[[str, str], Callable[[float], str]]


def groups_of(problem: Problem) -> tuple[Latents, ...]:
    """The groups of latents that a problem declares; none for the short form."""
    q = _declared(problem).q
    return (q,) if isinstance(q, Latents) else tuple(q)


def _declared(problem: Problem) -> Declaration:
    """As it is written, groups and all."""
    found: Declaration = problem.call("factors", problem.code_params(problem.vector))
    return found


def suspects_of_groups(
    problems: Sequence[Problem], densities: Mapping[str, Sequence[float]], times: Named, weighted: Weighted
) -> Iterator[Suspect]:
    """`densities`: factor -> E log p at each point, nats per datum; `times`, `weighted`: names of multiples."""
    found = [entropies(problem) for problem in problems]
    if len(found[0]) < 2:
        return
    under = under_of(problems[0])
    for group in found[0]:
        entropy = np.array([one[group] for one in found])
        what = group if group.startswith(JACOBIAN) else f"the entropy of q({group})"
        yield Suspect("", "entropy", "q", tuple(entropy), coefficient=times(what))
        for name, groups in under.items():
            if name in densities and [one for one in groups if not one.startswith(JACOBIAN)] == [group]:
                whole = np.sum([[one[part] for one in found] for part in groups], axis=0)
                own = np.array(densities[name]) + whole
                yield Suspect("", "value", name, tuple(own), coefficient=weighted(f"of q({group})", name))


def entropies(problem: Problem) -> dict[str, float]:
    """Group -> its share of H[q], nats per datum."""
    declaration, found = problem.declaration, {}
    shares = plain(declaration.data_weights)
    once = 1.0 / float(declaration.data or len(shares))
    with double_precision():
        for group in groups_of(problem):
            weights = np.ones((1, 1)) if group.weights is None else group.weights
            own = plain(entropy_of(group.entropy, weights)) + np.zeros(1)
            found[group.name] = float(once * own.sum() if group.plate is None else shares @ (own + 0.0 * shares))
    return found


def under_of(problem: Problem) -> dict[str, tuple[str, ...]]:
    """Factor -> the groups that it is an expectation under."""
    factors = _declared(problem).factors
    return {one.name: (one.under,) if isinstance(one.under, str) else tuple(one.under) for one in factors}
