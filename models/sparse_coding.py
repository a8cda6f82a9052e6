"""Sparse coding: Laplace z, x | z ~ N(W z + μ, σ² I); E_q|z| in closed form, so that nothing has a kink."""

from __future__ import annotations

from elbocheck.models.decoder import LINEAR
from elbocheck.models.sample import Cell
from elbocheck.models.vae import vae
from elbocheck.models.vae_parts import GAUSSIAN, LEARNED_LAPLACE, UNIT_LAPLACE
from elbocheck.models.variational.amortised import AMORTISED_LINEAR
from elbocheck.models.variational.quadrature import HERMITE

LEARNED = vae(
    "sparse-coding",
    "sparse coding, learned scales",
    "sparse coding",
    LEARNED_LAPLACE,
    LINEAR,
    GAUSSIAN,
)
FIXED = vae(
    "sparse-unit",
    "sparse coding, unit Laplace prior",
    "sparse coding",
    UNIT_LAPLACE,
    LINEAR,
    GAUSSIAN,
)
CELLS = (
    Cell(LEARNED, HERMITE, (8, 4, 2), least=(4, 2, 1), costly=True),
    Cell(FIXED, HERMITE, (8, 4, 2), least=(4, 2, 1), costly=True),
    Cell(FIXED, AMORTISED_LINEAR, (16, 4, 2), least=(8, 2, 1), costly=True),
)
