"""Sigmoid belief network with one hidden layer: Bernoulli z, Bernoulli x | z, both base measures constant."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Bernoulli
from elbocheck.models.base import Data, Model, Params, Starts, Theory
from elbocheck.models.sample import Cell
from elbocheck.models.support import binary_states, both_values, check_binary
from elbocheck.models.variational.exact import EXACT
from elbocheck.models.variational.mean_field import MEAN_FIELD
from elbocheck.models.variational.table import ARBITRARY, BAD


def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """p(z_k = 1) = σ(π_k), p(x_d = 1 | z) = σ(W_d · z + b_d); logits are linear, so β = θ (THEORY section 4)."""
    z, x = latents["z"], fixed["x"][:, None, :]
    weights, bias, prior = params["weights"], params["bias"], params["prior_logits"]
    xp = namespace(z).xp
    logits = xp.matmul(z, xp.matrix_transpose(weights)) + bias
    return (
        Factor(
            "z",
            Bernoulli(prior),
            z,
            parameters=("prior_logits",),
            beta={"prior_logits": prior},
            where=fixed["exists_K"],
        ),
        Factor(
            "x",
            Bernoulli(logits),
            x,
            parameters=("weights", "bias"),
            beta={"weights": weights, "bias": bias},
            where=fixed["exists_D"],
        ),
    )


def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """Logits of order one around the data's mean."""
    mean = np.clip(data_weights @ x, 0.05, 0.95)
    return {
        "prior_logits": rng.normal(size=count),
        "weights": rng.normal(scale=1.5, size=(x.shape[1], count)),
        "bias": np.log(mean / (1 - mean)) + rng.normal(scale=0.5, size=x.shape[1]),
    }


def collapsed(params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """Units without outgoing weights: the data say nothing about them, and a stationary point is a saddle."""
    held = np.broadcast_to(subset, params["weights"].shape)
    return (
        {**params, "weights": np.where(held, 0.0, params["weights"])},
        {"weights": held, "prior_logits": subset},
    )


def simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Binary data from a network with random weights of moderate size."""
    z = (rng.random((data, count)) < 0.5) - 0.5
    logits = z @ rng.normal(scale=2.0, size=(count, observed)) + 0.5 * rng.normal(size=observed)
    return (rng.random((data, observed)) < 1 / (1 + np.exp(-logits))).astype(float)


SBN = Model(
    name="sbn",
    title="sigmoid belief network",
    blocks=(Block("prior_logits", ("K",)), Block("weights", ("D", "K")), Block("bias", ("D",))),
    factors=factors,
    states=binary_states,
    data=Data(
        check=check_binary,
        simulate=simulate,
        repair=both_values,
    ),
    starts=Starts(
        initial=initial,
        collapsed=collapsed,
    ),
    theory=Theory(
        row="SBN, one layer",
        families=("Bernoulli", "Bernoulli"),
        constant_base_measure=True,
    ),
)
CELLS = (
    Cell(SBN, EXACT, (16, 4, 3)),
    *(Cell(SBN, variational, (12, 4, 3)) for variational in (MEAN_FIELD, ARBITRARY, BAD)),
)
