"""Mixture of factor analysers: Categorical c, z ~ N(0, I), x | c, z ~ N(W_c z + μ_c, diag σ_cd²); fixed prior of z."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace, zeros
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.families import Categorical, Normal
from elbocheck.models.base import Data, Model, Params, Starts, Theory, Variational
from elbocheck.models.mixture import merged
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_matrix, data_scale, rotations, shifts
from elbocheck.models.variational.exact import no_parameters, nothing_to_hold, sigma_points

FACTORS = 2


def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """β moves the log variances of each component; −W of all components undoes a rescaling of z."""
    c, z, x, logits = latents["c"], latents["z"], fixed["x"][:, None, :], params["logits"]
    xp = namespace(z).xp
    count, observed, size = params["loadings"].shape
    flat = xp.matmul(c, xp.reshape(params["loadings"], (count, observed * size)))
    loadings = xp.reshape(flat, (1, -1, observed, size))
    mean = xp.matmul(loadings, z[..., None])[..., 0] + xp.matmul(c, params["means"])
    log_variance = xp.matmul(c, params["log_variances"])
    return (
        Factor("c", Categorical(logits, where=fixed["exists_K"]), c, parameters=("logits",), beta={"logits": logits}),
        Factor(
            "z",
            Normal(zeros(z[:1, :1, ...]), xp.ones_like(z[:1, :1, ...])),
            z,
            rescaling={"loadings": -params["loadings"]},
        ),
        Factor(
            "x",
            Normal(mean, xp.exp(log_variance)),
            x,
            parameters=("loadings", "means", "log_variances"),
            beta={"log_variances": -xp.ones_like(params["log_variances"])},
            where=fixed["exists_D"],
            groups=c,
        ),
    )


def exact(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """r_nc N(z; m_nc, P_c⁻¹) as 2H sigma points for each component, P_c = I + W_cᵀ Ψ_c⁻¹ W_c.

    log p(x, c) = log π_c + log p(x | m, c) + log N(m; 0, I) − log N(m; m, P_c⁻¹) at m = m_nc, where errors of m are of
    second order and nothing cancels (as it does in −½ (x − μ)ᵀ Ψ⁻¹ (x − μ) + ½ hᵀ P⁻¹ h, h = Wᵀ Ψ⁻¹ (x − μ)).
    """
    w, means, log_variances = params["loadings"], params["means"], params["log_variances"]
    xp, constants, present = namespace(w).xp, namespace(w).constants, fixed["exists_D"]
    count, size = w.shape[0], w.shape[-1]
    scaled = w * xp.exp(-log_variances)[..., None]
    precision = xp.astype(xp.eye(size), w.dtype) + xp.matmul(xp.matrix_transpose(scaled), w)
    cholesky = xp.linalg.cholesky(precision)
    inverse = xp.linalg.inv(cholesky)
    deviation = (fixed["x"][:, None, :] - means) * present
    whitened = xp.matmul(xp.matmul(deviation[..., None, :], scaled), xp.matrix_transpose(inverse))[..., 0, :]
    log_determinant = xp.sum(xp.log(xp.linalg.diagonal(cholesky)), axis=-1)
    mean = xp.matmul(whitened[..., None, :], inverse)[..., 0, :]
    residual = deviation - present * xp.matmul(w, mean[..., None])[..., 0]
    log_noise = -0.5 * xp.sum(
        present * (constants.log_2pi + log_variances) + residual * residual * xp.exp(-log_variances), axis=-1
    )
    log_x = log_noise - log_determinant - 0.5 * xp.sum(mean * mean, axis=-1)
    prior = Categorical(params["logits"], where=fixed["exists_K"])
    one_hot = xp.astype(xp.eye(count), w.dtype)
    q = Categorical(prior.log_density(one_hot) + log_x, where=fixed["exists_K"])
    data = mean.shape[0]
    root = xp.zeros((data, 1, 1, 1), dtype=w.dtype) + xp.matrix_transpose(inverse)
    points, weights = sigma_points(
        xp.reshape(mean, (data * count, size)), xp.reshape(root, (data * count, size, size)), xp.ones_like(w[0, 0, :])
    )
    r = q.mean_statistics()[0]
    entropy = q.entropy() + xp.sum(r * (0.5 * size * (constants.log_2pi + 1.0) - log_determinant), axis=-1)
    return WeightedPoints(
        {"c": xp.repeat(one_hot, 2 * size, axis=0)[None, ...], "z": xp.reshape(points, (data, count * 2 * size, size))},
        xp.reshape(xp.reshape(weights, (data, count, 2 * size)) * r[..., None], (data, count * 2 * size)),
        entropy,
        optimal=True,
    )


def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """Components around random data."""
    scale = data_scale(x, data_weights)
    chosen = x[rng.integers(len(x), size=count)]
    return {
        "logits": rng.normal(scale=0.5, size=count),
        "means": 0.6 * chosen + 0.4 * (data_weights @ x) + 0.3 * scale * rng.normal(size=chosen.shape),
        "loadings": 0.7 * rng.normal(size=(*chosen.shape, FACTORS)) * scale[:, None],
        "log_variances": 2 * np.log(scale) + 0.3 * rng.normal(size=chosen.shape),
    }


def collapsed(params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """Equal components, and where all are equal no loadings either."""
    moved = {name: merged(value, subset) for name, value in params.items()}
    if not subset.all():
        return moved, {}
    moved["loadings"] = np.zeros_like(moved["loadings"])
    return moved, {"loadings": np.ones(moved["loadings"].shape, dtype=bool)}


def simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Overlapping clusters, each stretched along one direction."""
    centres = 1.2 * rng.normal(size=(max(count, 1), observed)) * (count > 0)
    directions = rng.normal(size=(max(count, 1), observed))
    which = rng.integers(max(count, 1), size=data)
    stretch = rng.normal(size=(data, 1)) * directions[which]
    return centres[which] + stretch + 0.7 * rng.normal(size=(data, observed))


MFA = Model(
    name="mfa",
    title="mixture of factor analysers",
    blocks=(
        Block("logits", ("K",)),
        Block("means", ("K", "D"), degree=1),
        Block("loadings", ("K", "D", "H"), degree=1),
        Block("log_variances", ("K", "D"), log_degree=2),
    ),
    factors=factors,
    axes={"H": FACTORS},
    data=Data(
        check=check_matrix,
        simulate=simulate,
        units="affine",
    ),
    starts=Starts(
        initial=initial,
        collapsed=collapsed,
        single_datum_frozen=("means",),
        spreads=(0.0, 2.0, 4.0),  # as for PPCA
    ),
    theory=Theory(
        row="factor analysis",
        families=("categorical, normal", "normal"),
        constant_base_measure=True,
        symmetries=shifts("logits"),
        marginal_symmetries=rotations("loadings"),
    ),
)
EXACT_MFA = Variational(
    name="exact",
    title="exact posterior",
    blocks=(),
    points=exact,
    initial=no_parameters,
    optimal=True,
    collapsed=nothing_to_hold,
)
CELLS = (Cell(MFA, EXACT_MFA, (20, 4, 2), costly=True),)
