"""Gaussian VAEs: VAE-1 (N(0, I), σ²), VAE-2 (learned prior variances), VAE-3 (σ_d²(z) through exp)."""

from __future__ import annotations

from elbocheck.models.decoder import LINEAR, MULTILAYER
from elbocheck.models.sample import Cell
from elbocheck.models.vae import vae
from elbocheck.models.vae_parts import GAUSSIAN, GAUSSIAN_VARYING, LEARNED_NORMAL, STANDARD_NORMAL
from elbocheck.models.variational.amortised import AMORTISED_LINEAR, AMORTISED_MULTILAYER
from elbocheck.models.variational.quadrature import MIXTURE_OF_GAUSSIANS, MONTE_CARLO

VAE_1 = vae("vae-1", "VAE-1, linear decoder", "VAE-1 (standard)", STANDARD_NORMAL, LINEAR, GAUSSIAN)
VAE_2 = vae("vae-2", "VAE-2, linear decoder", "VAE-2", LEARNED_NORMAL, LINEAR, GAUSSIAN)
VAE_3 = vae("vae-3", "VAE-3, linear decoder", "VAE-3", STANDARD_NORMAL, LINEAR, GAUSSIAN_VARYING, well_specified=True)
VAE_1_MLP = vae(
    "vae-1-mlp",
    "VAE-1, multilayer decoder",
    "VAE-1 (standard)",
    STANDARD_NORMAL,
    MULTILAYER,
    GAUSSIAN,
    well_specified=True,
)
VAE_2_MLP = vae(
    "vae-2-mlp", "VAE-2, multilayer decoder", "VAE-2", LEARNED_NORMAL, MULTILAYER, GAUSSIAN, well_specified=True
)
VAE_3_MLP = vae(
    "vae-3-mlp",
    "VAE-3, multilayer decoder",
    "VAE-3",
    STANDARD_NORMAL,
    MULTILAYER,
    GAUSSIAN_VARYING,
    well_specified=True,
)
INNER = ("hidden_weights", "hidden_bias")
HIDDEN = ("hidden_gain", *INNER)
CELLS = (
    Cell(VAE_1, AMORTISED_LINEAR, (16, 4, 2), least=(8, 2, 1), costly=True),
    Cell(VAE_1, AMORTISED_MULTILAYER, (24, 4, 2), least=(12, 2, 1), evaluations=60, costly=True),
    Cell(VAE_1, MONTE_CARLO, (8, 4, 2), least=(6, 3, 1), costly=True),
    Cell(VAE_1, MIXTURE_OF_GAUSSIANS, (8, 3, 1), least=(4, 2, 1), evaluations=80, costly=True),
    Cell(VAE_2, AMORTISED_LINEAR, (16, 4, 2), least=(8, 2, 1), costly=True),
    Cell(VAE_3, AMORTISED_LINEAR, (40, 5, 1), least=(30, 5, 1), evaluations=50, costly=True),
    Cell(VAE_1_MLP, AMORTISED_LINEAR, (90, 4, 1), least=(80, 4, 1), evaluations=80, costly=True),
    Cell(VAE_1_MLP, AMORTISED_LINEAR, (90, 4, 1), INNER, "-outer", (80, 4, 1), 50, costly=True),
    Cell(VAE_2_MLP, AMORTISED_LINEAR, (90, 4, 1), least=(80, 4, 1), evaluations=80, costly=True),
    Cell(VAE_2_MLP, AMORTISED_LINEAR, (90, 4, 1), HIDDEN, "-last", (80, 4, 1), 50, costly=True),
    Cell(VAE_3_MLP, AMORTISED_LINEAR, (90, 4, 1), INNER, "-outer", (80, 4, 1), 50, costly=True),
)
