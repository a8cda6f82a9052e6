"""Mean-field Bernoulli q for binary latents; expectations by enumeration, hence exact."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.families import Bernoulli
from elbocheck.models.base import Model, Params, Variational
from elbocheck.models.variational.exact import enumerated


def mean_field(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n(z) = Π_k σ(φ_nk)^z_k (1 − σ(φ_nk))^(1 − z_k), H[q_n] = Σ_k H_b(σ(φ_nk))."""
    states, exists = enumerated(model, fixed)
    logits = params["q_logits"]
    xp = namespace(logits).xp
    latents = fixed["exists_K"]
    log_q = xp.sum(latents * Bernoulli(logits[:, None, :]).log_density(states), axis=-1)
    weights = xp.where(exists, xp.exp(log_q), 0.0)
    return WeightedPoints({"z": states}, weights, xp.sum(latents * Bernoulli(logits).entropy(), axis=-1))


def initial(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """Uncertain activations."""
    return {"q_logits": rng.normal(size=(len(x), latents))}


def collapsed(model: Model, params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """q equals the prior for units without outgoing weights."""
    held = np.broadcast_to(subset, params["q_logits"].shape)
    return {"q_logits": np.where(held, params["prior_logits"], params["q_logits"])}, {"q_logits": held}


MEAN_FIELD = Variational(
    name="mean-field",
    title="mean-field Bernoulli",
    blocks=(Block("q_logits", ("N", "K")),),
    points=mean_field,
    initial=initial,
    trained=("q_logits",),
    collapsed=collapsed,
)
