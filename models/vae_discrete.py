"""VAEs with discrete observations: Bernoulli and categorical, N(0, I) or learned prior."""

from __future__ import annotations

from elbocheck.models.decoder import LINEAR, MULTILAYER
from elbocheck.models.sample import Cell
from elbocheck.models.vae import vae
from elbocheck.models.vae_gaussian import HIDDEN
from elbocheck.models.vae_parts import BERNOULLI, CATEGORICAL, LEARNED_NORMAL, STANDARD_NORMAL
from elbocheck.models.variational.amortised import AMORTISED_LINEAR
from elbocheck.models.variational.quadrature import ARBITRARY_HERMITE, HERMITE

BERNOULLI_VAE = vae(
    "vae-binary",
    "Bernoulli VAE, linear decoder",
    "Bernoulli VAE",
    STANDARD_NORMAL,
    LINEAR,
    BERNOULLI,
    well_specified=True,
)
BERNOULLI_VAE_MLP = vae(
    "vae-binary-mlp",
    "Bernoulli VAE, multilayer decoder, learned prior",
    "Bernoulli VAE",
    LEARNED_NORMAL,
    MULTILAYER,
    BERNOULLI,
    well_specified=True,
)
CATEGORICAL_VAE = vae(
    "vae-symbols",
    "categorical VAE, linear decoder",
    "Bernoulli VAE",
    STANDARD_NORMAL,
    LINEAR,
    CATEGORICAL,
    well_specified=True,
)
CATEGORICAL_VAE_MLP = vae(
    "vae-symbols-mlp",
    "categorical VAE, multilayer decoder, learned prior",
    "Bernoulli VAE",
    LEARNED_NORMAL,
    MULTILAYER,
    CATEGORICAL,
    well_specified=True,
)
CELLS = (
    Cell(BERNOULLI_VAE, HERMITE, (16, 4, 1), least=(8, 2, 1), evaluations=60, costly=True),
    Cell(BERNOULLI_VAE, AMORTISED_LINEAR, (50, 4, 1), least=(40, 2, 1), evaluations=60, costly=True),
    Cell(BERNOULLI_VAE_MLP, AMORTISED_LINEAR, (60, 8, 1), HIDDEN, "-last", (50, 7, 1), 60, costly=True),
    Cell(BERNOULLI_VAE_MLP, ARBITRARY_HERMITE, (100, 4, 1), HIDDEN, "-last", (80, 2, 1), 60, costly=True),
    Cell(CATEGORICAL_VAE, AMORTISED_LINEAR, (50, 3, 1), least=(40, 2, 1), evaluations=60, costly=True),
    Cell(CATEGORICAL_VAE_MLP, ARBITRARY_HERMITE, (100, 3, 1), HIDDEN, "-last", (80, 2, 1), 60, costly=True),
)
