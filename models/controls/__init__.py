"""Negative controls: arrangements in which the plain identity fails, with the gap that a closed form predicts.

Predictions are NumPy and SciPy formulas of data and parameters; they share no code with factors or families.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy
from scipy import special

from elbocheck.bound.decomposition import decompose
from elbocheck.bound.problem import Problem
from elbocheck.models.base import Params
from elbocheck.models.catalogue import cells, find_cell
from elbocheck.models.controls.base_measure import MEASURES, base_measure_mismatch, narrow
from elbocheck.models.controls.scope import (
    as_it_is,
    bounded_network,
    fixed_weights_mismatch,
    gaussian_residuals,
    softplus_variance,
    sparse_process,
    topic_mismatch,
    unequal_clusters,
    unit_prior_mismatch,
)
from elbocheck.models.outside import fixed_variance as out_fixed_variance
from elbocheck.models.sample import Cell, Sample, random_sample


@dataclass(frozen=True)
class Control:
    """One way to leave the theorem's scope."""

    name: str
    """For tables."""

    term: str
    """What the prediction is, for tables."""

    cell: Cell
    """Whose samples it is made of."""

    arrange: Callable[[Sample], Sample]
    """sample -> the sample moved to where the gap cannot vanish."""

    predicted: Callable[[Sample, Problem], float]
    """(sample, problem) -> the gap F − S at the problem's parameters, nats per datum."""

    solve: bool = True
    """Whether it is driven to a stationary point of what is still free first."""

    min_latents: int = 1
    """Fewest latents that it needs."""


def most_off(sample: Sample) -> Sample:
    """Of four random parameter points the one with the largest gap, so that none is stationary by chance."""
    candidates = [sample] + [
        random_sample(sample.cell, sample.x, sample.latents, sample.seed ^ k, sample.data_weights, label=sample.label)
        for k in (1, 2, 3)
    ]
    return max(candidates, key=lambda one: abs(decompose(one.problem()).gap))


def slope_of_values(sample: Sample, problem: Problem) -> float:
    """β·∇F from ELBO values alone: the slope of F(θ + εβ) at ε = 0 by extrapolated differences."""
    beta = np.sum([term.scaling.beta for term in decompose(problem).factors], axis=0) * problem.unit_vector

    def value(step: np.ndarray) -> np.ndarray:
        flat = [
            float(terms["data_weights"] @ terms["elbo"])
            for epsilon in np.ravel(step)
            for _, terms in [problem.compiled.terms(problem.vector + epsilon * beta, problem.fixed)]
        ]
        return np.reshape(flat, np.shape(step))

    found = scipy.differentiate.derivative(
        value, 0.0, order=10, initial_step=0.25, maxiter=8, tolerances={"rtol": 1e-13}
    )
    return float(found.df)


def tripled_variance(sample: Sample) -> Sample:
    """σ² frozen at three times the mean variance of the data: residuals cannot be that large."""
    mean = sample.params["mean"] if "mean" in sample.frozen else sample.data_weights @ sample.x
    variance = float(np.mean(sample.data_weights @ (sample.x - mean) ** 2))
    frozen = replace(sample, frozen=(*sample.frozen, "log_variance"))
    return frozen.with_params({"log_variance": np.asarray(np.log(3.0 * variance))})


def missing_residuals(sample: Sample, problem: Problem) -> float:
    """D/2 − E‖x − Wz − μ‖² / 2σ², with the posterior moments of PPCA recomputed."""
    params = sample.unpadded(problem.params)
    w, variance, deviation = params["loadings"], float(np.exp(params["log_variance"])), sample.x - params["mean"]
    covariance = np.linalg.inv(np.eye(sample.latents) + w.T @ w / variance)
    z = deviation @ w @ covariance / variance
    residuals = np.sum((deviation - z @ w.T) ** 2, axis=1) + np.trace(w @ covariance @ w.T)
    return float(sample.x.shape[1] / 2 - sample.data_weights @ residuals / (2 * variance))


def tilted_weights(sample: Sample) -> Sample:
    """Mixture weights frozen, with e times the others' weight on the component that q uses least."""
    used = sample.data_weights @ special.softmax(sample.params["q_logits"], axis=1)
    tilt = np.zeros(sample.latents)
    tilt[np.argmin(used)] = 1.0
    return replace(sample, frozen=(*sample.frozen, "logits")).with_params({"logits": tilt})


def weight_mismatch(sample: Sample, problem: Problem) -> float:
    """Σ_c (r̄_c − π_c) log π_c."""
    params = sample.unpadded(problem.params)
    used = sample.data_weights @ special.softmax(params["q_logits"], axis=1)
    log_pi = special.log_softmax(params["logits"])
    return float((used - np.exp(log_pi)) @ log_pi)


def wide_posterior(sample: Sample) -> Sample:
    """q far wider than the prior, and nothing but σ² to train."""
    mean = sample.params["q_mean"]
    return replace(sample, frozen=("loadings", "mean")).with_params({"q_mean": mean + 1.5 * np.sign(mean)})


def prior_mismatch(sample: Sample, problem: Problem) -> float:
    """(H − tr E_q[z zᵀ]) / 2 (THEORY section 5)."""
    params: Params = sample.unpadded(problem.params)
    root = np.tril(params["q_lower"], -1) + np.exp(params["q_log_diagonal"])[:, :, None] * np.eye(sample.latents)
    second = np.sum(params["q_mean"] ** 2, axis=1) + np.sum(root**2, axis=(1, 2))
    return float(sample.latents - np.exp(2 * params["q_log_scale"]) * (sample.data_weights @ second)) / 2


def unequal_use(sample: Sample) -> Sample:
    """Clusters far apart, and of four starts the one with the largest gap."""
    return most_off(unequal_clusters(sample))


NO_TRAINING = replace(find_cell("ppca/scaled").variational, trained=())

CONTROLS: tuple[Control, ...] = (
    Control("not stationary", "β·∇F from values", find_cell("gmm-full/exact"), most_off, slope_of_values, solve=False),
    Control("not stationary", "β·∇F from values", find_cell("sbn/exact"), most_off, slope_of_values, solve=False),
    *(
        Control("true entropies", "δ", cell, narrow(values), base_measure_mismatch(measure))
        for name, (values, measure) in MEASURES.items()
        for cell in cells()
        if cell.model.name == name and cell.variational.name in ("exact", "arbitrary")
    ),
    Control("σ² held fixed", "D/2 − residuals", find_cell("ppca/exact"), tripled_variance, missing_residuals),
    Control(
        "weights fixed, non-uniform",
        "Σ(r̄ − π) log π",
        find_cell("gmm-diagonal/arbitrary"),
        tilted_weights,
        weight_mismatch,
        min_latents=2,
    ),
    Control(
        "fixed prior, only σ² trained",
        "(H − tr E zzᵀ)/2",
        replace(find_cell("ppca/scaled"), variational=NO_TRAINING),
        wide_posterior,
        prior_mismatch,
    ),
    Control(
        "softplus head for σ(z)",
        "D/2 − residuals",
        find_cell("softplus-vae/encoder"),
        most_off,
        gaussian_residuals(softplus_variance, with_prior=True),
        solve=False,
    ),
    Control(
        "σ² is a constant",
        "D/2 − residuals",
        find_cell("fixed-variance/encoder"),
        as_it_is,
        gaussian_residuals(lambda params, z: np.full(1, out_fixed_variance.VARIANCE)),
    ),
    Control(
        "weights are constants", "Σ(r̄ − π) log π", find_cell("fixed-weights/exact"), unequal_use, fixed_weights_mismatch
    ),
    Control("q cannot rescale", "−E‖m‖²/2", find_cell("ppca/unit"), as_it_is, unit_prior_mismatch),
    Control(
        "bounded logits",
        "E(log p + H)",
        find_cell("bounded-logits/arbitrary"),
        most_off,
        bounded_network,
        solve=False,
        min_latents=2,
    ),
    Control("LDA, topic given θ", "E(log θ + H)", find_cell("lda/points"), as_it_is, topic_mismatch, min_latents=2),
    Control("sparse GP, q(f | u)", "−Σ s k̃ / 2σ²", find_cell("sparse-gp/inducing"), as_it_is, sparse_process),
)
"""The negative controls of THEORY sections 3 to 5 and 7."""
