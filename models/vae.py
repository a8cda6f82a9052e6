"""Variational autoencoders and sparse coding: each model is a choice of prior × decoder × observation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elbocheck.backends.namespace import Array, zeros
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families.base import Distribution
from elbocheck.models.base import SPREADS, Data, Model, Params, Starts, Symmetries, Theory, no_symmetries
from elbocheck.models.decoder import Decoder
from elbocheck.models.support import together


@dataclass(frozen=True, eq=False)
class Prior:
    """p(z)."""

    family: str
    """For tables."""

    distribution: Callable[[Arrays, Array], Distribution]
    """(params, latents, for their namespace and dtype) -> elementwise distribution."""

    blocks: tuple[Block, ...] = ()
    """Its parameters; empty for a fixed one, which rescaling the latents covers."""

    beta: Callable[[Arrays], Mapping[str, Array]] | None = None
    """params -> closed form of β."""

    initial: Callable[[np.random.Generator, int], Params] = lambda rng, latents: {}
    """(rng, K) -> random starting parameters."""

    latent: str = "z"
    """Which latents of q are its value."""

    moments: tuple[str, ...] = ()
    """As in `Model`."""

    log_degree: float = 0.0
    """What one unit of log a adds to its parameters, which are logarithms, where z -> a z."""


@dataclass(frozen=True, eq=False)
class Observation:
    """p(x | z) from features of z."""

    family: str
    """For tables."""

    heads: Callable[[str], tuple[Block, ...]]
    """Name of the axis of features -> blocks of the linear layers."""

    weights: tuple[str, ...]
    """Names of those that multiply features."""

    distribution: Callable[[Arrays, Array], Distribution]
    """(params, features) -> elementwise distribution of the data."""

    beta: Callable[[Arrays], Mapping[str, Array]] | None
    """params -> closed form of β; None if there is none."""

    initial: Callable[[np.random.Generator, np.ndarray, np.ndarray, int], Params]
    """(rng, x, data_weights, number of features) -> random starting parameters."""

    true: Callable[[np.random.Generator, int, int], Params]
    """(rng, D, number of features) -> parameters of well-specified problems."""

    sample: Callable[[np.random.Generator, Any], np.ndarray]
    """(rng, distribution) -> data of well-specified problems."""

    data: Data
    """What its data are like."""

    value: Callable[[Array], Array] = lambda x: x
    """Data (N, 1, D) -> as the family wants them."""

    axes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of axes of its own."""

    single_datum_frozen: tuple[str, ...] = ()
    """As in `Starts`."""

    spreads: tuple[float, ...] = SPREADS
    """As in `Starts`."""

    symmetries: Symmetries = no_symmetries
    """As in `Theory`."""


def vae(
    name: str,
    title: str,
    theory: str,
    prior: Prior,
    decoder: Decoder,
    observation: Observation,
    out_of_scope: str = "",
    well_specified: bool = False,
) -> Model:
    """The model z ~ prior, x | z ~ observation(decoder(z)).

    `well_specified`: problems meant to be solvable have data from the model itself and start near the truth: jointly
    trained hidden layers mostly run to infinity from elsewhere.
    """
    heads = observation.heads(decoder.axis)
    owned = tuple(block.name for block in (*decoder.blocks, *heads))

    def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
        features = decoder.features(params, latents["z"])
        names = tuple(block.name for block in prior.blocks)
        return (
            Factor(
                "z",
                prior.distribution(params, latents[prior.latent]),
                latents[prior.latent],
                parameters=names,
                beta=prior.beta(params) if prior.beta else None,
                rescaling=None if names else decoder.rescaling(params, observation.weights),
                rescaled=("z", *prior.moments),
                where=fixed["exists_K"],
            ),
            Factor(
                "x",
                observation.distribution(params, features),
                observation.value(fixed["x"][:, None, :]),
                parameters=owned,
                beta=observation.beta(params) if observation.beta else None,
                where=fixed["exists_D"],
            ),
        )

    def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, latents: int) -> Params:
        return {
            **prior.initial(rng, latents),
            **decoder.initial(rng, latents),
            **observation.initial(rng, x, data_weights, decoder.width(latents)),
        }

    def truth(rng: np.random.Generator, data: int, observed: int, latents: int) -> tuple[np.ndarray, Params]:
        params = {
            **{block.name: np.zeros(latents) for block in prior.blocks},
            **decoder.initial(rng, latents),
            **observation.true(rng, observed, decoder.width(latents)),
        }
        z = rng.normal(size=(1, data, latents))
        x = observation.sample(rng, observation.distribution(params, decoder.features(params, z)))[0]
        near = {name: value + 0.1 * rng.normal(size=np.shape(value)) for name, value in params.items()}
        return x, near

    def collapsed(params: Params, subset: np.ndarray) -> tuple[Params, Params]:
        """Latents that the decoder does not use: posterior collapse, an exact saddle."""
        names = ("hidden_weights",) if "hidden_weights" in params else observation.weights
        held = {name: np.broadcast_to(subset, params[name].shape) for name in names}
        moved = {name: np.where(held[name], 0.0, params[name]) for name in names}
        if "hidden_weights" in params and subset.all():  # no hidden layer either, so that nothing is left to bend
            for name in observation.weights:
                held[name] = np.ones(params[name].shape, dtype=bool)
                moved[name] = np.zeros(params[name].shape)
        for block in prior.blocks:  # the prior that q = N(0, 1) matches
            held[block.name] = subset
            moved[block.name] = np.where(subset, 0.0, params[block.name])
        return {**params, **moved}, held

    def scalings(params: Arrays) -> tuple[dict[str, Array], ...]:
        """The prior's scale of one latent, undone in the first linear map that reads it; none for a fixed prior."""
        found: list[dict[str, Array]] = []
        for block in prior.blocks:
            first = ("hidden_weights",) if "hidden_weights" in params else observation.weights
            for unit in np.eye(params[block.name].shape[0]):
                own = {block.name: zeros(params[block.name]) + prior.log_degree * unit}
                found.append({**own, **{name: -params[name] * unit for name in first}})
        return tuple(found)

    return Model(
        name=name,
        title=title,
        blocks=(*prior.blocks, *decoder.blocks, *heads),
        factors=factors,
        axes={**decoder.axes, **observation.axes},
        moments=prior.moments,
        data=observation.data,
        starts=Starts(
            initial=initial,
            collapsed=collapsed,
            spreads=observation.spreads,
            truth=truth if well_specified else None,
            single_datum_frozen=observation.single_datum_frozen,
        ),
        theory=Theory(
            row=theory,
            families=(prior.family, observation.family),
            constant_base_measure=True,
            out_of_scope=out_of_scope,
            symmetries=together(decoder.symmetries, observation.symmetries),
            scalings=scalings,
        ),
    )
