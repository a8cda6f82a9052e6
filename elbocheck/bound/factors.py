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
from elbocheck.errors import DeclarationError, ElbocheckError, named
from elbocheck.families.average import Average
from elbocheck.families.base import Distribution
from elbocheck.limits import pass_on


@dataclass(frozen=True)
class Factor:
    """One conditional distribution p(u | parents), evaluated at given parameters and at the points of q.

    `distribution` and `value` broadcast, from the right, to (N or 1, M, *elements, *event): data, points of q,
    independent elements, one value of the family.
    """

    name: str
    """Unique among the factors of a bound."""

    distribution: Distribution | LogDensity | Any
    """The member of an exponential family, at every point, or another density, by its numbers or by name: anything of
    `elbocheck.densities` or with such a `family`, `event_ndim` and `log_density(value)`."""

    value: Any = None
    """u: data, or what q's points say of a latent; a density given as numbers needs none."""

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

    under: str | tuple[str, ...] = ()
    """Names of the groups of latents whose points it needs, where there are several (`Declaration.q`)."""

    weights: Array | None = None
    """Of its own points, (N or 1, M) or (N or 1, M, E), in place of the declaration's."""

    known: Array | None = None
    """Its log density at `value`, where that has been computed."""


@dataclass(frozen=True)
class Declaration:
    """Everything that a bound is made of, at given parameters: q as weighted points, and the model's factors.

    With one group of latents for every datum, `weights` and `entropy` are all there is to say of q; otherwise `q` lists
    its independent groups, and factors say under which they are expectations.
    """

    factors: tuple[Factor, ...]
    """The conditional distributions."""

    weights: Any = None
    """(N, M) or (N, M, E), see `posteriors.WeightedPoints`."""

    entropy: Any = None
    """H[q_n], (N,); or what it is the entropy of.

    A distribution or several, independent of each other, with data along the first axis of their batch (their entropies
    are added); or None for a q of enumerated states: −Σ_m r_nm log r_nm.
    """

    data_weights: Any = None
    """(N,), summing to 1; None for 1/N."""

    rescaling: Mapping[str, Array] | None = None
    """The tangent along which every q_n is rescaled, see `posteriors.WeightedPoints`."""

    optimal: bool = False
    """Whether q is the optimum of the bound, so that it is stationary by itself."""

    beta_by_criterion: bool = False
    """Whether closed forms of β are ignored, and solved for."""

    entropy_weight: float = 1.0
    """Declared multiple of H[q] in the bound."""

    q: tuple[Latents, ...] | Latents = ()
    """The independent groups of latents, in place of `weights` and `entropy`."""

    penalties: Mapping[str, Array] = field(default_factory=dict)
    """Name -> scalar, nats per datum: what is added to the bound and is no distribution."""

    at_most: bool = False
    """Whether the reported bound may lie below this one (Jaakkola and Jordan's, free bits), with any gradient."""

    data: int | None = None
    """How many data the rows stand for, where it is not N: what is there once for all counts as one of so many."""

    def resolved(self) -> Declaration:
        """The same in arrays of one library, with the entropy of q as an array (N,), and without groups of latents.

        Raises `DeclarationError` for a weight ≤ 0, and for groups that do not fit.
        """
        for name, weight in (("entropy_weight", self.entropy_weight), *((f.name, f.weight) for f in self.factors)):
            if not weight > 0.0:
                raise DeclarationError(f"the weight of {name!r} must be positive; got {weight!r}")
        same = _densities_as_numbers(_in_one_library(_as_numbers(self)))
        if same.q:
            return _without_groups(same)
        if same.weights is None:
            raise DeclarationError("the declaration says nothing of q: give `weights` (N, M) and `entropy`, or `q`")
        return replace(
            same,
            entropy=entropy_of(same.entropy, same.weights),
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
    except BaseException as error:  # parameters and value that do not fit, whatever the library calls it
        pass_on(error)
        raise DeclarationError(
            f"factor {factor.name!r}: its log density raised {named(error)}. Parameters and value of "
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
        elif value is None and isinstance(distribution, Average):
            value = _shaped_like_a_value(distribution)
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
    return replace(declaration, factors=tuple(factors), q=_groups(declaration), penalties={})


def _groups(declaration: Declaration) -> tuple[Latents, ...]:
    return (declaration.q,) if isinstance(declaration.q, Latents) else tuple(declaration.q)


def _shaped_like_a_value(average: Average) -> Array:
    """The expected statistic that has the shape of a value: u, not u uᵀ or log |U|."""
    batch = np.ndim(average.under.log_partition())
    means = average.under.mean_statistics()
    return next((one for one in means if np.ndim(one) == batch + average.event_ndim), means[0])


PENALTY = ("penalty",)


def _densities_as_numbers(declaration: Declaration) -> Declaration:
    """With named densities, which have no natural parameters, as what they are at the value of their factor."""
    factors = []
    for factor in declaration.factors:
        if not hasattr(factor.distribution, "natural_parameters"):
            numbers = log_density_of(factor)
            factor = replace(factor, distribution=LogDensity.of(factor.distribution, numbers), value=numbers)
        factors.append(factor)
    return replace(declaration, factors=tuple(factors))


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
    arrays += [array for one in families for array in _arrays_of(one)]
    others = [one for one in arrays if library_of([one]) is not NUMPY]
    return _with_arrays(declaration, partial(_like, others[0])) if others else declaration


def for_numbers(declaration: Declaration) -> Declaration:
    """For values that nothing is differentiated through: NumPy's arrays where the library compiles each operation."""
    return _with_arrays(declaration, lambda one: np.asarray(one) if library_of([one]).compiles_each else one)


def _with_arrays(declaration: Declaration, convert: Callable[[Any], Any]) -> Declaration:
    """The same with all of its arrays converted."""

    def converted(entropy: Any) -> Any:
        if isinstance(entropy, tuple):
            return tuple(_converted(one, convert) for one in entropy)
        return _converted(entropy, convert)

    return replace(
        declaration,
        weights=convert(declaration.weights),
        data_weights=convert(declaration.data_weights),
        entropy=converted(declaration.entropy),
        q=tuple(
            replace(
                group,
                points=convert(group.points),
                weights=convert(group.weights),
                entropy=converted(group.entropy),
            )
            for group in _groups(declaration)
        ),
        penalties={name: convert(penalty) for name, penalty in declaration.penalties.items()},
        factors=tuple(
            replace(
                factor,
                value=convert(factor.value),
                distribution=_converted(factor.distribution, convert),
                where=convert(factor.where),
                groups=convert(factor.groups),
                weights=convert(factor.weights),
            )
            for factor in declaration.factors
        ),
    )


def _rows(declaration: Declaration) -> int:
    """N: the most rows of anything; every log density must be known."""
    arrays = [declaration.weights, declaration.data_weights]
    arrays += [one for group in declaration.q for one in (group.points, group.weights)]  # type: ignore[union-attr]
    shapes = [np.shape(one) for one in arrays if one is not None]
    shapes += [np.shape(log_density_of(factor)) for factor in declaration.factors]
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
    like = log_density_of(known[0])
    xp = namespace(like).xp
    shares = _data_weights(declaration, rows, like)
    once = 1.0 / float(declaration.data or rows)
    factors = tuple(_under_its_groups(factor, groups, like, once) for factor in declaration.factors)
    entropy = xp.zeros_like(shares)
    for group in groups.values():
        own = entropy_of(
            group.entropy, group.weights if group.weights is not None else xp.ones((1, 1), dtype=like.dtype)
        )
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
    if factor.weights is not None:
        raise DeclarationError(
            f"factor {factor.name!r} has weights of its own; with q=… its points have those of its groups "
            f"{', '.join(map(repr, under))}: give them there"
        )
    own = [groups[name] for name in under]
    shape = np.shape(log_density_of(factor))
    weights = joint_weights(factor.name, own, shape[1] if len(shape) > 1 else 1, like)
    alone = all(group.plate is None for group in own) and shape[0] == 1
    return replace(factor, weights=weights, under=(), weight=factor.weight * (once if alone else 1.0))


def _arrays_of(one: Any) -> list[Any]:
    """What the fields of a family hold, and of those in it."""
    held = [getattr(one, each.name) for each in fields(one)]
    return [array for part in held for array in (_arrays_of(part) if is_dataclass(part) else [part])]


def _converted(one: Any, convert: Callable[[Any], Any]) -> Any:
    """A family with its arrays converted, or an array."""
    if not is_dataclass(one) or isinstance(one, type):
        return convert(one)
    return replace(
        one, **{each.name: _converted(getattr(one, each.name), convert) for each in fields(one) if each.init}
    )


def _like(other: Any, array: Any) -> Any:
    if not isinstance(array, (np.ndarray, np.generic)) or array.dtype.kind not in "biuf":
        return array
    return library_of([other]).constant(np.asarray(array), other)


def entropy_of(entropy: Any, weights: Array) -> Array:
    """H[q] (N,) from an array, a distribution or several, or None for enumerated states of these weights (N, M)."""
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
