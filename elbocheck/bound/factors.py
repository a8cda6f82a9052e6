"""Factors: a latent-variable model, at given parameters, is a list of conditional distributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from elbocheck.backends.libraries import NUMPY, library_of
from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.latents import Latents, by_name, joint_weights
from elbocheck.bound.log_density import LogDensity, Penalty
from elbocheck.errors import DeclarationError, ElbocheckError
from elbocheck.families.base import Distribution


@dataclass(frozen=True)
class Factor:
    """One conditional distribution p(u | parents), evaluated at given parameters and at the points of q.

    `distribution` and `value` broadcast, from the right, to (N or 1, M, *elements, *event): data, points of q,
    independent elements, one value of the family.
    `parameters`: names of the blocks that the natural parameters are made of: a hint for the search for β and for
    messages, which may be left out; other factors, q and everything else may depend on them, too.
    `beta`: closed form of the direction β with η = (∂η/∂θ) β (THEORY section 4), one array per block; None leaves it
    to the search (`elbocheck.bound.directions`).
    `rescaling`: only for a prior without parameters: the tangent that undoes z -> a z in the other factors
    (−W for the first linear map, THEORY section 5); `rescaled`: the names of the latents that z -> a z multiplies.
    `where`: boolean, broadcasting to the elements: those that exist.
    `groups`: (N or 1, M, G) weights that split the factor into G parts with parameters of their own (mixture
    components, rows of a transition table); every array in `beta` then has a leading axis of length G.
    `parameters` may name a branch of nested parameters, "decoder" for "decoder.0" and "decoder.1".
    `weight`: declared multiple of its terms in the bound, for annealed KL weights; positive.
    `under`: names of the groups of latents whose points it needs, where there are several (`Declaration.q`);
    `weights`: of its own points, (N or 1, M) or (N or 1, M, E), in place of the declaration's; `known`: its log
    density at `value`, where that has been computed.
    """

    name: str
    distribution: Distribution | LogDensity
    value: Any = None
    parameters: tuple[str, ...] = ()
    beta: Mapping[str, Array] | None = None
    rescaling: Mapping[str, Array] | None = None
    rescaled: tuple[str, ...] = ("z",)
    where: Array | None = None
    groups: Array | None = None
    weight: float = 1.0
    under: str | tuple[str, ...] = ()
    weights: Array | None = None
    known: Array | None = None


@dataclass(frozen=True)
class Declaration:
    """Everything that a bound is made of, at given parameters: q as weighted points, and the model's factors.

    With one group of latents for every datum, `weights` and `entropy` are all there is to say of q; otherwise `q` lists
    its independent groups, `Latents`, and factors say under which they are expectations.

    Shapes: `weights` (N, M) or (N, M, E), `entropy` (N,), `rescaling`, `optimal` as in `posteriors.WeightedPoints`;
    `data_weights` (N,), summing to 1, default 1/N; `data`: how many data that is, where it is not N (rows that stand
    for several equal data): what is there once for all data counts as one of so many per datum.
    `penalties`: name -> scalar, nats per datum, what is added to the bound and is no distribution.
    `at_most`: the reported bound may lie below this one (Jaakkola and Jordan's bound, free bits), with any gradient.
    `beta_by_criterion`: ignore closed forms of β, solve for them.
    `entropy` may also be a distribution or several, independent of each other, with data along the first axis of their
    batch (their entropies are added), or None for a q of enumerated states: −Σ_m r_nm log r_nm.
    `entropy_weight`: declared multiple of H[q] in the bound.
    """

    factors: tuple[Factor, ...]
    weights: Any = None
    entropy: Any = None
    data_weights: Any = None
    rescaling: Mapping[str, Array] | None = None
    optimal: bool = False
    beta_by_criterion: bool = False
    entropy_weight: float = 1.0
    q: tuple[Latents, ...] | Latents = ()
    penalties: Mapping[str, Array] = field(default_factory=dict)
    at_most: bool = False
    data: int | None = None

    def resolved(self) -> Declaration:
        """The same in arrays of one library, with the entropy of q as an array (N,), and without groups of latents.

        Raises `DeclarationError` for a weight ≤ 0, and for groups that do not fit.
        """
        for name, weight in (("entropy_weight", self.entropy_weight), *((f.name, f.weight) for f in self.factors)):
            if not weight > 0.0:
                raise DeclarationError(f"the weight of {name!r} must be positive; got {weight!r}")
        same = _in_one_library(_as_numbers(self))
        if same.q:
            return _without_groups(same)
        if same.weights is None:
            raise DeclarationError("the declaration says nothing of q: give `weights` (N, M) and `entropy`, or `q`")
        return replace(
            same,
            entropy=_entropy(same.entropy, same.weights),
            data_weights=_data_weights(same, np.shape(same.weights)[0], same.weights),
        )


def log_density_of(factor: Factor) -> Array:
    """log p(u) of a factor, (N or 1, M, *elements); raises `DeclarationError` for anything else."""
    if factor.known is not None:
        return factor.known
    try:
        log_density = factor.distribution.log_density(factor.value)
    except ElbocheckError:
        raise
    except Exception as error:  # parameters and value that do not fit, whatever the library calls it
        text = (str(error).strip().splitlines() or ["no message"])[0]
        raise DeclarationError(
            f"factor {factor.name!r}: its log density raised {type(error).__name__}: {text}. Parameters and value of "
            f"{type(factor.distribution).__name__} must be arrays of one library that broadcast to (data, points of q, "
            "*elements)"
        ) from error
    if np.ndim(log_density) < 2:
        own, family = factor.distribution.event_ndim, type(factor.distribution).__name__
        hint = f"; a value of {family} has {own} more axes of its own (one-hot rows, not integers)" if own else ""
        raise DeclarationError(
            f"factor {factor.name!r}: its log density has shape {np.shape(log_density)}; "
            f"expected (data, points of q, *elements) with sizes of 1 where nothing varies{hint}"
        )
    return log_density


def _as_numbers(declaration: Declaration) -> Declaration:
    """With penalties as factors, log densities as numbers, and one form of what may be given in two."""
    factors = []
    for factor in declaration.factors:
        value, distribution = factor.value, factor.distribution
        if isinstance(distribution, LogDensity):
            distribution = distribution.at(value)
            value = distribution.values
        elif value is None:
            raise DeclarationError(f"factor {factor.name!r} has no value")
        under = (factor.under,) if isinstance(factor.under, str) else tuple(factor.under)
        factors.append(replace(factor, distribution=distribution, value=value, under=under))
    for name, penalty in declaration.penalties.items():
        if np.shape(penalty) not in ((), (1,)):
            raise DeclarationError(f"penalty {name!r} must be a scalar, nats per datum; got shape {np.shape(penalty)}")
        term = Penalty(
            namespace(penalty).xp.reshape(penalty, (1, 1)) if np.ndim(penalty) else penalty * np.ones((1, 1))
        )
        factors.append(Factor(name, term, term.values, under=PENALTY))
    q = (declaration.q,) if isinstance(declaration.q, Latents) else tuple(declaration.q)
    return replace(declaration, factors=tuple(factors), q=q, penalties={})


PENALTY = ("penalty",)


def _in_one_library(declaration: Declaration) -> Declaration:
    """Constants that are NumPy's, in code of another library, as arrays of that library."""
    parts = [
        one
        for entropy in (declaration.entropy, *(group.entropy for group in declaration.q))  # type: ignore[union-attr]
        for one in (entropy if isinstance(entropy, tuple) else (entropy,))
    ]
    factors = declaration.factors
    families: list[Any] = [*(factor.distribution for factor in factors), *(one for one in parts if is_dataclass(one))]
    arrays: list[Any] = [declaration.weights, declaration.data_weights]
    arrays += [one for one in parts if not is_dataclass(one)]
    arrays += [one for factor in factors for one in (factor.value, factor.weights)]
    arrays += [one for group in declaration.q for one in (group.points, group.weights)]  # type: ignore[union-attr]
    arrays += [getattr(one, each.name) for one in families for each in fields(one)]
    others = [one for one in arrays if library_of([one]) is not NUMPY]
    if not others:
        return declaration
    convert = partial(_like, others[0])

    def entropy_of(entropy: Any) -> Any:
        if isinstance(entropy, tuple):
            return tuple(_converted(one, convert) for one in entropy)
        return _converted(entropy, convert)

    return replace(
        declaration,
        weights=convert(declaration.weights),
        data_weights=convert(declaration.data_weights),
        entropy=entropy_of(declaration.entropy),
        q=tuple(
            replace(
                group,
                points=convert(group.points),
                weights=convert(group.weights),
                entropy=entropy_of(group.entropy),
            )
            for group in declaration.q  # type: ignore[union-attr]
        ),
        factors=tuple(
            replace(
                factor,
                value=convert(factor.value),
                distribution=_converted(factor.distribution, convert),
                where=convert(factor.where),
                groups=convert(factor.groups),
                weights=convert(factor.weights),
            )
            for factor in factors
        ),
    )


def _rows(declaration: Declaration) -> int:
    """N: the most rows of anything; every log density must be known."""
    arrays = [declaration.weights, declaration.data_weights]
    arrays += [one for group in declaration.q for one in (group.points, group.weights)]  # type: ignore[union-attr]
    shapes = [np.shape(one) for one in arrays if one is not None]
    shapes += [np.shape(factor.known) for factor in declaration.factors]
    return max((shape[0] for shape in shapes if shape), default=1)


def _data_weights(declaration: Declaration, rows: int, like: Array) -> Array:
    if declaration.data_weights is not None:
        return declaration.data_weights
    return namespace(like).xp.ones((rows,), dtype=like.dtype) / rows


def _without_groups(declaration: Declaration) -> Declaration:
    """The same with weights for each factor; what is there once for all data is weighted as one of them."""
    if declaration.weights is not None or declaration.entropy is not None:
        raise DeclarationError("give `q`, or `weights` and `entropy` of its only group, not both")
    known = tuple(replace(factor, known=log_density_of(factor)) for factor in declaration.factors)
    declaration = replace(declaration, factors=known)
    groups, rows = by_name(declaration.q), _rows(declaration)  # type: ignore[arg-type]
    like = known[0].known
    xp = namespace(like).xp
    shares = _data_weights(declaration, rows, like)
    once = 1.0 / float(declaration.data or rows)
    factors = tuple(_under_its_groups(factor, groups, like, once) for factor in declaration.factors)
    entropy = xp.zeros_like(shares)
    for group in groups.values():
        own = _entropy(group.entropy, group.weights if group.weights is not None else xp.ones((1, 1), dtype=like.dtype))
        own = own + xp.zeros((1,), dtype=like.dtype)
        if group.plate is None and own.shape[0] != 1:
            raise DeclarationError(
                f"latents {group.name!r} are there once for all data (plate=None), but have {own.shape[0]} entropies"
            )
        if own.shape[0] not in (1, rows):
            raise DeclarationError(f"latents {group.name!r} have {own.shape[0]} entropies for {rows} data")
        entropy = entropy + (own if group.plate is not None else once * own)
    weights = xp.ones((rows, 1), dtype=like.dtype)
    return replace(declaration, q=(), factors=factors, weights=weights, entropy=entropy, data_weights=shares)


def _under_its_groups(factor: Factor, groups: Mapping[str, Latents], like: Array, once: float) -> Factor:
    if factor.under == PENALTY and isinstance(factor.distribution, Penalty):
        return replace(factor, weights=namespace(like).xp.ones((1, 1), dtype=like.dtype), under=())
    under = tuple(factor.under) or (tuple(groups) if len(groups) == 1 else ())
    unknown = [name for name in under if name not in groups]
    if unknown:
        raise DeclarationError(f"factor {factor.name!r} is under {unknown}; the groups of latents are {list(groups)}")
    if not under:
        raise DeclarationError(
            f"factor {factor.name!r} must say under which groups of latents it is an expectation: "
            f"under=… of {list(groups)}"
        )
    own = [groups[name] for name in under]
    shape = np.shape(factor.known)
    weights = joint_weights(factor.name, own, shape[1] if len(shape) > 1 else 1, like)
    alone = all(group.plate is None for group in own) and shape[0] == 1
    return replace(factor, weights=weights, under=(), weight=factor.weight * (once if alone else 1.0))


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
