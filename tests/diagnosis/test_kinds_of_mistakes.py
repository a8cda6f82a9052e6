"""Kinds of mistakes that a reading tells from each other, each planted in correct code beside a near one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.nn
import jax.numpy as jnp
import numpy as np
import pytest

from elbocheck import Problem
from elbocheck.diagnosis.suspects.base import counted, is_usual, multiple
from elbocheck.faults.unseen.catalogue import problem as correct
from elbocheck.faults.unseen.run import first_rejection
from elbocheck.faults.unseen.targets import factor_analysis, logistic_sampled, matrix_factorisation, mixture_em
from elbocheck.outcome import Diagnosis

HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)


def reading(of: Problem, elbo: Any) -> Diagnosis:
    """What is read of code with another `elbo`, a function of the correct one and the parameters."""
    own = of.elbo
    assert own is not None
    _, found = first_rejection(replace(of, elbo=lambda p: elbo(own, p)))
    assert found is not None
    return found


def says(found: Diagnosis, factor: str, *parts: str) -> None:
    """That it blames the factor, and says what it should."""
    assert (found.factor, [one for one in parts if one not in found.sentence]) == (factor, []), found.sentence


@pytest.mark.parametrize(
    ("model", "block", "change", "place", "said"),
    [
        ("factor_analysis", "b", lambda b: 0.0 * b, "x", "b = 0: it is ignored"),
        ("factor_analysis", "b", lambda b: b[::-1], "x", "reversed order"),
        ("factor_analysis", "log_psi", lambda s: -s, "x", "the inverse"),
        ("mixture_em", "log_sigma", lambda s: 2.0 * s, "x", "σ² for σ, inside"),
        ("mixture_em", "mu", np.exp, "x", "the exponential of mu"),
    ],
)
def test_a_block_that_enters_otherwise(model: str, block: str, change: Any, place: str, said: str) -> None:
    """Whatever the formula, the whole bound has the value of the declared one at other parameters."""
    found = reading(correct(model), lambda own, p: own({**p, block: change(p[block])}))
    says(found, place, said)


@pytest.mark.parametrize(("size", "said"), [(1.0, "twice: log p of z"), (-1.0, "missing: log p of z")])
def test_a_term_inside_the_logarithm_of_a_sum(size: float, said: str) -> None:
    """log Σ_k π_k^(1 + a) N_k: no multiple of E log π explains it, as the responsibilities change, too."""

    def elbo(_: Any, p: Any) -> Any:
        log_pi = p["pi"] - np.log(np.exp(p["pi"]).sum())
        terms = mixture_em.joint(p, mixture_em.X) + size * log_pi
        return np.log(np.exp(terms).sum(1)).mean()

    found = reading(correct("mixture_em"), elbo)
    says(found, "z", said)


@pytest.mark.parametrize(("times", "said"), [(-1.0, "missing: log σ"), (1.0, "twice: log σ"), (-2.0, "sign: log σ")])
def test_log_sigma_of_a_sampled_q(times: float, said: str) -> None:
    """Where the entropy is given by its numbers, the spread of the points tells its log σ."""
    extra = lambda p: times * jnp.log(jax.nn.softplus(p["rho"])).sum() / logistic_sampled.N  # noqa: E731
    found = reading(correct("logistic_sampled"), lambda own, p: own(p) + extra(p))
    says(found, "q", said)


def test_what_draws_move_is_not_blamed_for_it() -> None:
    """The labels depend on ρ through the draws alone, as the prior does, and the entropy: none is blamed alone."""
    found = reading(correct("logistic_sampled"), lambda own, p: own(p) + 0.01 * jnp.sin(p["rho"]).sum())
    says(found, "", "cannot be told")


def test_a_prior_of_independent_latents_makes_none_act_on_another() -> None:
    found = reading(correct("logistic_sampled"), lambda own, p: own(p) + 0.01 * p["mu"][0] * p["mu"][1] * p["mu"][2])
    says(found, "y", "factor y: off by")
    found = reading(correct("logistic_sampled"), lambda own, p: own(p) + 0.01 * jnp.sin(p["mu"]).sum())
    assert {found.factor, *found.others} == {"w", "y"}, found.sentence


def test_what_is_not_there_is_not_lost() -> None:
    """The priors of two components hold ½ log 2π twice in all data, the data once each."""
    found = reading(correct("bayes_mixture"), lambda own, p: own(p) + HALF_LOG_2PI)
    says(found, "x", "½ log 2π")


def test_all_dimensions_but_one() -> None:
    """A constant that enters once and not once per dimension."""
    found = reading(correct("factor_analysis"), lambda own, p: own(p) + (factor_analysis.D - 1) * HALF_LOG_2PI)
    says(found, "x", "3 of 4 dimensions, lost")


def test_a_constant_lies_where_there_are_constants() -> None:
    """A gamma prior whose parameters are learned, and a gamma q, hold none; of fixed priors any may."""
    found = reading(correct("gamma_poisson"), lambda own, p: own(p) + 0.1234)
    says(found, "x", "a constant of +0.1234")
    found = reading(correct("gamma_regression"), lambda own, p: own(p) + 0.1234)
    says(found, "", "a constant of +0.1234")


def test_a_prior_in_closed_form_and_its_entropy_are_one_divergence() -> None:
    found = reading(correct("bayes_mixture"), lambda own, p: own(p) + 0.01 * np.sin(p["b"]).sum())
    assert found.sentence.startswith("the KL divergence, factor theta or the entropy of q(theta)"), found.sentence


def test_half_of_a_term_without_a_half_is_an_accident() -> None:
    """½ log b of a gamma entropy −log b, as S₀ log b of the prior with another S₀ is."""
    found = reading(correct("bayes_mixture"), lambda own, p: own(p) + 0.5 * p["b"].sum() / 11)
    assert not found.suspect, found.sentence


def test_an_entropy_that_is_a_cross_entropy_is_a_missing_divergence() -> None:
    """Both have one value, and are named."""

    def elbo(_: Any, p: Any) -> Any:
        r = mixture_em.responsibilities(p)
        log_pi = p["pi"] - np.log(np.exp(p["pi"]).sum())
        return (r * (mixture_em.joint(p, mixture_em.X) - log_pi)).sum(1).mean()

    found = reading(correct("mixture_em"), elbo)
    says(found, "z", "missing: the KL divergence", "cross-entropy")


def test_a_mean_over_what_is_rated() -> None:
    rated = float(matrix_factorisation.RATED.sum() / matrix_factorisation.USERS)

    def elbo(own: Any, p: Any) -> Any:
        v = np.exp(p["log_v"])
        kl = 0.5 * ((p["m"] ** 2 + v) / np.exp(p["log_prior"]) - 1.0 + p["log_prior"] - p["log_v"]).sum(1).mean()
        return (own(p) + kl) / rated - kl

    found = reading(correct("matrix_factorisation"), elbo)
    says(found, "r", "elements of r that count")


def test_every_name_of_a_multiple_of_the_whole() -> None:
    found = reading(correct("factor_analysis"), lambda own, p: 2.0 * own(p))
    says(found, "", "twice as large")


def test_names_of_multiples() -> None:
    counts = {"dimensions of x": 4.0, "weight of z": 4.0}
    assert counted(4.0, counts) == ("4", "dimensions of x or weight of z")
    assert counted(0.25, counts) == ("1 / 4", "dimensions of x or weight of z")
    assert counted(0.3, counts) == ("0.3", "")
    assert multiple("A", -0.75, 3, counts) == "multiple 1 / 4 (dimensions of x or weight of z): A"
    assert [is_usual(one) for one in ("β ≠ 1: KL × 0.3", "β ≠ 1: KL × 0.5 (1 / 2, dimensions of z)")] == [False, True]
    assert not is_usual("multiple 0.3: E log u under q (an exponent off by one)")
