"""scikit-learn's `LatentDirichletAllocation`: topics for all documents, shares of topics for each.

The ELBO under test is `_approx_bound` over the number of documents, of which `score` and `perplexity` are made, at any
q: `components_` λ (K, V), the Dirichlet parameters of the topics, and γ (N, K), those of the shares, which are
parameters here and are handed to it. The topic of each word is at its optimum, as in the library. `doc_topic_prior` and
`topic_word_prior` are fixed, so that the theorem covers no factor; value, gradient and training are judged.

The library's digamma function is a series that is cut off, wrong by up to 2.5e-9 (at 6): what this adds to the bound is
named and subtracted. Training is `_em_step` on all documents (`learning_method="batch"`; online steps have no fixed
point), with the E-step run to convergence: `mean_change_tol`, 1e-3 by default, stops it early.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from scipy.special import digamma, logsumexp

from elbocheck.adapters.settling import until_settled
from elbocheck.bound.departures import Departure
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.problem import Problem
from elbocheck.errors import InputError
from elbocheck.families import Average, Dirichlet, expected_log_density
from elbocheck.models.support import check_elements

STEPS = 50
"""EM steps between two looks."""
E_STEP = {"mean_change_tol": 1e-13, "max_doc_update_iter": 1000, "n_jobs": None, "verbose": 0}
SERIES = "the library's digamma function, a series that is cut off"
Params = dict[str, Any]


def problem(estimator: Any, x: Any, *, iterations: int = 2000, label: str = "") -> Problem:
    """The problem of a fitted `LatentDirichletAllocation` (or one that is fitted here, on a copy) and counts (N, V).

    Parameters: {"log_topics": log λ (K, V), "log_shares": log γ (N, K)}. `x` may be a sparse matrix. `iterations`: most
    EM steps of `fit`. Raises `InputError` for data that are negative or have other columns.
    """
    x = np.asarray(x.toarray() if hasattr(x, "toarray") else x, dtype=float)
    check_elements(x, x >= 0, "counts of words (not negative) are needed")
    if not hasattr(estimator, "components_"):
        estimator = copy.deepcopy(estimator).fit(x)
    if estimator.components_.shape[1] != x.shape[1]:
        raise InputError(
            f"the estimator knows {estimator.components_.shape[1]} words; the data have {x.shape[1]} columns"
        )
    priors = float(estimator.doc_topic_prior_), float(estimator.topic_word_prior_)

    def at(params: Params) -> Any:
        moved = copy.copy(estimator)
        moved.components_ = np.exp(np.asarray(params["log_topics"], dtype=float))
        moved.exp_dirichlet_component_ = np.exp(
            digamma(moved.components_) - digamma(moved.components_.sum(axis=1, keepdims=True))
        )
        return moved

    def read(fitted: Any) -> Params:
        return {"log_topics": np.log(fitted.components_), "log_shares": np.log(fitted._unnormalized_transform(x))}

    def elbo(params: Params) -> float:
        return float(at(params)._approx_bound(x, np.exp(params["log_shares"]), sub_sampling=False)) / len(x)

    def subset(params: Params, rows: Any) -> float:
        moved, shares = at(params).set_params(total_samples=len(x)), np.exp(params["log_shares"])
        return float(moved._approx_bound(x[rows], shares[rows], sub_sampling=True)) / len(x)

    def steps(params: Params) -> Params:
        moved = at(params).set_params(**E_STEP)
        moved.random_state_ = np.random.RandomState(0)
        for _ in range(STEPS):
            moved._em_step(x, total_samples=len(x), batch_update=True)
        return read(moved)

    def fit(params: Params) -> Params:
        return until_settled(steps, params, iterations, STEPS)

    return Problem(
        params=read(estimator),
        elbo=elbo,
        factors=lambda params: _declaration(x, params, *priors),
        fit=fit if estimator.learning_method == "batch" else None,
        subset=subset,
        departures=(Departure(SERIES, value=lambda params: _of_series(x, params, *priors)),),
        library="numpy",
        label=label or f"{' '.join(str(estimator).split())} on {len(x)} documents",
    )


def _declaration(x: np.ndarray, params: Params, of_shares: float, of_topics: float) -> Declaration:
    """q(topics) q(shares) q(topic of each word), the last at its optimum: r_nvk ∝ exp(E log θ_nk + E log φ_kv)."""
    average: Any = Average
    words, topics = x.shape[1], len(params["log_topics"])
    shares, q_topics = Dirichlet(np.exp(params["log_shares"])), Dirichlet(np.exp(params["log_topics"]))
    log_r = shares.mean_statistics()[0][:, None, :] + q_topics.mean_statistics()[0].T[None]
    most = np.max(np.real(log_r), axis=-1, keepdims=True)
    log_r = log_r - most - np.log(np.sum(np.exp(log_r - most), axis=-1, keepdims=True))
    assigned = x[:, :, None] * np.exp(log_r)
    of_share, of_topic = Dirichlet(shares.concentration[:, None]), Dirichlet(q_topics.concentration[None, None])
    topic = expected_log_density(of_share, (assigned.sum(axis=1)[:, None],))
    word = expected_log_density(of_topic, (np.swapaxes(assigned, 1, 2)[:, None],))
    return Declaration(
        (
            Factor("shares", average(Dirichlet(np.full((1, 1, topics), of_shares)), of_share), under="shares"),
            Factor("topics", average(Dirichlet(np.full((1, 1, 1, words), of_topics)), of_topic), under="topics"),
            Factor("topic", LogDensity(topic), under=("topic", "shares")),
            Factor("word", LogDensity(word), under=("topic", "topics")),
        ),
        q=(
            Latents("shares", entropy=shares),
            Latents("topics", entropy=np.sum(q_topics.entropy(), keepdims=True).reshape(1), plate=None),
            Latents("topic", entropy=-np.sum(assigned * log_r, axis=(1, 2))),
        ),
    )


def series(a: np.ndarray) -> np.ndarray:
    """ψ(a) of a > 1e-6 as the library has it: J. M. Bernardo, algorithm AS 103 (1976), in three terms from 6 on."""
    a, found = np.array(a), np.zeros(np.shape(a))
    while np.any(small := a < 6.0):
        found[small] -= 1.0 / a[small]
        a[small] += 1.0
    square = 1.0 / (a * a)
    return found + np.log(a) - 0.5 / a - square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0))


def _of_series(x: np.ndarray, params: Params, of_shares: float, of_topics: float) -> float:
    """The bound with `series` less the bound with ψ, nats per document."""
    shares, topics = (np.exp(np.real(params[name])) for name in ("log_shares", "log_topics"))
    found = []
    for psi in (series, digamma):
        of_share, of_topic = (psi(one) - psi(one.sum(axis=1, keepdims=True)) for one in (shares, topics))
        words = np.sum(x * logsumexp(of_share[:, :, None] + of_topic[None], axis=1))
        found.append(words + np.sum((of_shares - shares) * of_share) + np.sum((of_topics - topics) * of_topic))
    return float(found[0] - found[1]) / len(x)
