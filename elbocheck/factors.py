"""Factors: a latent-variable model, at given parameters, is a list of conditional distributions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from elbocheck.backends.namespace import Array
from elbocheck.families.base import Distribution


@dataclass(frozen=True)
class Factor:
    """One conditional distribution p(u | parents), evaluated at given parameters and at the points of q.

    `distribution` and `value` broadcast, from the right, to (N or 1, M, *elements, *event): data, points of q,
    independent elements, one value of the family.
    `parameters`: names of the blocks that the natural parameters are made of (disjoint between factors).
    `beta`: closed form of the direction β with η = (∂η/∂θ) β (THEORY section 4), one array per block; None leaves it
    to the least-squares criterion.
    `rescaling`: only for a prior without parameters: the tangent that undoes z -> a z in the other factors
    (−W for the first linear map, THEORY section 5); `rescaled`: the names of the latents that z -> a z multiplies.
    `where`: boolean, broadcasting to the elements: those that exist.
    `groups`: (N or 1, M, G) weights that split the factor into G parts with parameters of their own (mixture
    components, rows of a transition table); every array in `beta` then has a leading axis of length G.
    """

    name: str
    distribution: Distribution
    value: Array
    parameters: tuple[str, ...] = ()
    beta: Mapping[str, Array] | None = None
    rescaling: Mapping[str, Array] | None = None
    rescaled: tuple[str, ...] = ("z",)
    where: Array | None = None
    groups: Array | None = None


@dataclass(frozen=True)
class Declaration:
    """Everything that a bound is made of, at given parameters: q as weighted points, and the model's factors.

    Shapes: `weights` (N, M) or (N, M, E), `entropy` (N,), `rescaling`, `optimal` as in `posteriors.WeightedPoints`;
    `data_weights` (N,), summing to 1. `beta_by_criterion`: ignore closed forms of β, solve for them.
    """

    factors: tuple[Factor, ...]
    weights: Array
    entropy: Array
    data_weights: Array
    rescaling: Mapping[str, Array] | None = None
    optimal: bool = False
    beta_by_criterion: bool = False
