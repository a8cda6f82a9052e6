"""The bounds that `scale.py` measures, written as their users write them; none of them knows elbocheck until declared.

A `Bound` has `elbo(params, data)`, so that a bare loop can give the data as an argument, and `declare(params, data)`.
Parameters and data are NumPy arrays made from a fixed seed; `size` is the number of data, or of parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

LOG_2PI = math.log(2.0 * math.pi)
WIDTHS = ((3_000, 8, 2), (30_000, 64, 4), (300_000, 256, 10))
"""(parameters below which, observed dimensions, latents) of the autoencoders of other widths."""


@dataclass(frozen=True)
class Library:
    """What two array libraries call differently."""

    name: str
    xp: Any
    array: Callable[[np.ndarray], Any]
    log_softmax: Callable[[Any], Any]
    softplus: Callable[[Any], Any]


def library(name: str) -> Library:
    """Imports it, in double precision."""
    if name == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
        return Library(name, jax.numpy, np.asarray, jax.nn.log_softmax, jax.nn.softplus)
    if name == "torch":
        import torch

        torch.set_default_dtype(torch.float64)
        softplus = torch.nn.functional.softplus
        return Library(name, torch, torch.from_numpy, partial(torch.log_softmax, dim=-1), softplus)
    return Library("numpy", np, np.asarray, lambda a: a - np.log(np.sum(np.exp(a), -1, keepdims=True)), _softplus)


def _softplus(a: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, a)


@dataclass(frozen=True)
class Bound:
    """One bound: parameters and data (NumPy arrays), the code under test, and what it is declared to be made of."""

    params: dict[str, Any]
    data: tuple[np.ndarray, ...]
    elbo: Callable[[Any, Any], Any]
    declare: Callable[[Any, Any], Any]
    rows: int


def mixture(lib: Library, size: int, small: bool) -> Bound:
    """Mixture of Gaussians with diagonal covariances and exact responsibilities; no β is declared."""
    dimensions, components = (3, 2) if small else (16, 8)
    rng, xp = np.random.default_rng(0), lib.xp
    centres = 2.0 * rng.normal(size=(components, dimensions))
    x = rng.normal(size=(size, dimensions))
    x += centres[rng.integers(components, size=size)]
    params = {
        "logits": 0.1 * rng.normal(size=components),
        "means": centres + 0.3 * rng.normal(size=centres.shape),
        "log_variances": 0.1 * rng.normal(size=centres.shape),
    }

    def log_joint(p: Any, x: Any) -> Any:
        squares = (x[:, None, :] - p["means"]) ** 2 / xp.exp(p["log_variances"])
        return lib.log_softmax(p["logits"]) - 0.5 * xp.sum(squares + p["log_variances"] + LOG_2PI, -1)

    def elbo(p: Any, data: Any) -> Any:
        joint = log_joint(p, data[0])
        log_r = lib.log_softmax(joint)
        return xp.mean(xp.sum(xp.exp(log_r) * (joint - log_r), -1))

    def declare(p: Any, data: Any) -> Any:
        from elbocheck import Declaration, Factor
        from elbocheck.families import Categorical, Normal

        (x,) = data
        log_r = lib.log_softmax(log_joint(p, x))
        r = xp.exp(log_r)
        component = Normal(p["means"], xp.exp(p["log_variances"]))
        return Declaration(
            factors=(
                Factor("z", Categorical(p["logits"]), xp.eye(components)[None], parameters=("logits",)),
                Factor("x", component, x[:, None, :], parameters=("means", "log_variances")),
            ),
            weights=r,
            entropy=-xp.sum(r * log_r, -1),
            data_weights=xp.ones(size) / size,
        )

    return Bound(params, (x,), elbo, declare, size)


def autoencoder(lib: Library, rows: int, observed: int, hidden: int, latents: int) -> Bound:
    """VAE with Bernoulli observations: tanh networks, analytic KL, one sample with fixed noise.

    The prior, which is quadratic in z, is declared at sigma points m ± s of each coordinate, beside one sample for x.
    """
    rng, xp = np.random.default_rng(0), lib.xp
    x = (rng.random((rows, observed)) < 0.3).astype(float)
    noise = rng.normal(size=(rows, latents))

    def layer(inputs: int, outputs: int) -> dict[str, np.ndarray]:
        return {"weights": rng.normal(size=(inputs, outputs)) / inputs**0.5, "bias": 0.1 * rng.normal(size=outputs)}

    params = {
        "encoder": {
            "hidden": layer(observed, hidden),
            "mean": layer(hidden, latents),
            "log_variance": layer(hidden, latents),
        },
        "decoder": {"hidden": layer(latents, hidden), "logits": layer(hidden, observed)},
    }

    def through(layer: Any, inputs: Any) -> Any:
        return inputs @ layer["weights"] + layer["bias"]

    def networks(p: Any, data: Any) -> Any:
        x, noise = data
        encoder, decoder = p["encoder"], p["decoder"]
        features = xp.tanh(through(encoder["hidden"], x))
        mean, log_variance = through(encoder["mean"], features), through(encoder["log_variance"], features)
        z = mean + xp.exp(0.5 * log_variance) * noise
        return mean, log_variance, through(decoder["logits"], xp.tanh(through(decoder["hidden"], z)))

    def elbo(p: Any, data: Any) -> Any:
        mean, log_variance, logits = networks(p, data)
        reconstruction = xp.sum(data[0] * logits - lib.softplus(logits), -1)
        divergence = 0.5 * xp.sum(mean**2 + xp.exp(log_variance) - log_variance - 1.0, -1)
        return xp.mean(reconstruction - divergence)

    def declare(p: Any, data: Any) -> Any:
        from elbocheck import Declaration, Factor
        from elbocheck.families import Bernoulli, Normal

        mean, log_variance, logits = networks(p, data)
        spread, one = xp.exp(0.5 * log_variance), xp.ones((1, 1, 1, 1))
        sigma_points = xp.stack([mean + spread, mean - spread], 1)[:, None]  # two halves of one expectation
        return Declaration(
            factors=(
                Factor("z", Normal(0.0 * one, one), sigma_points, weight=0.5),
                Factor("x", Bernoulli(logits[:, None, :]), data[0][:, None, :], parameters=("decoder",)),
            ),
            weights=xp.ones((rows, 1)),
            entropy=Normal(mean, xp.exp(log_variance)),
            data_weights=xp.ones(rows) / rows,
        )

    return Bound(params, (x, noise), elbo, declare, rows)


def vae(lib: Library, size: int, small: bool) -> Bound:
    """The autoencoder 784-400-20, with 652,824 parameters."""
    return autoencoder(lib, size, *((12, 8, 2) if small else (784, 400, 20)))


def width(lib: Library, size: int, small: bool) -> Bound:
    """An autoencoder with about `size` parameters and 256 data."""
    observed, latents = next((d, k) for limit, d, k in (*WIDTHS, (math.inf, 784, 20)) if size < limit)
    per_unit = 2 * observed + 3 * latents + 2
    hidden = max(1, round((size - observed - 2 * latents) / per_unit))
    return autoencoder(lib, 16 if small else 256, observed, hidden, latents)


def regression(kind: str, lib: Library, size: int, small: bool) -> Bound:
    """A black box of NumPy with `size` parameters and no latents; `logistic` cannot continue to complex numbers."""
    rows = 50 if small else 1000
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(rows, size - 1 if kind == "linear" else size)) / size**0.5
    signal = inputs @ rng.normal(size=inputs.shape[1])
    params: dict[str, Any] = {"weights": 0.1 * rng.normal(size=inputs.shape[1])}
    if kind == "linear":
        y = signal + rng.normal(size=rows)
        params["log_variance"] = np.array(0.2)
    else:
        y = (rng.random(rows) < 0.5).astype(float)

    def elbo(p: Any, data: Any) -> Any:
        inputs, y = data
        eta = inputs @ p["weights"]
        if kind == "linear":
            return np.mean(-0.5 * ((y - eta) ** 2 / np.exp(p["log_variance"]) + p["log_variance"] + LOG_2PI))
        return np.mean(y * eta - lib.softplus(eta))

    def declare(p: Any, data: Any) -> Any:
        from elbocheck import Declaration, Factor
        from elbocheck.families import Bernoulli, Normal

        inputs, y = data
        eta = (inputs @ p["weights"])[:, None]
        y_given_x = Normal(eta, np.exp(p["log_variance"])) if kind == "linear" else Bernoulli(eta)
        factor = Factor("y", y_given_x, y[:, None], parameters=tuple(params))
        return Declaration((factor,), np.ones((rows, 1)), np.zeros(rows), np.full(rows, 1 / rows))

    return Bound(params, (inputs, y), elbo, declare, rows)


MODELS: dict[str, Callable[[Library, int, bool], Bound]] = {
    "mixture": mixture,
    "vae": vae,
    "width": width,
    "linear": partial(regression, "linear"),
    "logistic": partial(regression, "logistic"),
}


def moved(tree: Any, step: int) -> Any:
    """The same parameters a little aside, so that nothing which was computed before serves again."""
    if isinstance(tree, dict):
        return {name: moved(branch, step) for name, branch in tree.items()}
    return tree + 1e-3 * (step + 1) * np.cos(np.arange(tree.size)).reshape(tree.shape)


def count(tree: Any) -> int:
    """How many parameters there are."""
    return sum(count(branch) for branch in tree.values()) if isinstance(tree, dict) else tree.size
