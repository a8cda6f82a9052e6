"""scikit-learn: `GaussianMixture`, `FactorAnalysis`, and `PCA` as probabilistic PCA.

`BayesianGaussianMixture` and `LatentDirichletAllocation` are handed on to modules of their own.

The ELBO under test is `estimator.score(X)` at any parameters, set as attributes on a copy of the estimator. It is not
`lower_bound_`: that belongs to the parameters before the last M-step. As q is the exact posterior, the score has to be
the log likelihood, and where training stops it has to be the sum of entropies.

Responsibilities, posteriors, entropies and the log evidence are elbocheck's own. What scikit-learn does on purpose, and
what keeps it off the maximum, is named and subtracted: `reg_covar`, variances with N − 1, noise clamped at 1e-12.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from elbocheck.adapters import sklearn_bayesian, sklearn_topics
from elbocheck.adapters.catalogued import Params, declaration, fixed_arrays
from elbocheck.adapters.departures import clamped_noise, fewer_degrees_of_freedom, regularised
from elbocheck.adapters.estimators import quietly
from elbocheck.adapters.gaussians import (
    gaussian_evidence,
    lower_factor,
    matrices,
    mixture_evidence,
    packed,
    triangular,
    upper_factor,
)
from elbocheck.adapters.settling import STEPS, has_settled
from elbocheck.backends import require
from elbocheck.bound.departures import Departure
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.errors import InputError
from elbocheck.gate.target import Target
from elbocheck.models.base import Model, Variational
from elbocheck.models.factor_analysis import FACTOR_ANALYSIS
from elbocheck.models.gaussian_mixture import GMM_DIAGONAL, GMM_FULL, GMM_SPHERICAL, GMM_TIED
from elbocheck.models.ppca import PPCA
from elbocheck.models.support import check_matrix
from elbocheck.models.variational.exact import EXACT, EXACT_GAUSSIAN

MIXTURES = {"full": GMM_FULL, "tied": GMM_TIED, "diag": GMM_DIAGONAL, "spherical": GMM_SPHERICAL}
EPS = float(np.finfo(float).eps)
SUPPORTED = "GaussianMixture, BayesianGaussianMixture, FactorAnalysis, PCA and LatentDirichletAllocation"


@dataclass(frozen=True)
class Adapter:
    """What is particular to one class of estimators.

    `read(estimator) -> params`, in the charts of the catalogue's `model`; `write(estimator, params)` sets the fitted
    attributes that `score` uses; `train(estimator, params, x, steps)` is the estimator's own training from there, on
    a copy; `evidence(params, x) -> (1/N) log p(x)`, in nats; `departures(estimator, x)`.
    """

    model: Model
    read: Callable[[Any], Params]
    write: Callable[[Any, Params], None]
    train: Callable[[Any, Params, np.ndarray, int], Any]
    evidence: Callable[[Params, np.ndarray], float]
    departures: Callable[[Any, np.ndarray], tuple[Departure, ...]]
    steps: Callable[[Any], int] = lambda trained: int(trained.n_iter_)


def problem(estimator: Any, x: Any, *, iterations: int = 2000, label: str = "") -> Problem:
    """The problem of a fitted estimator (or one that is fitted here, on a copy) and data `x` (N, D).

    `iterations`: most EM steps of `fit`, which runs with `tol=0` and else as the estimator is set up.
    `BayesianGaussianMixture` and `LatentDirichletAllocation`: see `sklearn_bayesian` and `sklearn_topics`.
    Raises `InputError` for estimators without an ELBO, `MissingExtraError` where scikit-learn is not installed.
    """
    require("sklearn", "the scikit-learn adapter needs scikit-learn", "sklearn")
    from sklearn.decomposition import LatentDirichletAllocation
    from sklearn.exceptions import NotFittedError
    from sklearn.mixture import BayesianGaussianMixture
    from sklearn.utils.validation import check_is_fitted

    if isinstance(estimator, BayesianGaussianMixture):
        return sklearn_bayesian.problem(estimator, x, iterations=iterations, label=label)
    if isinstance(estimator, LatentDirichletAllocation):
        return sklearn_topics.problem(estimator, x, iterations=iterations, label=label)
    x = np.asarray(x, dtype=float)
    check_matrix(x)
    adapter = _adapter(estimator)
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        estimator = quietly(copy.deepcopy(estimator).fit, x)
    params = adapter.read(estimator)
    latents = _latents(params)
    q = EXACT if "logits" in params else EXACT_GAUSSIAN

    def at(params: Params) -> Any:
        moved = copy.deepcopy(estimator)
        adapter.write(moved, {name: np.asarray(value, dtype=float) for name, value in params.items()})
        return moved

    def fit(params: Params) -> Params:
        done = 0
        while done < iterations:
            trained = quietly(adapter.train, estimator, params, x, STEPS)
            before, params, done = params, adapter.read(trained), done + adapter.steps(trained)
            if has_settled(before, params):
                break
        return params

    return Problem(
        params=dict(params),
        elbo=lambda params: at(params).score(x),
        factors=_declaration(adapter.model, q, fixed_arrays(x, latents)),
        fit=fit,
        log_evidence=lambda params: adapter.evidence(params, x),
        subset=lambda params, indices: at(params).score(x[np.asarray(indices)]),
        departures=adapter.departures(estimator, x),
        library="numpy",
        label=label or f"{' '.join(str(estimator).split())} on {len(x)} data",
    )


def target(*estimators: Any, x: Any, name: str = "scikit-learn", iterations: int = 2000) -> Target:
    """One target with the problem of every estimator on the same data."""
    return Target(name, [problem(estimator, x, iterations=iterations) for estimator in estimators])


def _adapter(estimator: Any) -> Adapter:
    from sklearn.decomposition import PCA, FactorAnalysis
    from sklearn.mixture import GaussianMixture

    if isinstance(estimator, GaussianMixture):
        return _mixture(estimator)
    if isinstance(estimator, FactorAnalysis):
        return FACTORS
    if isinstance(estimator, PCA):
        return COMPONENTS
    raise InputError(f"no adapter for {type(estimator).__name__}; {SUPPORTED} are supported")


def _declaration(model: Model, q: Variational, arrays: Mapping[str, np.ndarray]) -> Callable[[Params], Declaration]:
    """The catalogue's declaration over packed triangles."""
    declare = declaration(model, q, arrays)

    def over_packed(params: Params) -> Declaration:
        declared = declare(matrices(params))
        return replace(declared, factors=tuple(map(_with_packed_beta, declared.factors)))

    return over_packed


def _with_packed_beta(factor: Factor) -> Factor:
    if factor.beta is None or "precision_lower" not in factor.beta:
        return factor
    return replace(factor, beta={**factor.beta, "precision_lower": packed(factor.beta["precision_lower"])})


def _latents(params: Params) -> int:
    return len(params["logits"]) if "logits" in params else params["loadings"].shape[1]


def _mixture(estimator: Any) -> Adapter:
    kind = estimator.covariance_type
    return Adapter(
        MIXTURES[kind],
        _read_mixture,
        _write_mixture,
        _train_mixture,
        lambda params, x: mixture_evidence(MIXTURES[kind], params, x),
        lambda fitted, x: regularised(kind, fitted.reg_covar),
    )


def _read_mixture(estimator: Any) -> Params:
    """log weights, means, and the chart of the catalogue: log variances, or the Cholesky factor of the precision."""
    params = {"logits": np.log(estimator.weights_), "means": np.array(estimator.means_)}
    if estimator.covariance_type in ("diag", "spherical"):
        return {**params, "log_variances": -2.0 * np.log(estimator.precisions_cholesky_)}
    factor = lower_factor(estimator.precisions_cholesky_)
    diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
    return {**params, "precision_log_diagonal": np.log(diagonal), "precision_lower": packed(factor)}


def _write_mixture(estimator: Any, params: Params) -> None:
    weights = np.exp(params["logits"] - params["logits"].max())
    estimator.weights_, estimator.means_ = weights / weights.sum(), params["means"]
    estimator.precisions_cholesky_ = _precision_factor(params)
    estimator.precisions_ = _precisions(params)


def _precision_factor(params: Params) -> np.ndarray:
    """`precisions_cholesky_`: 1/σ, or the upper triangular U with precision U Uᵀ."""
    if "log_variances" in params:
        return np.exp(-0.5 * params["log_variances"])
    return upper_factor(triangular(params))


def _precisions(params: Params) -> np.ndarray:
    factor = _precision_factor(params)
    return factor * factor if "log_variances" in params else factor @ np.swapaxes(factor, -1, -2)


def _train_mixture(estimator: Any, params: Params, x: np.ndarray, steps: int) -> Any:
    """EM from given parameters, by way of `weights_init`, `means_init` and `precisions_init`."""
    from sklearn.base import clone

    start = copy.deepcopy(estimator)
    _write_mixture(start, params)
    trained = clone(estimator).set_params(
        weights_init=start.weights_,
        means_init=start.means_,
        precisions_init=start.precisions_,
        n_init=1,
        warm_start=False,
        tol=0.0,
        max_iter=steps,
    )
    return trained.fit(x)


def _read_factors(estimator: Any) -> Params:
    return {
        "loadings": np.array(estimator.components_.T),
        "mean": np.array(estimator.mean_),
        "log_variance": np.log(estimator.noise_variance_),
    }


def _write_factors(estimator: Any, params: Params) -> None:
    estimator.components_, estimator.mean_ = params["loadings"].T, params["mean"]
    estimator.noise_variance_ = np.exp(params["log_variance"])


def _train_factors(estimator: Any, params: Params, x: np.ndarray, steps: int) -> Any:
    """EM from given noise variances, from which the loadings follow; it stops where rounding makes the score fall."""
    from sklearn.base import clone

    noise = np.exp(params["log_variance"])
    return clone(estimator).set_params(noise_variance_init=noise, tol=0.0, max_iter=steps).fit(x)


def _read_components(estimator: Any) -> Params:
    """W = Vᵀ (Λ − σ²)^½: the loadings of Tipping & Bishop (1999), section 3.2, from PCA's attributes."""
    if not estimator.noise_variance_ > EPS * np.max(estimator.explained_variance_):
        raise InputError(
            f"PCA with {estimator.n_components_} components leaves no variance for noise (noise_variance_ = "
            f"{estimator.noise_variance_:g}), where the likelihood has no maximum; choose fewer components"
        )
    excess = np.maximum(estimator.explained_variance_ - estimator.noise_variance_, 0.0)
    return {
        "loadings": estimator.components_.T * np.sqrt(excess),
        "mean": np.array(estimator.mean_),
        "log_variance": np.log(np.asarray(estimator.noise_variance_)),
    }


def _write_components(estimator: Any, params: Params) -> None:
    """Any W, by its singular value decomposition: only W Wᵀ enters the score."""
    noise = float(np.exp(params["log_variance"]))
    _, lengths, directions = np.linalg.svd(params["loadings"].T, full_matrices=False)
    estimator.components_, estimator.explained_variance_ = directions, lengths**2 + noise
    estimator.noise_variance_, estimator.mean_ = noise, params["mean"]


def _train_components(estimator: Any, params: Params, x: np.ndarray, steps: int) -> Any:
    """PCA is solved, not iterated: it ends at the same point from everywhere."""
    from sklearn.base import clone

    return clone(estimator).fit(x)


FACTORS = Adapter(FACTOR_ANALYSIS, _read_factors, _write_factors, _train_factors, gaussian_evidence, clamped_noise)
COMPONENTS = Adapter(
    PPCA,
    _read_components,
    _write_components,
    _train_components,
    gaussian_evidence,
    fewer_degrees_of_freedom,
    steps=lambda trained: STEPS,
)
