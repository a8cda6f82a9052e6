"""Truncated posterior: the exact one restricted to the best states of each datum."""

from __future__ import annotations

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.families import Categorical
from elbocheck.models.base import Model, Variational
from elbocheck.models.variational.exact import enumerated, log_joint, no_parameters

STATES = 2


def truncated(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n(z) = p(x_n, z) / Σ_{z' in K_n} p(x_n, z') for the `STATES` most probable states K_n, else 0.

    F is a maximum over sets of states of a smooth function, so that its kinks point down and no maximum lies on one.
    """
    states, exists = enumerated(model, fixed)
    logits = log_joint(model, params, fixed)
    xp, every = namespace(logits).xp, range(logits.shape[-1])
    one, none = xp.ones_like(logits[:, 0]), xp.zeros_like(logits[:, 0])
    ahead = [
        sum((xp.where((logits[:, j] > logits[:, i]) & exists[..., j], one, none) for j in every if j != i), none)
        for i in every
    ]  # how many states are more probable; no state is compared with itself, which intervals cannot decide
    best = exists & (xp.concat([count[:, None] for count in ahead], axis=-1) < STATES)
    q = Categorical(logits, where=best)
    return WeightedPoints({"z": states}, q.mean_statistics()[0], q.entropy(), optimal=True)


TRUNCATED = Variational(
    name="truncated",
    title=f"exact posterior of the {STATES} best states",
    blocks=(),
    points=truncated,
    initial=no_parameters,
    optimal=True,
)
