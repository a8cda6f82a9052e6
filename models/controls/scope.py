"""Predicted gaps of models outside the theorem, and data that make them large.

NumPy and SciPy formulas of data and parameters; they share no code with factors or families.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from scipy import special

from elbocheck.bound.problem import Problem
from elbocheck.models.base import Params
from elbocheck.models.sample import Sample, random_sample

NODES = 5
"""Gauss–Hermite nodes of the amortised families."""


def gaussian_residuals(
    variance: Callable[[Params, np.ndarray], np.ndarray], with_prior: bool = False
) -> Callable[[Sample, Problem], float]:
    """D/2 − E_q Σ_d r_d² / 2σ_d²(z) of a linear decoder with the linear encoder, on its own Gauss–Hermite points.

    `with_prior`: and (H − E_q‖z‖²) / 2, which vanishes where q and the decoder are stationary.
    """

    def predicted(sample: Sample, problem: Problem) -> float:
        params = sample.unpadded(problem.params)
        deviation = sample.x - sample.data_weights @ sample.x
        inputs = deviation / np.sqrt(sample.data_weights @ deviation**2)
        mean = inputs @ params["encoder_mean"].T + params["encoder_mean_bias"]
        spread = np.exp(inputs @ params["encoder_spread"].T + params["encoder_spread_bias"])
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        grid = np.stack(np.meshgrid(*[nodes] * sample.latents, indexing="ij"), -1).reshape(-1, sample.latents)
        joint = np.prod(np.meshgrid(*[weights / weights.sum()] * sample.latents, indexing="ij"), axis=0).ravel()
        z = mean[:, None] + spread[:, None] * grid
        residuals = sample.x[:, None] - z @ params["loadings"].T - params["mean"]
        scaled = residuals**2 / variance(params, z)
        gaps = (1.0 - scaled).sum(-1) + ((1.0 - z**2).sum(-1) if with_prior else 0.0)
        return float(sample.data_weights @ (0.5 * gaps @ joint))

    return predicted


def softplus_variance(params: Params, z: np.ndarray) -> np.ndarray:
    """σ_d²(z) = softplus(V z + a)_d²."""
    return np.logaddexp(0.0, z @ params["variance_weights"].T + params["log_variance"]) ** 2


def fixed_weights_mismatch(sample: Sample, problem: Problem) -> float:
    """Σ_c (r̄_c − π_c) log π_c with π_c ∝ 2⁻ᶜ and the exact responsibilities."""
    params = sample.unpadded(problem.params)
    log_pi = special.log_softmax(-np.log(2.0) * np.arange(sample.latents))
    log_x = scipy.stats.norm(params["means"], np.exp(0.5 * params["log_variances"])).logpdf(sample.x[:, None]).sum(-1)
    used = sample.data_weights @ special.softmax(log_pi + log_x, axis=1)
    return float((used - np.exp(log_pi)) @ log_pi)


def unequal_clusters(sample: Sample) -> Sample:
    """Two clusters far apart, one of them with a fifth of the data."""
    rng = np.random.default_rng(sample.seed)
    data, observed = sample.x.shape
    x = rng.normal(size=(data, observed)) + 4.0 * (np.arange(data) % 5 == 0)[:, None]
    return random_sample(sample.cell, x, sample.latents, sample.seed, label=sample.label)


def unit_prior_mismatch(sample: Sample, problem: Problem) -> float:
    """(H − tr E_q[z zᵀ]) / 2 with unit variances: −‖m‖² / 2 on average."""
    mean = sample.unpadded(problem.params)["q_mean"]
    return float(-sample.data_weights @ (mean**2).sum(axis=1) / 2)


def bounded_network(sample: Sample, problem: Problem) -> float:
    """E_q Σ_d (log p + H_b) of Bernoulli variables with the logits 1.5 tanh(W z + b), and Σ_k (z̄_k − π_k) logit π_k."""
    params = sample.unpadded(problem.params)
    count = sample.latents
    states = ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype(float)
    p = special.expit(1.5 * np.tanh(states @ params["weights"].T + params["bias"]))
    log_p = special.xlogy(sample.x[:, None], p) + special.xlog1py(1 - sample.x[:, None], -p)
    r = sample.data_weights[:, None] * special.softmax(params["q_logits"], axis=1)
    prior = (r.sum(axis=0) @ states - special.expit(params["prior_logits"])) @ params["prior_logits"]
    return float(prior + np.sum(r * (log_p + special.entr(p) + special.entr(1 - p)).sum(-1)))


def topic_mismatch(sample: Sample, problem: Problem) -> float:
    """E_q Σ_d (log θ_topic + H(θ)): the factor of topics given θ."""
    params = sample.unpadded(problem.params)
    theta = special.softmax(params["q_theta"], axis=-1)
    a, rho = special.softmax(params["q_theta_logits"], axis=1), special.softmax(params["q_topics"], axis=-1)
    log_theta = np.einsum("ns,nsk,ndk->nd", a, np.log(theta), rho)
    entropy = np.einsum("ns,nsk->n", a, special.entr(theta))
    return float(sample.data_weights @ (log_theta.sum(axis=1) + sample.x.shape[1] * entropy))


def as_it_is(sample: Sample) -> Sample:
    """The sample as drawn: its gap is large anyway."""
    return sample


def sparse_process(sample: Sample, problem: Problem) -> float:
    """−Σ_d s k̃_d / 2σ² with k̃ = diag(K − K_fu K_uu⁻¹ K_uf)."""
    params = sample.unpadded(problem.params)
    inputs, inducing = (np.cumsum(np.exp(params[name])) for name in ("log_gaps", "log_inducing_gaps"))

    def kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        r = np.abs(one[:, None] - other)
        return (1.0 + r) * np.exp(-r)

    cross, signal = kernel(inputs, inducing), np.exp(params["log_signal"])
    root = np.linalg.cholesky(kernel(inducing, inducing))
    left = np.maximum(1.0 - np.sum(np.linalg.solve(root, cross.T) ** 2, axis=0), 0.0)
    return float(-signal * left.sum() / (2.0 * np.exp(params["log_variance"])))
