"""Groups of latents: q as a product of parts, each once for every datum or once for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.errors import DeclarationError

JACOBIAN = "the Jacobian of "
"""Begins the name of a group that is no latent, but the Jacobian of a map that makes one: a part of H[q]."""


@dataclass(frozen=True)
class Latents:
    """One independent group of latents: its weighted points, its entropy, and how often it is there.

    Global latents (weights of a network, inducing values, topics, parameters with a prior) are there once for all
    data; nats per datum come out all the same, so nothing must be divided by the number of data.
    """

    name: str
    """What factors that need its points call it, see `Factor.under`."""
    points: Array | None = None
    """Values (N or 1, M, *elements, *event), for checks of shapes; factors are handed theirs."""
    weights: Array | None = None
    """(N or 1, M), or (N or 1, M, E) with weights of their own for each of E elements, rows summing to 1; one point of
    weight 1 where it is left out, or as many equally likely ones as `points` has."""
    entropy: Any = None
    """H[q] in nats: an array (N,), or (1,) or () for a global group; a distribution or several independent ones of
    `elbocheck.families`; None for enumerated states: −Σ_m r_m log r_m."""
    plate: str | None = "data"
    """"data": one for every datum; None: one for all."""

    def __post_init__(self) -> None:
        if self.plate not in ("data", None):
            raise DeclarationError(f'latents {self.name!r}: the plate must be "data" or None; got {self.plate!r}')
        if self.entropy is None and self.weights is None:
            raise DeclarationError(
                f"latents {self.name!r} have neither an entropy nor weights; a group that is held has `entropy=0.0`"
            )

    @property
    def count(self) -> int:
        """Number of points."""
        if self.weights is not None:
            return int(np.shape(self.weights)[1])
        return 1 if self.points is None else int(np.shape(self.points)[1])


def by_name(groups: Sequence[Latents]) -> Mapping[str, Latents]:
    """Name -> group; raises `DeclarationError` for two of one name."""
    names = [one.name for one in groups]
    if len(set(names)) < len(names):
        raise DeclarationError(
            f"two groups of latents are called {max(names, key=names.count)!r}; names must be unique"
        )
    return dict(zip(names, groups, strict=True))


def joint_weights(factor: str, groups: Sequence[Latents], points: int, like: Array) -> Array:
    """Weights (N or 1, M[, E]) of the points of a factor under several groups.

    With as many points as each group has they are drawn jointly, one of each; with the product of their numbers they
    are all combinations, the last group's points fastest. Raises `DeclarationError` for any other number.
    """
    counts = [one.count for one in groups if one.count > 1]
    if points > 1 and points not in (int(np.prod(counts)), *(counts if len(set(counts)) == 1 else ())):
        raise DeclarationError(
            f"factor {factor!r} has {points} points; its groups {', '.join(f'{g.name!r} ({g.count})' for g in groups)} "
            "have so many, so that it needs their number (drawn jointly) or their product (all combinations)"
        )
    own = [_weights(one, like) for one in groups if one.count > 1] or [_weights(groups[0], like)]
    jointly = len(own) > 1 and points == counts[0] and len(set(counts)) == 1
    found = own[0]
    xp = namespace(found).xp
    if jointly:
        for other in own[1:]:
            if isinstance(found, np.ndarray) and isinstance(other, np.ndarray) and not np.all(found == other):
                raise DeclarationError(
                    f"factor {factor!r}: points drawn jointly must have the same weights in each group"
                )
        return found
    for other in own[1:]:
        if found.ndim > 2 or other.ndim > 2:
            raise DeclarationError(f"factor {factor!r}: combinations of points cannot have weights for each element")
        both = found[:, :, None] * other[:, None, :]
        found = xp.reshape(both, (both.shape[0], both.shape[1] * both.shape[2]))
    return found


def _weights(group: Latents, like: Array) -> Array:
    if group.weights is not None:
        return group.weights
    xp = namespace(like).xp
    return xp.ones((1, group.count), dtype=like.dtype) / group.count
