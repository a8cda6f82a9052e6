"""Variational autoencoders and sparse coding: each model is a choice of prior × decoder × observation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elbocheck.backends.namespace import Array
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families.base import Distribution
from elbocheck.models.base import Model, Params, Repair, Units, as_drawn
from elbocheck.models.decoder import Decoder


@dataclass(frozen=True, eq=False)
class Prior:
    """p(z): `distribution(params, xp, like)` elementwise; `blocks` empty for a fixed one, then covered by rescaling."""

    family: str
    distribution: Callable[[Arrays, Array], Distribution]
    blocks: tuple[Block, ...] = ()
    beta: Callable[[Arrays], Mapping[str, Array]] | None = None
    initial: Callable[[np.random.Generator, int], Params] = lambda rng, latents: {}
    latent: str = "z"
    moments: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Observation:
    """p(x | z) from features of z.

    `heads(axis)`: blocks of the linear layers; `weights`: names of those that multiply features; `distribution(params,
    features)`; `value(x)`: data (N, 1, D) as the family wants them; `beta(params)`: closed form of β, None if there is
    none; `true(rng, D, F)`, `sample(rng, distribution)`: parameters and data of well-specified problems;
    `initial(rng, x, data_weights, F)`; `simulate(rng, N, D, K)`; the other fields as in `Model`.
    """

    family: str
    heads: Callable[[str], tuple[Block, ...]]
    weights: tuple[str, ...]
    distribution: Callable[[Arrays, Array], Distribution]
    beta: Callable[[Arrays], Mapping[str, Array]] | None
    initial: Callable[[np.random.Generator, np.ndarray, np.ndarray, int], Params]
    check_data: Callable[[np.ndarray], None]
    simulate: Callable[[np.random.Generator, int, int, int], np.ndarray]
    true: Callable[[np.random.Generator, int, int], Params]
    sample: Callable[[np.random.Generator, Any], np.ndarray]
    value: Callable[[Array], Array] = lambda x: x
    axes: Mapping[str, int] = field(default_factory=dict)
    units: Units = "none"
    repair: Repair = as_drawn
    single_datum_frozen: tuple[str, ...] = ()
    distinct: int = 2
    spreads: tuple[float, ...] = (0.0, 2.0, 10.0)


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

    return Model(
        name=name,
        title=title,
        theory=theory,
        blocks=(*prior.blocks, *decoder.blocks, *heads),
        factors=factors,
        initial=initial,
        collapsed=collapsed,
        check_data=observation.check_data,
        families=(prior.family, observation.family),
        constant_base_measure=True,
        simulate=observation.simulate,
        axes={**decoder.axes, **observation.axes},
        moments=prior.moments,
        units=observation.units,
        distinct_data=lambda observed: observation.distinct,
        repair=observation.repair,
        spreads=observation.spreads,
        truth=truth if well_specified else None,
        out_of_scope=out_of_scope,
        single_datum_frozen=observation.single_datum_frozen,
    )
