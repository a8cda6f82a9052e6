"""Amortised Gaussian q: an encoder from the standardised datum to mean and log standard deviation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.models.base import Model, Params, Variational
from elbocheck.models.variational.exact import gaussian_entropy
from elbocheck.models.variational.quadrature import Points, at_nodes, expectations

Initial = Callable[[np.random.Generator, Model, np.ndarray, int], Params]
NODES = 5


def _heads(params: Arrays, features: Array) -> tuple[Array, Array]:
    """Linear mean head and linear log-std head (exp, with a bias: rescaling z moves that bias alone)."""
    xp = namespace(features).xp
    mean = xp.matmul(features, xp.matrix_transpose(params["encoder_mean"])) + params["encoder_mean_bias"]
    spread = xp.matmul(features, xp.matrix_transpose(params["encoder_spread"])) + params["encoder_spread_bias"]
    return mean, spread


def _points(model: Model, params: Arrays, fixed: Arrays, features: Array) -> WeightedPoints:
    mean, log_deviation = _heads(params, features)
    z, weights = at_nodes(mean, log_deviation, fixed, NODES)
    rescaling = {name: params[name] for name in ("encoder_mean", "encoder_mean_bias")}
    rescaling["encoder_spread_bias"] = namespace(mean).xp.ones_like(params["encoder_spread_bias"])
    latents = {"z": z, **expectations(model, mean, log_deviation)}
    return WeightedPoints(latents, weights, gaussian_entropy(log_deviation, fixed["exists_K"]), rescaling)


def scalings(params: Arrays) -> tuple[dict[str, Array], ...]:
    """The heads of one latent: its mean by a factor, its log standard deviation by a constant."""
    found = []
    for unit in np.eye(params["encoder_mean_bias"].shape[0]):
        moved = {"encoder_mean": params["encoder_mean"] * unit[:, None]}
        moved["encoder_mean_bias"] = params["encoder_mean_bias"] * unit
        moved["encoder_spread_bias"] = zeros(params["encoder_spread_bias"]) + unit
        found.append(moved)
    return tuple(found)


def linear_encoder(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """m_n = A x̃_n + a, log s_n = B x̃_n + b."""
    return _points(model, params, fixed, fixed["inputs"])


def multilayer_encoder(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """The same heads on tanh(V x̃_n + v)."""
    xp = namespace(fixed["inputs"]).xp
    hidden = xp.matmul(fixed["inputs"], xp.matrix_transpose(params["encoder_hidden"])) + params["encoder_hidden_bias"]
    return _points(model, params, fixed, xp.tanh(hidden))


def _initial_heads(rng: np.random.Generator, features: int, latents: int) -> Params:
    return {
        "encoder_mean": rng.normal(scale=features**-0.5, size=(latents, features)),
        "encoder_mean_bias": 0.3 * rng.normal(size=latents),
        "encoder_spread": 0.1 * rng.normal(size=(latents, features)),
        "encoder_spread_bias": 0.3 * rng.normal(size=latents) - 0.7,
    }


def initial_linear(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """Means of order one."""
    return _initial_heads(rng, x.shape[1], latents)


def initial_multilayer(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """A hidden layer that does not saturate."""
    return {
        **_initial_heads(rng, HIDDEN, latents),
        "encoder_hidden": rng.normal(scale=0.7 * x.shape[1] ** -0.5, size=(HIDDEN, x.shape[1])),
        "encoder_hidden_bias": 0.3 * rng.normal(size=HIDDEN),
    }


def collapsed(model: Model, params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """q equals the prior N(0, 1) for latents that the decoder does not use."""
    names = ("encoder_mean", "encoder_mean_bias", "encoder_spread", "encoder_spread_bias")
    held = {
        name: np.broadcast_to(subset.reshape(-1, *[1] * (params[name].ndim - 1)), params[name].shape) for name in names
    }
    return {name: np.where(held[name], 0.0, params[name]) for name in names}, dict(held)


HIDDEN = 3


def _head_blocks(features: str) -> tuple[Block, ...]:
    return (
        Block("encoder_mean", ("K", features)),
        Block("encoder_mean_bias", ("K",)),
        Block("encoder_spread", ("K", features)),
        Block("encoder_spread_bias", ("K",)),
    )


_HIDDEN_BLOCKS = (Block("encoder_hidden", ("E", "D")), Block("encoder_hidden_bias", ("E",)))


def amortised(
    name: str, title: str, points: Points, blocks: tuple[Block, ...], initial: Initial, axes: dict[str, int]
) -> Variational:
    """An amortised family whose heads are trained; a hidden layer stays as drawn, since it mostly runs to infinity."""
    return Variational(
        name=name,
        title=title,
        blocks=blocks,
        points=points,
        initial=initial,
        trained=tuple(block.name for block in blocks if "hidden" not in block.name),
        collapsed=collapsed,
        axes=axes,
        scalings=scalings,
    )


AMORTISED_LINEAR = amortised(
    "encoder", "amortised Gaussian, linear encoder", linear_encoder, _head_blocks("D"), initial_linear, {}
)
AMORTISED_MULTILAYER = amortised(
    "mlp-encoder",
    "amortised Gaussian, multilayer encoder",
    multilayer_encoder,
    (*_HIDDEN_BLOCKS, *_head_blocks("E")),
    initial_multilayer,
    {"E": HIDDEN},
)
