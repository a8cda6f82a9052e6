"""Out of scope: probabilistic PCA whose σ² is a fixed number; nothing multiplies 1/σ²."""

from __future__ import annotations

from dataclasses import replace

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.layout import Arrays
from elbocheck.families import Normal
from elbocheck.models.decoder import LINEAR, head
from elbocheck.models.sample import Cell
from elbocheck.models.vae import vae
from elbocheck.models.vae_parts import GAUSSIAN, STANDARD_NORMAL
from elbocheck.models.variational.amortised import AMORTISED_LINEAR

VARIANCE = 0.5


def _known_variance(params: Arrays, features: Array) -> Normal:
    mean = head(features, params["loadings"], params["mean"])
    return Normal(mean, namespace(mean).xp.zeros_like(mean) + VARIANCE)


FIXED = replace(
    GAUSSIAN,
    heads=lambda axis: GAUSSIAN.heads(axis)[:2],
    distribution=_known_variance,
    beta=None,
    data=replace(GAUSSIAN.data, units="none"),
    initial=lambda *drawn: {k: v for k, v in GAUSSIAN.initial(*drawn).items() if k != "log_variance"},
)
FIXED_VARIANCE = vae(
    "fixed-variance",
    "probabilistic PCA, σ² fixed",
    "",
    STANDARD_NORMAL,
    LINEAR,
    FIXED,
    out_of_scope="σ² is not trained: nothing multiplies 1/σ²",
)
CELLS = (Cell(FIXED_VARIANCE, AMORTISED_LINEAR, (16, 4, 2), least=(8, 2, 1)),)
