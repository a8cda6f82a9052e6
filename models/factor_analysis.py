"""Factor analysis: z ~ N(0, I), x | z ~ N(W z + μ, diag σ_d²), constant base measures, fixed prior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.models import ppca
from elbocheck.models.base import Params
from elbocheck.models.sample import Cell
from elbocheck.models.variational.exact import EXACT_GAUSSIAN
from elbocheck.models.variational.gaussian import DIAGONAL_GAUSSIAN, FULL_GAUSSIAN


def gaussian_posterior(params: Arrays, fixed: Arrays) -> tuple[Array, Array]:
    """p(z | x) = N(P⁻¹ h, P⁻¹), P = I + Wᵀ Ψ⁻¹ W, h = Wᵀ Ψ⁻¹ (x − μ), Ψ = diag σ_d²."""
    loadings = params["loadings"]
    xp = namespace(loadings).xp
    scaled = loadings * xp.exp(-params["log_variance"])[:, None]
    precision = xp.eye(loadings.shape[-1], dtype=loadings.dtype) + xp.matmul(xp.matrix_transpose(scaled), loadings)
    return xp.matmul(fixed["x"] - params["mean"], scaled), precision


def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """As PPCA, with a noise variance for each dimension in proportion to its own scale."""
    params = ppca.initial(rng, x, data_weights, count)
    deviation = ppca.data_scale(x, data_weights)
    return {**params, "log_variance": 2 * np.log(deviation) + rng.normal(scale=0.5, size=x.shape[1])}


FACTOR_ANALYSIS = replace(
    ppca.PPCA,
    name="factor-analysis",
    title="factor analysis",
    blocks=(*ppca.PPCA.blocks[:2], Block("log_variance", ("D",), log_degree=2)),
    starts=replace(ppca.PPCA.starts, initial=initial),
    theory=replace(ppca.PPCA.theory, row="factor analysis"),
    gaussian_posterior=gaussian_posterior,
)
"""The factors are those of PPCA: β = −1 for every log σ_d² broadcasts, and the prior is covered in the same way."""
CELLS = (
    Cell(FACTOR_ANALYSIS, EXACT_GAUSSIAN, (16, 5, 2)),
    Cell(FACTOR_ANALYSIS, FULL_GAUSSIAN, (8, 4, 2)),
    Cell(FACTOR_ANALYSIS, DIAGONAL_GAUSSIAN, (8, 4, 2)),
)
