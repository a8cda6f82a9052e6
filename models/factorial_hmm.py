"""Factorial hidden Markov model: K independent binary chains, x_t | z_t ~ N(w · z_t + b, σ²).

A datum is a sequence of up to D times. All chains together are one chain of 2^K states, so that forward–backward gives
the exact posterior; in it the chains depend on each other.
"""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.families import Bernoulli, Normal
from elbocheck.models.base import Data, Model, Params, Starts, Theory, Variational
from elbocheck.models.hmm import pick, pooled_scale
from elbocheck.models.sample import Cell
from elbocheck.models.support import binary_states, check_matrix
from elbocheck.models.variational.chain import exact_paths
from elbocheck.models.variational.exact import no_parameters, nothing_to_hold

CHAINS = ("start_logits", "arrival_logits", "staying_logits")
"""Of z_k = 1 at the first time, after 0 and after 1."""


def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """Logits are natural parameters and scale themselves; −1 on log σ² multiplies those of x."""
    z, before, exists = latents["z"], latents["before"], fixed["exists_K"]
    xp = namespace(z).xp
    first = xp.astype(xp.arange(fixed["x"].shape[1]) == 0, z.dtype)
    start, arrival, staying = (params[name] for name in CHAINS)
    return (
        Factor(
            "start",
            Bernoulli(start),
            z,
            parameters=CHAINS[:1],
            beta={"start_logits": start},
            where=first[:, None] * exists,
        ),
        Factor(
            "transition",
            Bernoulli(arrival + before * (staying - arrival)),
            z,
            parameters=CHAINS[1:],
            beta={"arrival_logits": arrival, "staying_logits": staying},
            where=(fixed["exists_D"] * (1.0 - first))[:, None] * exists,
        ),
        Factor(
            "x",
            Normal(pick(z, params["weights"]) + params["bias"], xp.exp(params["log_variance"])),
            fixed["x"][:, None, :],
            parameters=("weights", "bias", "log_variance"),
            beta={"log_variance": -xp.ones_like(params["log_variance"])},
            where=fixed["exists_D"],
        ),
    )


def joint_pairs(fixed: Arrays) -> tuple[dict[str, Array], Array]:
    """({state before, state} (1, 4^K, 1, K), which of the 2^K joint states exist)."""
    exists = fixed["exists_K"]
    xp, count = namespace(exists).xp, exists.shape[0]
    states = xp.astype(xp.asarray(binary_states(count)), exists.dtype)
    before, after = xp.repeat(states, 2**count, axis=0), xp.tile(states, (2**count, 1))
    latents = {"before": before[None, :, None, :], "z": after[None, :, None, :]}
    return latents, xp.astype(xp.sum(states * (1.0 - exists), axis=-1) == 0.0, exists.dtype)


def joint_forward_backward(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """The exact posterior over paths of all chains."""
    return exact_paths(model, params, fixed, *joint_pairs(fixed))


def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """Chains that remember a little, each with an effect of the size of the data."""
    scale = pooled_scale(x, data_weights)[0]
    return {
        "start_logits": 0.5 * rng.normal(size=count),
        "arrival_logits": 0.5 * rng.normal(size=count) - 0.7,
        "staying_logits": 0.5 * rng.normal(size=count) + 0.7,
        "weights": scale * rng.normal(size=count),
        "bias": np.asarray((data_weights @ x).mean() + 0.3 * scale * rng.normal()),
        "log_variance": np.asarray(2 * np.log(scale) - 0.5 + 0.3 * rng.normal()),
    }


def collapsed(params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """Chains without effect and without memory, whose means are the same at all times: a saddle."""
    still = {name: np.where(subset, params["start_logits"], params[name]) for name in CHAINS}
    moved = {**params, **still, "weights": np.where(subset, 0.0, params["weights"])}
    return moved, dict.fromkeys(("weights", *CHAINS), subset)


def truth(rng: np.random.Generator, data: int, times: int, count: int) -> tuple[np.ndarray, Params]:
    """Sequences of the model, and parameters near its own: from elsewhere chains often end without any chance."""
    weights = 1.5 * 1.8 ** np.arange(count)  # all sums differ
    states = (rng.random((data, 1, count)) < 0.5).astype(float)
    for _ in range(times - 1):
        change = (rng.random((data, 1, count)) < 0.35).astype(float)
        states = np.concatenate([states, np.abs(states[:, -1:] - change)], axis=1)
    x = states @ weights + 0.5 * rng.normal(size=(data, times))
    own = {"start_logits": 0.0, "arrival_logits": -0.6, "staying_logits": 0.6}
    return x, {
        **{name: logit + 0.3 * rng.normal(size=count) for name, logit in own.items()},
        "weights": weights + 0.1 * rng.normal(size=count),
        "bias": np.asarray(0.1 * rng.normal()),
        "log_variance": np.asarray(2 * np.log(0.5) + 0.3 * rng.normal()),
    }


FACTORIAL_HMM = Model(
    name="factorial-hmm",
    title="factorial hidden Markov model",
    blocks=(
        *(Block(name, ("K",)) for name in CHAINS),
        Block("weights", ("K",), degree=1),
        Block("bias", degree=1),
        Block("log_variance", log_degree=2),
    ),
    factors=factors,
    data=Data(
        check=check_matrix,
        simulate=lambda rng, data, times, count: truth(rng, data, times, count)[0],
        units="scale",
        scale=pooled_scale,
    ),
    starts=Starts(
        initial=initial,
        collapsed=collapsed,
        truth=truth,
        spreads=(0.0, 2.0, 5.0),
    ),
    theory=Theory(
        row="",
        families=("Bernoulli", "normal"),
        constant_base_measure=True,
    ),
)
JOINT_FORWARD_BACKWARD = Variational(
    name="exact",
    title="exact posterior over joint paths, forward–backward",
    blocks=(),
    points=joint_forward_backward,
    initial=no_parameters,
    optimal=True,
    collapsed=nothing_to_hold,
)
CELLS = (Cell(FACTORIAL_HMM, JOINT_FORWARD_BACKWARD, (32, 4, 2), least=(28, 4, 1), costly=True),)
