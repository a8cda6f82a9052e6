"""Gaussian q for models that are not linear: Gauss–Hermite nodes, Monte Carlo with fixed noise, Gaussian mixtures.

Any fixed weighted set of points will do, as long as the ELBO, the entropy sum and the gradient use the same one
(THEORY section 3); with more nodes the bound comes closer to the one with an exact expectation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.models.base import Model, Params, Variational
from elbocheck.models.support import shifts
from elbocheck.models.variational.exact import gaussian_entropy
from elbocheck.models.variational.gaussian import LOG_DIAGONAL, MEAN, collapsed, initial_diagonal

Points = Callable[[Model, Arrays, Arrays], WeightedPoints]


def hermite_grid(nodes: int, latents: int) -> tuple[np.ndarray, np.ndarray]:
    """(standard normal nodes (nodesᴷ, K), weights): exact for polynomials of degree 2·nodes − 1 in each latent."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.stack(np.meshgrid(*[points] * latents, indexing="ij"), axis=-1).reshape(-1, latents)
    each = np.stack(np.meshgrid(*[weights / weights.sum()] * latents, indexing="ij"), axis=-1).reshape(-1, latents)
    return grid, each.prod(axis=-1)


def standard_nodes(like: Array, nodes: int) -> tuple[Array, Array]:
    """The grid in the array library of `like` (…, K); nodes may be rounded, weights sum to 1 as exactly as it can."""
    xp = namespace(like).xp
    grid, weights = (xp.astype(xp.asarray(one), like.dtype) for one in hermite_grid(nodes, like.shape[-1]))
    return grid, weights / xp.sum(weights)


def at_nodes(mean: Array, log_deviation: Array, fixed: Arrays, nodes: int) -> tuple[Array, Array]:
    """Points m_n + s_n ξ (N, M, K) and weights (N, M) of a diagonal Gaussian q."""
    xp, exists = namespace(mean).xp, fixed["exists_K"]
    grid, weights = standard_nodes(mean, nodes)
    points = (mean[:, None, :] + xp.exp(log_deviation)[:, None, :] * grid) * exists
    return points, weights + xp.zeros_like(mean[:, :1])


def expectations(model: Model, mean: Array, log_deviation: Array) -> dict[str, Array]:
    """E_q|z| (N, 1, K) in closed form, for models that ask for it."""
    if "absolute" not in model.moments:
        return {}
    ns = namespace(mean)
    deviation = ns.xp.exp(log_deviation)
    ratio = mean / deviation
    peak = deviation * ns.constants.root_2_over_pi * ns.xp.exp(-0.5 * ratio * ratio)
    value = peak + mean * ns.erf(ratio / ns.constants.root_2)
    return {"absolute": value[:, None, :]}


def scalings(params: Arrays) -> tuple[dict[str, Array], ...]:
    """The mean of one latent by a factor, its log standard deviation by a constant."""
    mean, log_deviation = params["q_mean"], params["q_log_diagonal"]
    return tuple(
        {"q_mean": mean * unit, "q_log_diagonal": zeros(log_deviation) + unit} for unit in np.eye(mean.shape[-1])
    )


def hermite(nodes: int) -> Points:
    """q_n = N(m_n, diag s_n²) on a grid of Gauss–Hermite nodes; rescaling z moves m by m and log s by 1."""

    def points(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
        mean, log_deviation = params["q_mean"], params["q_log_diagonal"]
        z, weights = at_nodes(mean, log_deviation, fixed, nodes)
        rescaling = {"q_mean": mean, "q_log_diagonal": namespace(mean).xp.ones_like(log_deviation)}
        latents = {"z": z, **expectations(model, mean, log_deviation)}
        return WeightedPoints(latents, weights, gaussian_entropy(log_deviation, fixed["exists_K"]), rescaling)

    points.__name__ = f"hermite_{nodes}"
    return points


def monte_carlo(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n = N(m_n, diag s_n²) by samples m_n + s_n ε_ns whose noise is drawn once: exact, not statistical."""
    mean, log_deviation, noise = params["q_mean"], params["q_log_diagonal"], params["q_noise"]
    xp, exists = namespace(mean).xp, fixed["exists_K"]
    z = (mean[:, None, :] + xp.exp(log_deviation)[:, None, :] * noise) * exists
    weights = xp.ones_like(noise[..., 0]) / float(noise.shape[1])
    rescaling = {"q_mean": mean, "q_log_diagonal": xp.ones_like(log_deviation)}
    return WeightedPoints({"z": z}, weights, gaussian_entropy(log_deviation, exists), rescaling)


def gaussian_mixture(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """q_n = Σ_j a_nj N(m_nj, diag s_nj²), three nodes for each component and latent.

    The entropy has no closed form: −E_q log q on the same points, which moves by exactly K log a when z is rescaled.
    """
    logits, mean, log_deviation = params["q_logits"], params["q_means"], params["q_log_deviations"]
    xp, exists = namespace(mean).xp, fixed["exists_K"]
    grid, base = standard_nodes(mean, 3)
    log_sum_exp, log_2pi = namespace(mean).log_sum_exp, namespace(mean).constants.log_2pi
    log_shares = logits - log_sum_exp(logits, axis=-1)[:, None]
    shares = xp.exp(log_shares)
    data, components, latents = mean.shape
    z = mean[:, :, None, :] + xp.exp(log_deviation)[:, :, None, :] * grid
    z = xp.reshape(z, (data, components * grid.shape[0], latents))
    weights = xp.reshape(shares[:, :, None] * base, (data, components * grid.shape[0]))
    # (z − m_k) / s_k of a node of component j without cancellation: (m_j − m_k) / s_k + (s_j / s_k) ξ
    apart = (mean[:, :, None, ...] - mean[:, None, ...]) * xp.exp(-log_deviation)[:, None, ...]
    wider = xp.exp(log_deviation[:, :, None, ...] - log_deviation[:, None, ...])
    ratio = apart[:, :, None, ...] + wider[:, :, None, ...] * grid[:, None, :, ...]
    log_each = -xp.sum(exists * (0.5 * (log_2pi + ratio * ratio) + log_deviation[:, None, None, ...]), axis=-1)
    log_each = xp.reshape(log_each, (data, components * grid.shape[0], components))
    log_q = log_sum_exp(log_each + log_shares[:, None, :], axis=-1)
    rescaling = {"q_means": mean, "q_log_deviations": xp.ones_like(log_deviation)}
    return WeightedPoints({"z": z * exists}, weights, -xp.sum(weights * log_q, axis=-1), rescaling)


def collapsed_mixture(model: Model, params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """Both components equal to the prior N(0, 1) for latents without loadings."""
    held = np.broadcast_to(subset, params["q_means"].shape)
    names = ("q_means", "q_log_deviations")
    return {name: np.where(held, 0.0, params[name]) for name in names}, dict.fromkeys(names, held)


def collapsed_monte_carlo(model: Model, params: Params, subset: np.ndarray) -> tuple[Params, Params]:
    """Samples with mean 0 and variance 1, whatever the noise: latents without loadings are stationary there.

    Noise that does not vary is left as wide as it is.
    """
    noise, held = params["q_noise"], np.broadcast_to(subset, params["q_mean"].shape)
    spread = noise.std(axis=1)
    deviation = 1.0 / np.where(spread > 0.0, spread, 1.0)
    moved = {"q_mean": -deviation * noise.mean(axis=1), "q_log_diagonal": np.log(deviation)}
    return {name: np.where(held, moved[name], params[name]) for name in moved}, dict.fromkeys(moved, held)


def initial_monte_carlo(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """A diagonal Gaussian and standard normal noise, with as many samples as the catalogue gives it."""
    noise = rng.normal(size=(len(x), SAMPLES, latents))
    return {**initial_diagonal(rng, model, x, latents), "q_noise": noise}


def initial_mixture(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """Two components some standard deviations apart."""
    shape = (len(x), COMPONENTS, latents)
    return {
        "q_logits": rng.normal(scale=0.5, size=shape[:2]),
        "q_means": rng.normal(size=shape),
        "q_log_deviations": rng.normal(scale=0.3, size=shape) - 0.7,
    }


SAMPLES, COMPONENTS = 6, 2
HERMITE = Variational(
    name="hermite",
    title="diagonal Gaussian, Gauss–Hermite points",
    blocks=(MEAN, LOG_DIAGONAL),
    points=hermite(5),
    initial=initial_diagonal,
    trained=("q_mean", "q_log_diagonal"),
    collapsed=collapsed,
    scalings=scalings,
)
ARBITRARY_HERMITE = replace(
    HERMITE,
    name="arbitrary",
    title="arbitrary Gaussian that nobody optimised",
    trained=(),
    collapsed=None,
    blocks=(replace(MEAN, constant=True), replace(LOG_DIAGONAL, constant=True)),
)
MONTE_CARLO = Variational(
    name="monte-carlo",
    title="diagonal Gaussian, samples with fixed noise",
    blocks=(MEAN, LOG_DIAGONAL, Block("q_noise", ("N", "S", "K"), constant=True)),
    axes={"S": SAMPLES},
    points=monte_carlo,
    initial=initial_monte_carlo,
    trained=("q_mean", "q_log_diagonal"),
    collapsed=collapsed_monte_carlo,
    scalings=scalings,
)
MIXTURE_OF_GAUSSIANS = Variational(
    name="mixture",
    title="mixture of two Gaussians",
    axes={"J": COMPONENTS},
    blocks=(
        Block("q_logits", ("N", "J")),
        Block("q_means", ("N", "J", "K")),
        Block("q_log_deviations", ("N", "J", "K")),
    ),
    points=gaussian_mixture,
    initial=initial_mixture,
    trained=("q_logits", "q_means", "q_log_deviations"),
    collapsed=collapsed_mixture,
    symmetries=shifts("q_logits"),
)
