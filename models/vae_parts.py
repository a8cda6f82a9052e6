"""The priors and observation models that variational autoencoders and sparse coding are made of."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Bernoulli, Categorical, Laplace, Normal
from elbocheck.models.base import Data, Params
from elbocheck.models.decoder import head
from elbocheck.models.ppca import simulate as simulate_linear
from elbocheck.models.support import (
    both_values,
    check_binary,
    check_matrix,
    check_symbols,
    data_scale,
    every_symbol,
    one_hot,
    ones_like,
    shifts,
    together,
)
from elbocheck.models.vae import Observation, Prior

SYMBOLS = 3


def _unit(params: Arrays, z: Array) -> Array:
    return namespace(z).xp.ones_like(z[:1, :1, ...])


STANDARD_NORMAL = Prior("normal", lambda params, z: Normal(zeros(_unit(params, z)), _unit(params, z)))
LEARNED_NORMAL = Prior(
    "normal",
    lambda params, z: Normal(zeros(_unit(params, z)), namespace(z).xp.exp(params["prior_log_variances"])),
    blocks=(Block("prior_log_variances", ("K",)),),
    beta=lambda params: {"prior_log_variances": -ones_like(params, "prior_log_variances")},
    initial=lambda rng, latents: {"prior_log_variances": 0.3 * rng.normal(size=latents)},
    log_degree=2.0,
)
UNIT_LAPLACE = Prior(
    "Laplace",
    lambda params, z: Laplace(_unit(params, z)),
    latent="absolute",
    moments=("absolute",),
)
LEARNED_LAPLACE = Prior(
    "Laplace",
    lambda params, z: Laplace(namespace(z).xp.exp(params["prior_log_scales"])),
    blocks=(Block("prior_log_scales", ("K",)),),
    beta=lambda params: {"prior_log_scales": -ones_like(params, "prior_log_scales")},
    initial=lambda rng, latents: {"prior_log_scales": 0.3 * rng.normal(size=latents)},
    latent="absolute",
    moments=("absolute",),
    log_degree=1.0,
)


def _gaussian_heads(axis: str) -> tuple[Block, ...]:
    return (Block("loadings", ("D", axis), degree=1), Block("mean", ("D",), degree=1))


def initial_gaussian(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, features: int) -> Params:
    """Loadings and noise of the size of the data's scale."""
    scale = data_scale(x, data_weights)
    return {
        "loadings": rng.normal(size=(x.shape[1], features)) * scale[:, None],
        "mean": data_weights @ x + 0.3 * scale * rng.normal(size=x.shape[1]),
        "log_variance": np.asarray(np.log(np.mean(scale**2)) + rng.normal(scale=0.5)),
    }


def _initial_varying(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, features: int) -> Params:
    log_variance = 2 * np.log(data_scale(x, data_weights)) + 0.3 * rng.normal(size=x.shape[1])
    return {
        **initial_gaussian(rng, x, data_weights, features),
        "variance_weights": 0.1 * rng.normal(size=(x.shape[1], features)),
        "log_variance": log_variance,
    }


def _true_gaussian(rng: np.random.Generator, observed: int, features: int) -> Params:
    """Loadings well above the noise, so that the data determine the network."""
    loadings = rng.normal(size=(observed, features))
    loadings *= 1.5 / np.linalg.norm(loadings, axis=0) * np.sqrt(observed)
    return {"loadings": loadings, "mean": rng.normal(size=observed), "log_variance": np.asarray(np.log(0.1))}


def _true_varying(rng: np.random.Generator, observed: int, features: int) -> Params:
    return {
        **_true_gaussian(rng, observed, features),
        "variance_weights": 0.3 * rng.normal(size=(observed, features)),
        "log_variance": np.full(observed, np.log(0.2)),
    }


def _sample_gaussian(rng: np.random.Generator, distribution: Normal) -> np.ndarray:
    mean = np.asarray(distribution.mean)
    return mean + np.sqrt(np.asarray(distribution.variance)) * rng.normal(size=mean.shape)


GAUSSIAN = Observation(
    "normal",
    lambda axis: (*_gaussian_heads(axis), Block("log_variance", (), log_degree=2)),
    ("loadings",),
    lambda params, features: Normal(
        head(features, params["loadings"], params["mean"]), namespace(features).xp.exp(params["log_variance"])
    ),
    lambda params: {"log_variance": -ones_like(params, "log_variance")},
    initial_gaussian,
    _true_gaussian,
    _sample_gaussian,
    single_datum_frozen=("mean",),
    data=Data(
        check_matrix,
        simulate_linear,
        units="affine",
    ),
)
"""N(net(z), σ² I): β moves σ² alone."""
GAUSSIAN_VARYING = Observation(
    "normal",
    lambda axis: (
        *_gaussian_heads(axis),
        Block("variance_weights", ("D", axis)),
        Block("log_variance", ("D",), log_degree=2),
    ),
    ("loadings", "variance_weights"),
    lambda params, features: Normal(
        head(features, params["loadings"], params["mean"]),
        namespace(features).xp.exp(head(features, params["variance_weights"], params["log_variance"])),
    ),
    lambda params: {"log_variance": -ones_like(params, "log_variance")},
    _initial_varying,
    _true_varying,
    _sample_gaussian,
    single_datum_frozen=("mean",),
    spreads=(0.0, 0.3),
    data=Data(
        check_matrix,
        simulate_linear,
        units="affine",
    ),
)
"""N(net(z), diag exp(net(z))): β moves the bias of the log-variance head alone."""


def _initial_logits(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, features: int) -> Params:
    mean = np.clip(data_weights @ x, 0.05, 0.95)
    return {
        "loadings": rng.normal(size=(x.shape[1], features)),
        "mean": np.log(mean / (1 - mean)) + 0.3 * rng.normal(size=x.shape[1]),
    }


def _simulate_binary(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    logits = rng.normal(size=(data, count)) @ rng.normal(size=(count, observed)) + 0.5 * rng.normal(size=observed)
    return (rng.random((data, observed)) < 1 / (1 + np.exp(-logits))).astype(float)


def _last_layer(params: Arrays) -> dict[str, Array]:
    """Logits are linear in the last layer, so β is that layer."""
    return {"loadings": params["loadings"], "mean": params["mean"]}


def _true_logits(rng: np.random.Generator, observed: int, features: int) -> Params:
    return {"loadings": rng.normal(size=(observed, features)), "mean": 0.5 * rng.normal(size=observed)}


def _sample_bernoulli(rng: np.random.Generator, distribution: Bernoulli) -> np.ndarray:
    return (rng.random(np.shape(distribution.logits)) < np.asarray(distribution.mean_statistics()[0])).astype(float)


BERNOULLI = Observation(
    "Bernoulli",
    lambda axis: (Block("loadings", ("D", axis)), Block("mean", ("D",))),
    ("loadings",),
    lambda params, features: Bernoulli(head(features, params["loadings"], params["mean"])),
    _last_layer,
    _initial_logits,
    _true_logits,
    _sample_bernoulli,
    data=Data(
        check_binary,
        _simulate_binary,
        repair=both_values,
    ),
)


def _initial_symbols(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, features: int) -> Params:
    counts = np.stack([data_weights @ (x == symbol) for symbol in range(SYMBOLS)], axis=1)
    return {
        "loadings": rng.normal(size=(x.shape[1], SYMBOLS, features)),
        "mean": np.log(counts + 0.1) + 0.3 * rng.normal(size=counts.shape),
    }


def _simulate_symbols(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    logits = np.tensordot(rng.normal(size=(data, count)), rng.normal(size=(count, observed, SYMBOLS)), axes=1)
    return np.argmax(logits + rng.gumbel(size=(data, observed, SYMBOLS)), axis=-1).astype(float)


def _true_symbols(rng: np.random.Generator, observed: int, features: int) -> Params:
    shape = (observed, SYMBOLS)
    return {"loadings": rng.normal(size=(*shape, features)), "mean": 0.3 * rng.normal(size=shape)}


def _shifted_symbols(params: Arrays) -> tuple[dict[str, Array], ...]:
    """A constant added to the weights of one feature in the logits of all symbols of one column."""
    weights = params["loadings"]
    columns, symbols, features = weights.shape
    units = np.eye(columns * features).reshape((-1, columns, 1, features)) * np.ones((symbols, 1))
    return tuple({"loadings": zeros(weights) + unit} for unit in units)


def _sample_symbols(rng: np.random.Generator, distribution: Categorical) -> np.ndarray:
    logits = np.asarray(distribution.logits)
    return np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1).astype(float)


CATEGORICAL = Observation(
    "categorical",
    lambda axis: (Block("loadings", ("D", "C", axis)), Block("mean", ("D", "C"))),
    ("loadings",),
    lambda params, features: Categorical(head(features, params["loadings"], params["mean"])),
    _last_layer,
    _initial_symbols,
    _true_symbols,
    _sample_symbols,
    value=one_hot(SYMBOLS),
    axes={"C": SYMBOLS},
    symmetries=together(shifts("mean"), _shifted_symbols),
    data=Data(
        check_symbols(SYMBOLS),
        _simulate_symbols,
        repair=every_symbol(SYMBOLS),
        distinct=lambda observed: SYMBOLS,
    ),
)
