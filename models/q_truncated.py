"""Truncated posterior: the exact one restricted to the best states of each datum."""

from __future__ import annotations

from elbocheck.backends.namespace import namespace
from elbocheck.families import Categorical
from elbocheck.model import Model, Variational
from elbocheck.models.q_exact import enumerated, log_joint, no_parameters
from elbocheck.parameters import Arrays
from elbocheck.posteriors import WeightedPoints

STATES = 2


def truncated(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n(z) = p(x_n, z) / Σ_{z' in K_n} p(x_n, z') for the `STATES` most probable states K_n, else 0.

    F is a maximum over sets of states of a smooth function, so that its kinks point down and no maximum lies on one.
    """
    states, exists = enumerated(model, fixed)
    logits = log_joint(model, params, fixed)
    xp = namespace(logits).xp
    ranked = xp.sort(xp.where(exists, logits, -xp.inf), axis=-1)
    best = exists & (logits >= ranked[:, -min(STATES, logits.shape[-1])][:, None])
    q = Categorical(logits, where=best)
    return WeightedPoints({"z": states}, q.mean_statistics()[0], q.entropy(), optimal=True)


TRUNCATED = Variational(
    name="truncated", title=f"exact posterior of the {STATES} best states", blocks=(), points=truncated,
    initial=no_parameters, optimal=True,
)  # fmt: skip
