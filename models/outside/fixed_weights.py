"""Out of scope: a mixture with fixed, non-uniform weights; log π has no direction (uniform ones need none)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays
from elbocheck.families import Categorical
from elbocheck.models.base import Params
from elbocheck.models.gaussian_mixture import GMM_DIAGONAL
from elbocheck.models.sample import Cell
from elbocheck.models.variational.exact import EXACT


def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """Component c has the weight ∝ 2⁻ᶜ; components as in the Gaussian mixture."""
    z, exists = latents["z"], fixed["exists_K"]
    xp = namespace(z).xp
    logits = -math.log(2.0) * xp.astype(xp.arange(exists.shape[0]), z.dtype)
    prior = Factor("z", Categorical(logits, where=exists), z)
    return (prior, GMM_DIAGONAL.factors({**params, "logits": logits}, fixed, latents)[1])


def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """As the Gaussian mixture, without weights."""
    params = GMM_DIAGONAL.starts.initial(rng, x, data_weights, count)
    del params["logits"]
    return params


def collapsed(params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """Equal components."""
    moved, held = GMM_DIAGONAL.starts.collapsed({**params, "logits": np.zeros(len(subset))}, subset)
    return {name: moved[name] for name in params}, held


FIXED_WEIGHTS = replace(
    GMM_DIAGONAL,
    name="fixed-weights",
    title="Gaussian mixture, weights fixed and not uniform",
    blocks=GMM_DIAGONAL.blocks[1:],
    factors=factors,
    starts=replace(GMM_DIAGONAL.starts, initial=initial, collapsed=collapsed),
    theory=replace(
        GMM_DIAGONAL.theory,
        row="",
        out_of_scope="the weights are fixed and not uniform: log π has no direction",
    ),
)
CELLS = (Cell(FIXED_WEIGHTS, EXACT, (16, 3, 3), least=(10, 1, 2)),)
