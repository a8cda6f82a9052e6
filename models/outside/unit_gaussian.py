"""Out of scope: q with variances fixed at 1, which cannot follow z -> a z, under a fixed prior."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.models.base import Model, Params, Variational
from elbocheck.models.ppca import PPCA
from elbocheck.models.sample import Cell
from elbocheck.models.variational.exact import gaussian_entropy, sigma_points
from elbocheck.models.variational.gaussian import MEAN, initial_diagonal


def unit_gaussian(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n = N(m_n, I): means alone are trained."""
    exists, mean = fixed["exists_K"], params["q_mean"]
    xp = namespace(mean).xp
    root = xp.astype(xp.eye(mean.shape[-1]), mean.dtype)[None, ...]
    points, weights = sigma_points(mean * exists, root, exists)
    return WeightedPoints({"z": points}, weights, gaussian_entropy(xp.zeros_like(mean), exists))


def initial(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """Means of order one."""
    return {"q_mean": initial_diagonal(rng, model, x, latents)["q_mean"]}


UNIT_GAUSSIAN = Variational(
    name="unit",
    title="Gaussian with unit variances",
    blocks=(MEAN,),
    points=unit_gaussian,
    initial=initial,
    trained=("q_mean",),
    out_of_scope="the prior is fixed, and q cannot follow a rescaling of z: its variances are 1",
)
CELLS = (Cell(PPCA, UNIT_GAUSSIAN, (10, 4, 2), least=(6, 2, 1)),)
