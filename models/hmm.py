"""Hidden Markov models with categorical, Gaussian and Poisson emissions; each datum is a sequence of up to D times."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Categorical, Normal, Poisson
from elbocheck.families.base import Distribution
from elbocheck.models.base import (
    Data,
    Model,
    Params,
    Repair,
    Starts,
    Symmetries,
    Theory,
    Units,
    as_drawn,
    no_symmetries,
)
from elbocheck.models.mixture import merged
from elbocheck.models.sample import Cell
from elbocheck.models.support import (
    check_counts,
    check_matrix,
    check_symbols,
    data_scale,
    every_symbol,
    one_hot,
    shifts,
    together,
)
from elbocheck.models.variational.chain import ARBITRARY_CHAIN, FORWARD_BACKWARD

SYMBOLS = 3


def hmm(
    name: str,
    title: str,
    family: str,
    blocks: tuple[Block, ...],
    emission: Callable[[Arrays, Arrays, Array], Distribution],
    beta: Callable[[Arrays], Mapping[str, Array]],
    initial: Callable[[np.random.Generator, np.ndarray, int], Params],
    emit: Callable[[np.random.Generator, np.ndarray, int], np.ndarray],
    check_data: Callable[[np.ndarray], None],
    constant_base_measure: bool = True,
    units: Units = "none",
    value: Callable[[Array], Array] = lambda x: x,
    axes: Mapping[str, int] | None = None,
    repair: Repair = as_drawn,
    distinct: int = 2,
    symmetries: Symmetries = no_symmetries,
) -> Model:
    """p(path) = π_{z_1} Π_t A_{z_{t−1} z_t}, x_t | z_t ~ emission; one row of A and one emission per state.

    `emission(params, fixed, z)`: from one-hot z (1, M, 1, K); `emit(rng, states (N, T), K)`: data of given states.
    """

    def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
        z, before, exists = latents["z"], latents["before"], fixed["exists_K"]
        xp = namespace(z).xp
        first = xp.astype(xp.arange(fixed["x"].shape[1]) == 0, z.dtype)
        initial_logits, transition = params["initial_logits"], params["transition_logits"]
        return (
            Factor(
                "start",
                Categorical(initial_logits, where=exists),
                z,
                parameters=("initial_logits",),
                beta={"initial_logits": initial_logits},
                where=first,
            ),
            Factor(
                "transition",
                Categorical(xp.matmul(before, transition), where=exists),
                z,
                parameters=("transition_logits",),
                beta={"transition_logits": transition},
                where=fixed["exists_D"] * (1.0 - first),
                groups=before[:, :, 0, :],
            ),
            Factor(
                "x",
                emission(params, fixed, z),
                value(fixed["x"][:, None, :]),
                parameters=tuple(block.name for block in blocks),
                beta=beta(params),
                where=fixed["exists_D"],
                groups=z[:, :, 0, :],
            ),
        )

    def start(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
        return {
            "initial_logits": rng.normal(scale=0.5, size=count),
            "transition_logits": rng.normal(scale=0.5, size=(count, count)) + np.eye(count),
            **initial(rng, x, count),
        }

    def collapsed(params: Params, subset: np.ndarray) -> tuple[Params, Params]:
        """States of the subset made equal: same emission, same rows and columns of transitions."""
        names = ("initial_logits", "transition_logits", *(block.name for block in blocks))
        moved = {name: merged(params[name], subset) for name in names}
        moved["transition_logits"] = merged(moved["transition_logits"], subset, axis=1)
        return {**params, **moved}, {}

    def simulate(rng: np.random.Generator, data: int, times: int, count: int) -> np.ndarray:
        count = max(count, 1)
        table = 0.6 * np.eye(count) + 0.4 * rng.dirichlet(np.ones(count), size=count)
        states = rng.integers(count, size=(data, 1))
        for _ in range(times - 1):
            draw = rng.random((data, 1)) > np.cumsum(table[states[:, -1]], axis=1)
            states = np.concatenate([states, np.minimum(draw.sum(axis=1, keepdims=True), count - 1)], axis=1)
        return emit(rng, states, count)

    return Model(
        name=name,
        title=title,
        blocks=(Block("initial_logits", ("K",)), Block("transition_logits", ("K", "K")), *blocks),
        factors=factors,
        axes=axes or {},
        data=Data(
            check=check_data,
            simulate=simulate,
            units=units,
            repair=repair,
            distinct=lambda times: distinct,
            scale=pooled_scale,
        ),
        starts=Starts(
            initial=start,
            collapsed=collapsed,
            spreads=(0.0, 2.0, 5.0),
        ),
        theory=Theory(
            row="HMM",
            families=("categorical", family),
            constant_base_measure=constant_base_measure,
            symmetries=together(shifts("initial_logits"), shifts("transition_logits"), symmetries),
        ),
    )


def pick(z: Array, name: Array) -> Array:
    """The entries of a (K,) block that belong to the one-hot states."""
    return namespace(z).xp.sum(z * name, axis=-1)


def pooled_scale(x: np.ndarray, data_weights: np.ndarray) -> np.ndarray:
    """One unit for all times (D,): emissions do not depend on time."""
    flat = data_scale(x.reshape(-1, 1), np.repeat(data_weights, x.shape[1]) / x.shape[1])
    return np.full(x.shape[1], flat[0])


def _gaussian_start(rng: np.random.Generator, x: np.ndarray, count: int) -> Params:
    scale = pooled_scale(x, np.full(len(x), 1 / len(x)))[0]
    return {
        "means": rng.choice(x.ravel(), size=count) + 0.3 * scale * rng.normal(size=count),
        "log_variances": 2 * np.log(scale) + 0.3 * rng.normal(size=count),
    }


HMM_CATEGORICAL = hmm(
    "hmm-categorical",
    "hidden Markov model, categorical emissions",
    "categorical",
    (Block("emission_logits", ("K", "C")),),
    lambda params, fixed, z: Categorical(namespace(z).xp.matmul(z, params["emission_logits"])),
    lambda params: {"emission_logits": params["emission_logits"]},
    lambda rng, x, count: {"emission_logits": rng.normal(size=(count, SYMBOLS))},
    lambda rng, states, count: (states + (rng.random(states.shape) < 0.3) * rng.integers(3, size=states.shape)) % 3.0,
    check_symbols(SYMBOLS),
    value=one_hot(SYMBOLS),
    axes={"C": SYMBOLS},
    repair=every_symbol(SYMBOLS),
    distinct=SYMBOLS,
    symmetries=shifts("emission_logits"),
)
HMM_GAUSSIAN = hmm(
    "hmm-gaussian",
    "hidden Markov model, Gaussian emissions",
    "normal",
    (Block("means", ("K",), degree=1), Block("log_variances", ("K",), log_degree=2)),
    lambda params, fixed, z: Normal(pick(z, params["means"]), namespace(z).xp.exp(pick(z, params["log_variances"]))),
    lambda params: {"log_variances": -namespace(params["means"]).xp.ones_like(params["log_variances"])},
    _gaussian_start,
    lambda rng, states, count: 2.0 * states + rng.normal(size=states.shape),
    check_matrix,
    units="scale",
)
HMM_POISSON = hmm(
    "hmm-poisson",
    "hidden Markov model, Poisson emissions",
    "Poisson",
    (Block("log_rates", ("K",)),),
    lambda params, fixed, z: Poisson(pick(z, params["log_rates"])),
    lambda params: {"log_rates": params["log_rates"]},
    lambda rng, x, count: {"log_rates": np.log(x.mean() + 0.5) + 0.7 * rng.normal(size=count)},
    lambda rng, states, count: rng.poisson(2.0 * 3.0**states).astype(float),
    check_counts,
    constant_base_measure=False,
    repair=lambda rng, x: np.concatenate([np.maximum(x[:1], 1.0), x[1:]]),
)
CELLS = (
    Cell(HMM_CATEGORICAL, FORWARD_BACKWARD, (12, 4, 3), costly=True),
    Cell(HMM_GAUSSIAN, FORWARD_BACKWARD, (12, 4, 3), costly=True),
    Cell(HMM_POISSON, FORWARD_BACKWARD, (12, 4, 3), costly=True),
    Cell(HMM_GAUSSIAN, ARBITRARY_CHAIN, (8, 4, 3), least=(4, 2, 1)),
)
