"""Deep sigmoid belief network: any number of binary layers, each Bernoulli given the layer above."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Bernoulli
from elbocheck.models.base import Data, Model, Params, Starts, Theory
from elbocheck.models.sample import Cell
from elbocheck.models.sbn import initial as initial_layer
from elbocheck.models.sbn import simulate
from elbocheck.models.support import binary_states, both_values, check_binary
from elbocheck.models.variational.exact import EXACT
from elbocheck.models.variational.table import ARBITRARY


def one_probability(params: Arrays) -> tuple[dict[str, Array], ...]:
    """What leaves p(z_1 = 1) as it is where every layer has one unit: all that x depends on is this one number.

    Along T = g_i e_j − g_j e_i, with the gradient g of that number, it does not move. With more units none is declared.
    """
    prior = params["prior_logits"]
    if prior.shape[0] != 1:
        return ()
    expit = namespace(prior).expit
    layers = sum(name.startswith("bias") for name in params)
    above = [expit(prior)]  # p(z_l = 1), from the top
    for layer in range(layers - 1, 0, -1):
        weight, bias = params[f"weights_{layer}"][0], params[f"bias_{layer}"]
        above.append(above[-1] * expit(weight + bias) + (1.0 - above[-1]) * expit(bias))
    slopes: list[tuple[str, Array]] = []
    chain = 1.0 + 0.0 * prior
    for layer in range(1, layers):
        weight, bias, p = params[f"weights_{layer}"][0], params[f"bias_{layer}"], above[layers - 1 - layer]
        on, off = expit(weight + bias), expit(bias)
        with_unit = chain * p * on * (1.0 - on)
        slopes += [
            (f"weights_{layer}", with_unit),
            (f"bias_{layer}", with_unit + chain * (1.0 - p) * off * (1.0 - off)),
        ]
        chain = chain * (on - off)
    slopes.append(("prior_logits", chain * above[0] * (1.0 - above[0])))
    found = []
    for (one, slope), (other, next_slope) in pairwise(slopes):
        xp = namespace(prior).xp
        moved = {one: xp.reshape(-next_slope, params[one].shape), other: xp.reshape(slope, params[other].shape)}
        found.append(moved)
    return tuple(found)


def deep_sbn(layers: int) -> Model:
    """z_L ~ Bernoulli(σ(π)), z_l | z_{l+1} ~ Bernoulli(σ(W_l z_{l+1} + b_l)), x | z_1 alike; K units in every layer.

    Unit k of layer l is column k·L + l of the enumerated states, so that fewer latents use fewer columns. Every layer
    has β = θ (THEORY section 4).
    """

    def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
        xp, z, prior, exists = namespace(latents["z"]).xp, latents["z"], params["prior_logits"], fixed["exists_K"]
        units = xp.reshape(z, (*z.shape[:-1], -1, layers))
        found = [
            Factor(
                f"z{layers}",
                Bernoulli(prior),
                units[..., layers - 1],
                parameters=("prior_logits",),
                beta={"prior_logits": prior},
                where=exists,
            )
        ]
        for layer in range(layers - 1, -1, -1):
            names = (f"weights_{layer}", f"bias_{layer}")
            weights, bias = (params[name] for name in names)
            logits = xp.matmul(units[..., layer], xp.matrix_transpose(weights)) + bias
            value = fixed["x"][:, None, :] if layer == 0 else units[..., layer - 1]
            found.append(
                Factor(
                    f"z{layer}" if layer else "x",
                    Bernoulli(logits),
                    value,
                    parameters=names,
                    beta=dict(zip(names, (weights, bias), strict=True)),
                    where=exists if layer else fixed["exists_D"],
                )
            )
        return tuple(found)

    def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
        bottom = initial_layer(rng, x, data_weights, count)
        params = {"prior_logits": bottom["prior_logits"], "weights_0": bottom["weights"], "bias_0": bottom["bias"]}
        for layer in range(1, layers):
            params[f"weights_{layer}"] = rng.normal(scale=1.5, size=(count, count))
            params[f"bias_{layer}"] = rng.normal(scale=0.5, size=count)
        return params

    def collapsed(params: Params, subset: np.ndarray) -> tuple[Params, Params]:
        """Units without any weights, incoming or outgoing, in every layer."""
        held = {"prior_logits": subset, "weights_0": np.broadcast_to(subset, params["weights_0"].shape)}
        for layer in range(1, layers):
            held[f"weights_{layer}"] = subset[:, None] | subset[None, :]
            held[f"bias_{layer}"] = subset
        moved = {name: np.where(held[name], 0.0, params[name]) for name in held if name.startswith("weights")}
        return {**params, **moved}, held

    below = tuple(
        block
        for layer in range(layers)
        for block in (
            Block(f"weights_{layer}", ("K" if layer else "D", "K")),
            Block(f"bias_{layer}", ("K" if layer else "D",)),
        )
    )
    return Model(
        name=f"deep-sbn-{layers}",
        title=f"deep sigmoid belief network, {layers} layers",
        blocks=(Block("prior_logits", ("K",)), *below),
        factors=factors,
        states=lambda count: binary_states(count * layers),
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
            row="deep SBN",
            families=("Bernoulli", "Bernoulli"),
            constant_base_measure=True,
            marginal_symmetries=one_probability,
        ),
    )


TWO_LAYERS, THREE_LAYERS = deep_sbn(2), deep_sbn(3)
CELLS = (
    *(Cell(TWO_LAYERS, variational, (12, 4, 2)) for variational in (EXACT, ARBITRARY)),
    Cell(THREE_LAYERS, EXACT, (12, 3, 2)),
)
