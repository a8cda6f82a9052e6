"""hmmlearn: `GaussianHMM` (all covariance types) and `CategoricalHMM`.

The ELBO under test is `score(X, lengths)` divided by the number of sequences, at any parameters, which are set as
attributes on a copy. With the exact posterior over paths, which elbocheck computes by itself, it is the log likelihood,
and where Baum–Welch stops it has to be the sum of entropies.

hmmlearn's M-step is that of a MAP estimate, by default too (`covars_prior=0.01`, `covars_weight=1`): the gaps that the
priors leave are named and subtracted. `min_covar` enters the initial covariances only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbocheck.adapters.chains import Params, declaration, evidence, normalised, pseudo_counts
from elbocheck.adapters.gaussians import lower_factor, packed, triangular
from elbocheck.adapters.settling import STEPS, until_settled
from elbocheck.backends import require
from elbocheck.backends.namespace import Array
from elbocheck.bound.departures import Departure
from elbocheck.bound.problem import Problem
from elbocheck.errors import InputError
from elbocheck.families import Categorical, MultivariateNormal, Normal
from elbocheck.families.base import Distribution
from elbocheck.gate.target import Target
from elbocheck.models.support import check_matrix

LEAST = 1e-300
"""Stands for probabilities that EM has made 0, whose logits would be infinite."""


@dataclass(frozen=True)
class Emissions:
    """What is particular to one kind of emissions: reading and writing its attributes, its distribution and its β."""

    names: tuple[str, ...]
    read: Callable[[Any], dict[str, np.ndarray]]
    write: Callable[[Any, Params], None]
    distribution: Callable[[Params, np.ndarray], Distribution]
    beta: Callable[[Params], dict[str, Array]]
    departures: Callable[[Any, int], tuple[Departure, ...]]
    tied: bool = False


def problem(estimator: Any, x: Any, lengths: Any = None, *, iterations: int = 20000, label: str = "") -> Problem:
    """The problem of a fitted HMM (or one that is fitted here, on a copy) and observations `x` (ΣT_n, D).

    `lengths`: of the sequences, as for hmmlearn; default one sequence, which is then one datum. `iterations`: most EM
    steps of `fit`. Raises `InputError` for other classes, `MissingExtraError` where hmmlearn is not installed.
    """
    require("hmmlearn", "the hmmlearn adapter needs hmmlearn", "hmmlearn")
    x = np.asarray(x)
    emissions = _emissions(estimator)
    check_matrix(x.astype(float))
    lengths = [len(x)] if lengths is None else [int(length) for length in lengths]
    if sum(lengths) != len(x) or min(lengths) < 1:
        raise InputError(f"lengths must be positive and sum to the {len(x)} observations; got {lengths}")
    sequences = np.split(x, np.cumsum(lengths)[:-1])
    values = [_values(emissions, estimator, one) for one in sequences]
    if not hasattr(estimator, "startprob_"):
        estimator = copy.deepcopy(estimator).fit(x, lengths)
        values = [_values(emissions, estimator, one) for one in sequences]

    def at(params: Params) -> Any:
        moved = copy.deepcopy(estimator)
        moved.startprob_ = np.exp(normalised(np.asarray(params["start_logits"], dtype=float)))
        moved.transmat_ = np.exp(normalised(np.asarray(params["transition_logits"], dtype=float)))
        emissions.write(moved, params)
        return moved

    def read(fitted: Any) -> dict[str, np.ndarray]:
        return {
            "start_logits": _logits(fitted.startprob_),
            "transition_logits": _logits(fitted.transmat_),
            **emissions.read(fitted),
        }

    def steps(params: Params) -> Params:
        return read(at(params).set_params(init_params="", n_iter=STEPS, tol=-np.inf, verbose=False).fit(x, lengths))

    def fit(params: Params) -> Params:
        return until_settled(steps, params, iterations)

    def subset(params: Params, indices: Any) -> float:
        rows = [sequences[index] for index in indices]
        return float(at(params).score(np.concatenate(rows), [len(row) for row in rows])) / len(rows)

    return Problem(
        params=read(estimator),
        elbo=lambda params: at(params).score(x, lengths) / len(lengths),
        factors=declaration(values, emissions.distribution, emissions.names, emissions.beta, emissions.tied),
        fit=fit,
        log_evidence=lambda params: evidence(values, emissions.distribution, params),
        subset=subset,
        departures=(*_dirichlet(estimator, len(lengths)), *emissions.departures(estimator, len(lengths))),
        library="numpy",
        label=label or f"{' '.join(str(estimator).split())} on {len(lengths)} sequences",
    )


def target(*estimators: Any, x: Any, lengths: Any = None, name: str = "hmmlearn", iterations: int = 20000) -> Target:
    """One target with the problem of every estimator on the same data."""
    return Target(name, [problem(one, x, lengths, iterations=iterations) for one in estimators])


def _emissions(estimator: Any) -> Emissions:
    from hmmlearn.hmm import CategoricalHMM, GaussianHMM

    if isinstance(estimator, CategoricalHMM):
        return CATEGORICAL
    if isinstance(estimator, GaussianHMM):
        return _gaussian(estimator.covariance_type)
    raise InputError(f"no adapter for {type(estimator).__name__}; GaussianHMM and CategoricalHMM are supported")


def _values(emissions: Emissions, estimator: Any, sequence: np.ndarray) -> np.ndarray:
    """A sequence as the family wants it: classes one-hot."""
    if emissions is not CATEGORICAL:
        return sequence.astype(float)
    count = getattr(estimator, "n_features", None) or int(sequence.max()) + 1
    return np.eye(count)[sequence[:, 0].astype(int)]


def _logits(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, LEAST))


def _gaussian(kind: str) -> Emissions:
    def read(fitted: Any) -> dict[str, np.ndarray]:
        found = {"means": np.array(fitted.means_)}
        if kind == "spherical":  # trained, `covars_` has K·D matrices in the place of K (hmmlearn 0.3.3)
            variances = np.reshape(fitted._covars_, (len(fitted.means_), -1))[:, :1]
            return {**found, "log_variances": np.log(variances)}
        covariances = np.array(fitted.covars_)  # (K, D, D), whatever the type
        if kind == "diag":
            return {**found, "log_variances": np.log(np.diagonal(covariances, axis1=-2, axis2=-1))}
        factor = lower_factor(np.swapaxes(np.linalg.inv(np.linalg.cholesky(covariances)), -1, -2))
        factor = factor[:1] if kind == "tied" else factor
        diagonal = np.log(np.diagonal(factor, axis1=-2, axis2=-1))
        return {**found, "precision_log_diagonal": diagonal, "precision_lower": packed(factor)}

    def covariances(params: Params) -> np.ndarray:
        inverse = np.linalg.inv(triangular(params))
        return np.swapaxes(inverse, -1, -2) @ inverse

    def write(moved: Any, params: Params) -> None:
        moved.means_ = np.asarray(params["means"], dtype=float)
        if kind in ("diag", "spherical"):
            variances = np.exp(np.asarray(params["log_variances"], dtype=float))
            moved.covars_ = variances if kind == "diag" else variances[:, 0]
        else:
            both = covariances({name: np.asarray(value, dtype=float) for name, value in params.items()})
            both = 0.5 * (both + np.swapaxes(both, -1, -2))
            moved.covars_ = both[0] if kind == "tied" else both

    def distribution(params: Params, states: np.ndarray) -> Distribution:
        means = states @ params["means"]
        if kind in ("diag", "spherical"):
            return Normal(means, states @ np.exp(params["log_variances"]))
        chosen = triangular(params)
        return MultivariateNormal(
            means, chosen[:, None, None] if kind == "tied" else np.einsum("...k,kij->...ij", states, chosen)
        )

    def beta(params: Params) -> dict[str, Array]:
        """−1 for log variances, half of it and its sign for a factor of the precision (THEORY section 4)."""
        if kind in ("diag", "spherical"):
            return {"log_variances": -np.ones_like(params["log_variances"])}
        diagonal = params["precision_log_diagonal"]
        return {
            "precision_log_diagonal": 0.5 * np.ones_like(diagonal),
            "precision_lower": 0.5 * params["precision_lower"],
        }

    def departures(estimator: Any, sequences: int) -> tuple[Departure, ...]:
        """The prior of means and covariances: gap_x = (1/2N) Σ_c [tr Σ_c⁻¹ (P + w_μ (μ_c − μ₀)(μ_c − μ₀)ᵀ) − w D].

        The M-step has Σ_c = (P + C_c)/(w + n_c) with C_c the weighted scatter, n_c the expected visits, P =
        `covars_prior` and w = max(`covars_weight` − 1, 0), for full and tied covariances − D. A number as
        `covars_prior` is added to every entry of full and tied covariances, off the diagonal too.
        """
        prior, pull = np.asarray(estimator.covars_prior, dtype=float), np.asarray(estimator.means_weight, dtype=float)
        size = estimator.means_.shape[1]
        weight = max(estimator.covars_weight - (1 if kind in ("diag", "spherical") else size), 0)
        if not (np.any(prior) or np.any(pull) or weight):
            return ()

        def gaps(params: Params) -> dict[str, float]:
            offset = params["means"] - estimator.means_prior
            count = len(offset)
            if kind in ("diag", "spherical"):
                spread = np.broadcast_to(prior, offset.shape) + pull * offset**2
                total = np.sum(spread * np.exp(-params["log_variances"]))
            else:
                outer = offset[:, :, None] * offset[:, None, :]
                spread = np.broadcast_to(prior / (count if kind == "tied" else 1), outer.shape) + pull * outer
                precision = triangular(params) @ np.swapaxes(triangular(params), -1, -2)
                total = np.sum(spread * precision)
            states = 1 if kind == "tied" else count
            return {"x": float(total - weight * size * states) / (2.0 * sequences)}

        name = f"covars_prior = {estimator.covars_prior}, covars_weight = {estimator.covars_weight}"
        name += f", means_weight = {estimator.means_weight}" if np.any(pull) else ""
        return (Departure(name, gaps),)

    covariance = ("log_variances",) if kind in ("diag", "spherical") else ("precision_log_diagonal", "precision_lower")
    return Emissions(("means", *covariance), read, write, distribution, beta, departures, tied=kind == "tied")


def _dirichlet(estimator: Any, sequences: int) -> tuple[Departure, ...]:
    """Priors of the start and the transitions, see `pseudo_counts`."""
    start, table = estimator.startprob_prior, estimator.transmat_prior
    return (
        *pseudo_counts("startprob_prior", start, "start", _log_of("start_logits"), sequences),
        *pseudo_counts("transmat_prior", table, "transition", _log_of("transition_logits"), sequences),
    )


def _log_of(block: str) -> Callable[[Params], np.ndarray]:
    """The log probabilities of a block of logits."""
    return lambda params: normalised(np.asarray(params[block], dtype=float))


def _write_symbols(moved: Any, params: Params) -> None:
    moved.emissionprob_ = np.exp(normalised(np.asarray(params["emission_logits"], dtype=float)))


CATEGORICAL = Emissions(
    ("emission_logits",),
    lambda fitted: {"emission_logits": _logits(fitted.emissionprob_)},
    _write_symbols,
    lambda params, states: Categorical(states @ params["emission_logits"]),
    lambda params: {"emission_logits": params["emission_logits"]},
    lambda fitted, n: pseudo_counts(
        "emissionprob_prior", fitted.emissionprob_prior, "x", _log_of("emission_logits"), n
    ),
)
