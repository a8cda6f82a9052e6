"""Decoders: what feeds the last, linear layers of a network from z: z itself, or a hidden layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.models.base import Params, Symmetries, no_symmetries


@dataclass(frozen=True, eq=False)
class Decoder:
    """Features of z, on which every head of the observation model is linear."""

    name: str
    """In the names of models."""

    axis: str
    """Axis name of the features."""

    blocks: tuple[Block, ...]
    """Its parameters, without the heads."""

    features: Callable[[Arrays, Array], Array]
    """(params, z (N or 1, M, K)) -> (N or 1, M, F)."""

    rescaling: Callable[[Arrays, tuple[str, ...]], Mapping[str, Array]]
    """(params, weights) -> the tangent that undoes z -> a z in all heads (THEORY section 5).

    `weights` names their weight blocks.
    """

    initial: Callable[[np.random.Generator, int], Params]
    """(rng, K) -> starting parameters."""

    symmetries: Symmetries = no_symmetries
    """What changes no feature."""

    axes: Mapping[str, int] = field(default_factory=dict)
    """Axis name -> length, of axes that no model has; empty where the features are z itself."""

    def width(self, latents: int) -> int:
        """Number of features."""
        return self.axes.get(self.axis, latents)


def head(features: Array, weights: Array, bias: Array) -> Array:
    """Linear layer: features (N, M, F), weights (*out, F), bias (*out) -> (N, M, *out)."""
    xp = namespace(features).xp
    flat = xp.matmul(features, xp.matrix_transpose(xp.reshape(weights, (-1, weights.shape[-1]))))
    return xp.reshape(flat, flat.shape[:-1] + bias.shape) + bias


def undo_in_heads(params: Arrays, weights: tuple[str, ...]) -> dict[str, Array]:
    """−W for the first linear map, which here is every head."""
    return {name: -params[name] for name in weights}


LINEAR = Decoder("linear", "K", (), lambda params, z: z, undo_in_heads, lambda rng, latents: {})

HIDDEN = 2


def hidden_layer(params: Arrays, z: Array) -> Array:
    """tanh(e^g V z + b)."""
    xp = namespace(z).xp
    weights = xp.exp(params["hidden_gain"]) * params["hidden_weights"]
    return xp.tanh(xp.matmul(z, xp.matrix_transpose(weights)) + params["hidden_bias"])


def undo_in_gain(params: Arrays, weights: tuple[str, ...]) -> dict[str, Array]:
    """−1 for the log gain: a direction that exists with V and b fixed, too."""
    return {"hidden_gain": -namespace(params["hidden_gain"]).xp.ones_like(params["hidden_gain"])}


def gain_for_weights(params: Arrays) -> tuple[dict[str, Array], ...]:
    """e^g V is the same with g + t and e^-t V."""
    gain = namespace(params["hidden_gain"]).xp.ones_like(params["hidden_gain"])
    return ({"hidden_gain": gain, "hidden_weights": -params["hidden_weights"]},)


def initial_hidden(rng: np.random.Generator, latents: int) -> Params:
    """Units that bend within the range of z, each at another place."""
    return {
        "hidden_gain": np.zeros(()),
        "hidden_weights": rng.uniform(1.2, 2.0, (HIDDEN, latents)) * rng.choice([-1.0, 1.0], (HIDDEN, latents)),
        "hidden_bias": np.linspace(-1.2, 1.2, HIDDEN) + 0.2 * rng.normal(size=HIDDEN),
    }


MULTILAYER = Decoder(
    "mlp",
    "H",
    (Block("hidden_gain"), Block("hidden_weights", ("H", "K")), Block("hidden_bias", ("H",))),
    hidden_layer,
    undo_in_gain,
    initial_hidden,
    gain_for_weights,
    {"H": HIDDEN},
)
