"""Arbitrary q over enumerated latent states: free responsibilities, trained or left as drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.families import Categorical
from elbocheck.models.base import Model, Params, Variational
from elbocheck.models.mixture import merged
from elbocheck.models.support import shifts
from elbocheck.models.variational.exact import enumerated, log_joint


def table(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n(z_m) = softmax(q_logits_n)_m over all states that exist."""
    states, exists = enumerated(model, fixed)
    q = Categorical(params["q_logits"], where=exists)
    return WeightedPoints({"z": states}, q.mean_statistics()[0], q.entropy())


def initial(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """Responsibilities spread over all states."""
    assert model.states is not None
    return {"q_logits": rng.normal(scale=1.5, size=(len(x), len(model.states(latents))))}


def collapsed(model: Model, params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """Equal responsibilities for equal components."""
    return {"q_logits": merged(params["q_logits"], subset, axis=1)}, {}


def optimum(model: Model, params: Arrays, fixed: Arrays) -> Params:
    """The exact posterior, centred: states far from possible get logits far below."""
    logits = log_joint(model, params, fixed)
    exists = enumerated(model, fixed)[1]
    xp = namespace(logits).xp
    logits = xp.where(exists, logits, xp.zeros_like(logits))
    share = xp.astype(exists, logits.dtype) / xp.sum(xp.astype(exists, logits.dtype))
    return {"q_logits": logits - xp.sum(logits, axis=1, keepdims=True) * share}


RESPONSIBILITIES = Variational(
    name="free",
    title="free responsibilities",
    blocks=(Block("q_logits", ("N", "M")),),
    points=table,
    initial=initial,
    trained=("q_logits",),
    collapsed=collapsed,
    optimum=optimum,
    symmetries=shifts("q_logits"),
)


def misplaced(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """Almost all weight on one state, drawn without looking at the data: e⁸ times the weight of any other."""
    assert model.states is not None
    states = len(model.states(latents))
    return {"q_logits": 8.0 * np.eye(states)[rng.integers(states, size=len(x))] + rng.normal(size=(len(x), states))}


ARBITRARY = replace(
    RESPONSIBILITIES,
    name="arbitrary",
    title="arbitrary q that nobody optimised",
    trained=(),
    collapsed=None,
    optimum=None,
)
BAD = replace(ARBITRARY, name="bad", title="deliberately bad q: one random state per datum", initial=misplaced)
