"""scikit-learn's `BayesianGaussianMixture`: variational Bayes with a q of weights, means and precisions.

The parameters are those of q(weights) and q(means, precisions). The ELBO under test is what one E-step, one M-step and
`_compute_lower_bound` of the estimator make of them: its `lower_bound_`, which belongs to these responsibilities and to
q after the M-step. The declared responsibilities and q come from elbocheck's own steps, so that a wrong step of the
estimator is a wrong value. `lower_bound_` leaves out all constants; they are computed, named and subtracted
(`Departure`). What is left is the bound of one model for all four types of covariances: K normal distributions with
full precisions Λ_k ~ Wishart, and a Wishart q(Λ_k) whose scale matrix is diagonal ("diag"), a multiple of the identity
("spherical"), or the same for all k, with the same degrees of freedom ("tied").

`reg_covar` is added to the scatter matrices, and so to the bound, but is not in the E-step. What that adds to the value
is known. Training then stops at a stationary point of no bound, so that `fit` is judged with `reg_covar=0` only.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betaln, gammaln

from elbocheck.adapters.estimators import quietly
from elbocheck.adapters.gaussians import lower_factor, packed, triangular, upper_factor
from elbocheck.adapters.settling import STEPS, until_settled
from elbocheck.backends.namespace import Array
from elbocheck.bound.departures import Departure
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.problem import Problem
from elbocheck.errors import InputError
from elbocheck.families import Average, Beta, Dirichlet, Wishart, expected_log_density
from elbocheck.models.support import check_matrix

LOG_2, LOG_2PI = math.log(2.0), math.log(2.0 * math.pi)
HALF = np.full(1, 0.5)
LEAST = 10.0 * float(np.finfo(float).eps)
"""What scikit-learn adds to the number of data of each component."""
Params = dict[str, Any]


@dataclass(frozen=True)
class Priors:
    """The fixed hyperparameters of a fitted estimator.

    `concentration` α₀ or γ; `process`: whether weights are those of a Dirichlet process; `mean` m₀ (D,) and `strength`
    β₀ of means; `degrees` ν₀ and `inverse` V₀⁻¹ (D, D) of precisions; `kind` of covariances; `added`: `reg_covar`.
    """

    concentration: float
    process: bool
    mean: np.ndarray
    strength: float
    degrees: float
    inverse: np.ndarray
    kind: str
    added: float

    @property
    def precision(self) -> Wishart:
        """p(Λ_k)."""
        return Wishart(np.array(self.degrees), np.linalg.inv(self.inverse))


@dataclass(frozen=True)
class Posterior:
    """q of weights, of precisions (K,), β_k (K,) and m_k (K, D) of means; n_k (K,) if an M-step has made it."""

    weights: Any
    precision: Wishart
    strength: Array
    mean: Array
    numbers: Array | None = None


def problem(estimator: Any, x: Any, *, iterations: int = 2000, label: str = "") -> Problem:
    """The problem of a fitted `BayesianGaussianMixture` (or one that is fitted here, on a copy) and data `x` (N, D).

    Parameters: logarithms of `weight_concentration_` (K,) or (2, K), of `mean_precision_` (K,) and of ν − D + 1 for
    `degrees_of_freedom_`; `means_`; and the chart of `precisions_cholesky_` that mixtures of the catalogue have.
    `iterations`: most steps of `fit`, which runs with `tol=0`. Raises `InputError` for unusable data.
    """
    x = np.asarray(x, dtype=float)
    check_matrix(x)
    if not hasattr(estimator, "weight_concentration_"):
        estimator = quietly(copy.deepcopy(estimator).fit, x)
    if estimator.means_.shape[1] != x.shape[1]:
        raise InputError(f"the estimator was fitted to {estimator.means_.shape[1]} columns; the data have {x.shape[1]}")
    priors = _priors(estimator)

    def at(params: Params) -> Any:
        moved = copy.copy(estimator)
        _write(moved, {name: np.asarray(value, dtype=float) for name, value in params.items()})
        return moved

    def elbo(params: Params) -> float:
        moved = at(params)
        normalisers, log_r = moved._e_step(x)
        moved._m_step(x, log_r)
        return np.asarray(moved._compute_lower_bound(log_r, normalisers)).item() / len(x)

    def steps(params: Params) -> Params:
        trained = at(params).set_params(warm_start=True, tol=0.0, max_iter=STEPS)
        trained.converged_, trained.lower_bound_ = True, -np.inf
        return _read(quietly(trained.fit, x))

    def fit(params: Params) -> Params:
        return until_settled(steps, params, iterations)

    return Problem(
        params=_read(estimator),
        elbo=elbo,
        factors=lambda params: _declaration(priors, x, _expected(priors, x, _given(priors, params))),
        fit=None if priors.added else fit,
        departures=_departures(
            priors, x, len(estimator.means_), lambda params: _expected(priors, x, _given(priors, params))
        ),
        library="numpy",
        label=label or f"{' '.join(str(estimator).split())} on {len(x)} data",
    )


def _priors(estimator: Any) -> Priors:
    size, given = estimator.means_.shape[1], np.asarray(estimator.covariance_prior_, dtype=float)
    return Priors(
        concentration=float(estimator.weight_concentration_prior_),
        process=estimator.weight_concentration_prior_type == "dirichlet_process",
        mean=np.asarray(estimator.mean_prior_, dtype=float),
        strength=float(estimator.mean_precision_prior_),
        degrees=float(estimator.degrees_of_freedom_prior_),
        inverse=given if given.ndim == 2 else given * np.eye(size),
        kind=estimator.covariance_type,
        added=float(estimator.reg_covar),
    )


def _read(estimator: Any) -> Params:
    """The parameters of q in their charts; a Dirichlet process has two rows of concentrations."""
    size = estimator.means_.shape[1]
    found = {
        "log_concentration": np.log(np.array(estimator.weight_concentration_)),
        "log_strength": np.log(estimator.mean_precision_),
        "means": np.array(estimator.means_),
        "log_degrees": np.log(np.asarray(estimator.degrees_of_freedom_) - (size - 1.0)),
    }
    if estimator.covariance_type in ("diag", "spherical"):
        return {**found, "log_variances": -2.0 * np.log(estimator.precisions_cholesky_)}
    factor = lower_factor(estimator.precisions_cholesky_)
    diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
    return {**found, "precision_log_diagonal": np.log(diagonal), "precision_lower": packed(factor)}


def _write(moved: Any, params: Params) -> None:
    concentration = np.exp(params["log_concentration"])
    moved.weight_concentration_ = tuple(concentration) if concentration.ndim == 2 else concentration
    moved.mean_precision_, moved.means_ = np.exp(params["log_strength"]), params["means"]
    moved.degrees_of_freedom_ = np.exp(params["log_degrees"]) + (params["means"].shape[1] - 1.0)
    if "log_variances" in params:
        moved.precisions_cholesky_ = np.exp(-0.5 * params["log_variances"])
    else:
        moved.precisions_cholesky_ = upper_factor(triangular(params))


def _given(priors: Priors, params: Params) -> Posterior:
    """q of the parameters."""
    means, concentration = params["means"], np.exp(params["log_concentration"])
    count, size = means.shape
    if "log_variances" in params:
        variances = params["log_variances"].reshape(count, -1) + np.zeros((count, size))
        precision = np.exp(-variances)[:, :, None] * np.eye(size)
    else:
        factor = triangular(params)
        precision = factor @ np.swapaxes(factor, -1, -2) + np.zeros((count, size, size))
    degrees = np.exp(params["log_degrees"]) + (size - 1.0) + np.zeros(count)
    weights = Beta(concentration[0], concentration[1]) if priors.process else Dirichlet(concentration)
    return Posterior(
        weights, Wishart(degrees, precision / degrees[:, None, None]), np.exp(params["log_strength"]), means
    )


def _expected(priors: Priors, x: np.ndarray, q: Posterior) -> Array:
    """The E-step: r (N, K)."""
    log_r = _of_weights(priors, q)[2] + _of_data(x, q)
    r = np.exp(log_r - np.max(np.real(log_r), axis=1, keepdims=True))
    return r / r.sum(axis=1, keepdims=True)


def _of_data(x: np.ndarray, q: Posterior) -> Array:
    """E log N(x_n; μ_k, Λ_k⁻¹), (N, K)."""
    centred = x[:, None] - q.mean
    squares = -0.5 * centred[..., :, None] * centred[..., None, :]
    return expected_log_density(q.precision, (HALF, squares), -0.5 * x.shape[1] * (LOG_2PI + 1.0 / q.strength))


def _posterior(priors: Priors, x: np.ndarray, r: Array) -> Posterior:
    """The M-step: Bishop (2006), equations 10.58 to 10.63, and the best scale matrix of the type of covariances."""
    size, numbers = x.shape[1], r.sum(axis=0) + LEAST
    means = r.T @ x / numbers[:, None]
    strength = priors.strength + numbers
    centred = x[None] - means[:, None]  # (K, N, D)
    scatter = np.einsum("nk,knd,kne->kde", r, centred, centred) + (numbers * priors.added)[:, None, None] * np.eye(size)
    offset = means - priors.mean
    pull = (numbers * priors.strength / strength)[:, None, None] * offset[:, :, None] * offset[:, None, :]
    inverse, degrees = priors.inverse + scatter + pull, priors.degrees + numbers
    if priors.kind == "diag":
        inverse = inverse * np.eye(size)
    elif priors.kind == "spherical":
        inverse = np.trace(inverse, axis1=1, axis2=2)[:, None, None] / size * np.eye(size)
    elif priors.kind == "tied":
        inverse = np.mean(inverse, axis=0) + np.zeros_like(inverse)
        degrees = np.mean(degrees) + np.zeros_like(degrees)
    if priors.process:
        later = np.concatenate([np.cumsum(numbers[::-1])[-2::-1], np.zeros(1)])
        weights: Any = Beta(1.0 + numbers, priors.concentration + later)
    else:
        weights = Dirichlet(priors.concentration + numbers)
    mean = (priors.strength * priors.mean + numbers[:, None] * means) / strength[:, None]
    return Posterior(weights, Wishart(degrees, np.linalg.inv(inverse)), strength, mean, numbers)


def _declaration(priors: Priors, x: np.ndarray, r: Array) -> Declaration:
    """q(z) = r, and q(weights) q(means, precisions) of the M-step, global."""
    average: Any = Average
    size, q = x.shape[1], _posterior(priors, x, r)
    ratio = priors.strength / q.strength
    offset = q.mean - priors.mean
    means = expected_log_density(
        q.precision,
        (HALF, -0.5 * priors.strength * offset[:, :, None] * offset[:, None, :]),
        0.5 * size * (np.log(priors.strength) - LOG_2PI - ratio),
    )
    log_determinant = q.precision.mean_statistics()[0]
    entropy = q.precision.entropy() + 0.5 * (size * (LOG_2PI + 1.0 - np.log(q.strength)) - log_determinant)
    prior, posterior, log_weights = _of_weights(priors, q)
    return Declaration(
        (
            Factor("weights", average(prior, posterior), under="weights"),
            Factor("precisions", average(_first(priors.precision), _first(q.precision)), under="components"),
            Factor("means", LogDensity(means[None, None]), under="components"),
            Factor("z", LogDensity(log_weights[None]), under=("z", "weights")),
            Factor("x", LogDensity(_of_data(x, q)), under=("z", "components")),
        ),
        q=(
            Latents("z", weights=r),
            Latents("weights", entropy=np.sum(posterior.entropy(), keepdims=True).reshape(1), plate=None),
            Latents("components", entropy=np.sum(entropy, keepdims=True).reshape(1), plate=None),
        ),
    )


def _of_weights(priors: Priors, q: Posterior) -> tuple[Any, Any, Array]:
    """(prior, q) with leading axes for data and points, and E log π (K,)."""
    prior: Any
    if not priors.process:
        shapes = q.weights.concentration
        prior = Dirichlet(np.full((1, 1, len(shapes)), priors.concentration))
        return prior, Dirichlet(shapes[None, None]), q.weights.mean_statistics()[0]
    here, rest = q.weights.mean_statistics()
    before = np.concatenate([np.zeros(1), np.cumsum(rest)[:-1]])
    prior = Beta(np.ones((1, 1, len(here))), np.full((1, 1, len(here)), priors.concentration))
    return prior, Beta(q.weights.alpha[None, None], q.weights.beta[None, None]), here + before


def _first(wishart: Wishart) -> Wishart:
    """With leading axes for data and points."""
    degrees, scale = np.atleast_1d(wishart.degrees), wishart.scale
    return Wishart(degrees[None, None], (scale if scale.ndim == 3 else scale[None])[None, None])


def _departures(
    priors: Priors, x: np.ndarray, count: int, expected: Callable[[Params], Array]
) -> tuple[Departure, ...]:
    """What `lower_bound_` leaves out: reported − ELBO, each part in closed form, nats per datum.

    With q of the M-step the ELBO is H[q(z)] plus log Z of q's parts minus log Z of their priors, minus ½ log 2π for
    each number in the data. Only the terms that depend on q are in `lower_bound_`.
    """
    data, size = x.shape
    halves = 0.5 * (priors.degrees - np.arange(size))
    of_precision = 0.5 * priors.degrees * (size * LOG_2 - np.linalg.slogdet(priors.inverse)[1]) + gammaln(halves).sum()
    if priors.process:
        of_weights = count * float(betaln(1.0, priors.concentration))
    else:
        of_weights = count * float(gammaln(priors.concentration)) - float(gammaln(count * priors.concentration))
    of_means = -0.5 * size * count * math.log(priors.strength)
    found = [
        Departure("½ log 2π of the data is left out", value=0.5 * size * LOG_2PI),
        Departure("log Z of the prior of the weights is left out", value=of_weights / data),
        Departure("log Z of the prior of the means is left out", value=of_means / data),
        Departure("log Z of the prior of the precisions is left out", value=count * float(of_precision) / data),
    ]
    if priors.added:
        name = f"reg_covar = {priors.added:g} is added to scatter matrices, and to the bound"
        found.append(Departure(name, value=lambda params: _regularised(priors, x, expected(params))))
    return tuple(found)


def _regularised(priors: Priors, x: np.ndarray, r: Array) -> Array:
    """−½ Σ_k n_k reg tr E Λ_k / N, which the M-step has in the scatter matrices, and the data do not."""
    q = _posterior(priors, x, r)
    traces = np.trace(q.precision.mean_statistics()[1], axis1=1, axis2=2)
    return -0.5 * priors.added * np.sum(q.numbers * traces) / len(x)
