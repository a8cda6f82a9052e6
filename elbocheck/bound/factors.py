"""Factors: a latent-variable model, at given parameters, is a list of conditional distributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from elbocheck.backends.libraries import NUMPY, library_of
from elbocheck.backends.namespace import Array, namespace
from elbocheck.errors import DeclarationError
from elbocheck.families.base import Distribution


@dataclass(frozen=True)
class Factor:
    """One conditional distribution p(u | parents), evaluated at given parameters and at the points of q.

    `distribution` and `value` broadcast, from the right, to (N or 1, M, *elements, *event): data, points of q,
    independent elements, one value of the family.
    """

    name: str
    """Unique among the factors of a bound."""

    distribution: Distribution
    """The member of an exponential family, at every point."""

    value: Array
    """u: data, or what q's points say of a latent."""

    parameters: tuple[str, ...] = ()
    """Names of the blocks that the natural parameters are made of: a hint for β and for messages, may be left out.

    A name may be that of a branch of nested parameters, "decoder" for "decoder.0" and "decoder.1". Other factors, q and
    everything else may depend on the blocks, too.
    """

    beta: Mapping[str, Array] | None = None
    """Block -> the direction β with η = (∂η/∂θ) β (THEORY section 4) in closed form.

    None leaves it to the search (`elbocheck.bound.directions`). With `groups` every array has a leading axis G.
    """

    rescaling: Mapping[str, Array] | None = None
    """Only for a prior without parameters: the tangent that undoes z -> a z in the other factors.

    Block by block: −W for the first linear map (THEORY section 5).
    """

    rescaled: tuple[str, ...] = ("z",)
    """Names of the latents that z -> a z multiplies."""

    where: Array | None = None
    """Boolean, broadcasting to the elements: those that exist; None: all."""

    groups: Array | None = None
    """(N or 1, M, G): weights that split the factor into G parts with parameters of their own.

    Mixture components, or rows of a transition table.
    """

    weight: float = 1.0
    """Declared multiple of its terms in the bound, for annealed KL weights; positive."""


@dataclass(frozen=True)
class Declaration:
    """Everything that a bound is made of, at given parameters: q as weighted points, and the model's factors."""

    factors: tuple[Factor, ...]
    """The conditional distributions."""

    weights: Array
    """(N, M) or (N, M, E), see `posteriors.WeightedPoints`."""

    entropy: Array
    """H[q_n], (N,); or what it is the entropy of.

    A distribution or several, independent of each other, with data along the first axis of their batch (their entropies
    are added); or None for a q of enumerated states: −Σ_m r_nm log r_nm.
    """

    data_weights: Array
    """(N,), summing to 1."""

    rescaling: Mapping[str, Array] | None = None
    """The tangent along which every q_n is rescaled, see `posteriors.WeightedPoints`."""

    optimal: bool = False
    """Whether q is the optimum of the bound, so that it is stationary by itself."""

    beta_by_criterion: bool = False
    """Whether closed forms of β are ignored, and solved for."""

    entropy_weight: float = 1.0
    """Declared multiple of H[q] in the bound."""

    def resolved(self) -> Declaration:
        """The same in arrays of one library, with the entropy of q as an array (N,).

        Raises `DeclarationError` for a weight ≤ 0.
        """
        for name, weight in (("entropy_weight", self.entropy_weight), *((f.name, f.weight) for f in self.factors)):
            if not weight > 0.0:
                raise DeclarationError(f"the weight of {name!r} must be positive; got {weight!r}")
        same = _in_one_library(self)
        return replace(same, entropy=_entropy(same.entropy, same.weights))


def _in_one_library(declaration: Declaration) -> Declaration:
    """Constants that are NumPy's, in code of another library, as arrays of that library."""
    factors, entropy = declaration.factors, declaration.entropy
    parts = entropy if isinstance(entropy, tuple) else (entropy,)
    families: list[Any] = [*(factor.distribution for factor in factors), *(one for one in parts if is_dataclass(one))]
    arrays: list[Any] = [declaration.weights, declaration.data_weights]
    arrays += [one for one in parts if not is_dataclass(one)]
    arrays += [factor.value for factor in factors]
    arrays += [getattr(one, each.name) for one in families for each in fields(one)]
    others = [one for one in arrays if library_of([one]) is not NUMPY]
    if not others:
        return declaration
    convert = partial(_like, others[0])
    entropies = tuple(_converted(one, convert) for one in parts)
    return replace(
        declaration,
        weights=convert(declaration.weights),
        data_weights=convert(declaration.data_weights),
        entropy=entropies if isinstance(entropy, tuple) else entropies[0],
        factors=tuple(
            replace(
                factor,
                value=convert(factor.value),
                distribution=_converted(factor.distribution, convert),
                where=convert(factor.where),
                groups=convert(factor.groups),
            )
            for factor in factors
        ),
    )


def _converted(one: Any, convert: Callable[[Any], Any]) -> Any:
    """A family with its arrays converted, or an array."""
    if not is_dataclass(one) or isinstance(one, type):
        return convert(one)
    return replace(one, **{each.name: convert(getattr(one, each.name)) for each in fields(one) if each.init})


def _like(other: Any, array: Any) -> Any:
    if not isinstance(array, (np.ndarray, np.generic)) or array.dtype.kind not in "biuf":
        return array
    return library_of([other]).constant(np.asarray(array), other)


def _entropy(entropy: Any, weights: Array) -> Array:
    if entropy is None:
        xp = namespace(weights).xp
        positive = xp.where(weights > 0, weights, xp.ones_like(weights))
        return -xp.sum(xp.where(weights > 0, weights * xp.log(positive), xp.zeros_like(weights)), axis=-1)
    parts = entropy if isinstance(entropy, tuple) else (entropy,)
    if not all(hasattr(part, "sufficient_statistics") for part in parts):
        return entropy
    total: Any = 0.0
    for part in parts:
        each = part.entropy()
        while each.ndim > 1:
            each = namespace(each).xp.sum(each, axis=-1)
        total = total + each
    return total
