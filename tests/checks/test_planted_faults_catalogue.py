"""Realistic faults of one line, planted in models of the catalogue: rejected by a message that names the factor.

`test_planted_faults.py` does the same for bounds written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import log_softmax
from jax.scipy.special import entr

from elbocheck import Factor, Problem
from elbocheck.backends import get_backend
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.checks import criterion_holds, equivalent, every_point, stationary
from elbocheck.families import Laplace, NegativeBinomial, Normal
from elbocheck.models import find_cell
from elbocheck.models.sample import Cell, random_sample
from elbocheck.outcome import Outcome, Result

Params = Mapping[str, Any]
Change = Callable[[Factor, Params], Factor]
Check = Callable[[Problem], Result]


@dataclass(frozen=True)
class Fault:
    """`factor` of the model of `cell` changed by `change`, or q by `points`; `named` in the messages of `checks`."""

    cell: str
    named: str
    factor: str = ""
    change: Change = lambda factor, params: factor
    points: Callable[[WeightedPoints, Params], WeightedPoints] = lambda q, params: q
    checks: tuple[Check, ...] = (every_point,)
    library: str = "numpy"
    """Which compiles nothing; faults that are written in JAX need that."""

    @property
    def correct(self) -> Cell:
        return small(self.cell, self.library)


def with_methods(**methods: Callable[..., Any]) -> Change:
    """The factor's family with other methods; each gets the distribution, and its value where the family's does."""

    def change(factor: Factor, params: Params) -> Factor:
        family = type(factor.distribution)
        broken = type(f"Broken{family.__name__}", (family,), methods)
        own = {field.name: getattr(factor.distribution, field.name) for field in fields(family)}
        return replace(factor, distribution=broken(**own))

    return change


def with_beta(name: str, factor_of: float) -> Change:
    """One block of the declared β multiplied by a number."""

    def change(factor: Factor, params: Params) -> Factor:
        assert factor.beta is not None
        return replace(factor, beta={**factor.beta, name: factor_of * factor.beta[name]})

    return change


def row_without_entropy(factor: Factor, params: Params) -> Factor:
    """Transition entropies of one state forgotten."""
    other = 1.0 - factor.groups[0, :, 1]  # pairs whose state before is not 1

    def entropy(distribution: Any) -> Any:
        return other[None, :, None] * type(factor.distribution).entropy(distribution)

    return with_methods(entropy=entropy)(factor, params)


def component_without_entropy(factor: Factor, params: Params) -> Factor:
    """Noise entropies of the first analyser forgotten."""
    other = 1.0 - factor.groups[0, :, 0]
    return with_methods(entropy=lambda d: other[None, :, None] * Normal.entropy(d))(factor, params)


def one_analyser_rescaled(factor: Factor, params: Params) -> Factor:
    """z is rescaled in the loadings of one component only."""
    assert factor.rescaling is not None
    first = jnp.arange(params["loadings"].shape[0])[:, None, None] == 0
    return replace(factor, rescaling={"loadings": factor.rescaling["loadings"] * first})


def without_first_entropy(q: WeightedPoints, params: Params) -> WeightedPoints:
    """H[z_1] missing from the path entropy, all conditional entropies there."""
    count = q.latents["z"].shape[-1]
    first = q.weights[:, :, 0].reshape(-1, count, count).sum(1)
    return replace(q, entropy=q.entropy + (first * jnp.log(jnp.where(first > 0, first, 1.0))).sum(1))


def diagonal_entropy(factor: Any, where: Any) -> Any:
    """Σ_d ½ log 2πe Σ_dd of a Gaussian of precision C Cᵀ."""
    covariance = jnp.linalg.inv(factor @ jnp.swapaxes(factor, -1, -2))
    variances = jnp.diagonal(covariance, axis1=-2, axis2=-1)
    return jnp.sum(where * Normal(0.0 * variances, variances).entropy(), axis=-1)


def states_one_by_one(q: WeightedPoints, params: Params) -> WeightedPoints:
    """Σ_t H[x_t] for the entropy of the path."""
    mean = (q.weights[:, :, None, None] * q.latents["z"]).sum(1, keepdims=True)
    variances = (q.weights[:, :, None, None] * (q.latents["z"] - mean) ** 2).sum(1)
    return replace(q, entropy=Normal(0.0 * variances, variances).entropy().sum((1, 2)))


def chains_one_by_one(q: WeightedPoints, params: Params) -> WeightedPoints:
    """Σ_k H[z_k] for the joint entropy of all chains, at the first time."""
    count = round(q.weights.shape[1] ** 0.5)
    joint = q.weights[:, :, 0].reshape(-1, count, count).sum(1)
    ones = joint @ q.latents["z"][0, :count, 0]
    return replace(q, entropy=q.entropy + (entr(ones) + entr(1.0 - ones)).sum(1) - entr(joint).sum(1))


def original(method: str) -> Callable[..., Any]:
    """A method of the family itself, with all it calls, for a class that breaks others."""
    return lambda d, *value: getattr(NegativeBinomial(d.logits, d.failures), method)(*value)


def zero(distribution: Any, *value: Any) -> Any:
    """A base measure taken to be constant."""
    return 0.0 * (distribution.logits + (value[0] if value else 0.0))


CONSTANT = {"log_base_measure": zero, "expected_log_base_measure": zero}


TWICE = (every_point, criterion_holds)
BILLIONTH = 1e-9
FAULTS: dict[str, Fault] = {
    "deep SBN: entropy of the ones only": Fault(
        "deep-sbn-2/arbitrary", "factor z1", "z1",
        with_methods(entropy=lambda d: -d.mean_statistics()[0] * d.log_density(1.0)),
    ),
    "deep SBN: beta without the bias": Fault(
        "deep-sbn-2/arbitrary", "factor z1", "z1", with_beta("bias_1", 0.0), checks=TWICE
    ),
    "HMM: transition entropy of one state": Fault(
        "hmm-categorical/exact", "factor transition[1]", "transition", row_without_entropy,
        checks=(every_point, stationary),
    ),
    "HMM: path entropy without H[z_1]": Fault(
        "hmm-categorical/exact", "factor start", points=without_first_entropy, library="jax"
    ),
    "sparse coding: Laplace entropy without 1": Fault(
        "sparse-coding/hermite", "factor z", "z", with_methods(entropy=lambda d: Laplace.entropy(d) - 1.0)
    ),
    "sparse coding, unit prior: E z² for E|z|": Fault(
        "sparse-unit/hermite", "factor z",
        points=lambda q, params: replace(
            q, latents={**q.latents, "absolute": (q.weights[..., None] * q.latents["z"] ** 2).sum(1, keepdims=True)}
        ),
    ),
    "VAE-3: log variance taken for log σ in beta": Fault(
        "vae-3/encoder", "factor x", "x", with_beta("log_variance", 0.5), checks=TWICE
    ),
    "VAE-3: log variance taken for log σ in the entropy": Fault(
        "vae-3/encoder", "factor x", "x", with_methods(entropy=lambda d: Normal(d.mean, d.variance**2).entropy())
    ),
    "gamma mixture: beta of the wrong sign": Fault(
        "gamma-mixture/exact", "factor x", "x", with_beta("log_rates", -1.0), checks=TWICE
    ),
    "gamma mixture: shape treated as known": Fault(
        "gamma-mixture/exact", "factor x", "x", with_beta("log_shapes", 0.0), checks=TWICE
    ),
    "gamma mixture: entropy off by a billionth": Fault(
        "gamma-mixture/exact", "factor x[", "x",
        with_methods(entropy=lambda d: type(d).__bases__[0].entropy(d) + BILLIONTH), checks=(every_point, stationary),
    ),
    "negative binomial mixture: base measure declared constant": Fault(
        "negative-binomial-mixture/exact", "factor x[", "x",
        with_methods(**CONSTANT, log_density=original("log_density"), entropy=original("entropy")),
    ),
    "negative binomial mixture: entropy for pseudo-entropy": Fault(
        "negative-binomial-mixture/exact", "pseudo-entropy of factor x[", "x",
        with_methods(pseudo_entropy=original("entropy")),
    ),
    "factor analysis: one variance for all": Fault(
        "factor-analysis/full", "factor x", "x",
        with_methods(entropy=lambda d: Normal(d.mean, d.variance.mean() + 0.0 * d.variance).entropy()), library="jax",
    ),
    "factor analysis: wrong tangent": Fault(
        "factor-analysis/full", "factor z", "z",
        lambda factor, params: replace(factor, rescaling={"loadings": params["loadings"]}), checks=TWICE,
    ),
    "mixture of factor analysers: entropy of one component": Fault(
        "mfa/exact", "factor x[0]", "x", component_without_entropy
    ),
    "mixture of factor analysers: one analyser rescaled": Fault(
        "mfa/exact", "factor z", "z", one_analyser_rescaled, checks=TWICE
    ),
    "Gaussian process: log s taken for log √s in beta": Fault(
        "gaussian-process/exact", "factor f", "f", with_beta("log_signal", 2.0), checks=TWICE
    ),
    "Gaussian process: entropy of independent values": Fault(
        "gaussian-process/exact", "factor f", "f",
        with_methods(entropy=lambda d: diagonal_entropy(d.precision_cholesky, d.where)),
        checks=(every_point, stationary), library="jax",
    ),
    "linear regression: one scale for weights and noise": Fault(
        "linear-regression/full", "factor w", "w",
        lambda factor, params: replace(factor, beta={**factor.beta, "log_variance": -1.0}),
    ),
    "linear regression: entropy of y without the noise": Fault(
        "linear-regression/exact", "factor y", "y",
        with_methods(entropy=lambda d: Normal(d.mean, 0.0 * d.variance + 1.0).entropy()),
        checks=(every_point, stationary),
    ),
    "random effects: log τ² taken for log τ in beta": Fault(
        "random-effects/full", "factor z", "z", with_beta("log_spreads", 2.0), checks=TWICE
    ),
    "switching autoregression: one noise for all states in the entropy": Fault(
        "switching-ar/exact", "factor x[", "x",
        with_methods(entropy=lambda d: Normal(d.mean, 0.0 * d.variance + d.variance.mean()).entropy()), library="jax",
    ),
    "switching autoregression: log σ² taken for log σ in beta": Fault(
        "switching-ar/arbitrary", "factor x", "x", with_beta("log_variances", 2.0), checks=TWICE
    ),
    "factorial HMM: beta without what stays": Fault(
        "factorial-hmm/exact", "factor transition", "transition", with_beta("staying_logits", 0.0), checks=TWICE
    ),
    "factorial HMM: entropy of chains taken for independent": Fault(
        "factorial-hmm/exact", "factor start", points=chains_one_by_one, library="jax"
    ),
    "linear dynamical system: a transition into the first state": Fault(
        "linear-dynamical-system/exact", "factor transition", "transition",
        lambda factor, params: replace(factor, where=jnp.ones_like(factor.where)),
    ),
    "linear dynamical system: missing values taken for zeros": Fault(
        "linear-dynamical-system/exact", "factor y", "y",
        lambda factor, params: replace(factor, where=jnp.ones_like(factor.where)),
    ),
    "linear dynamical system: entropy of the states one by one": Fault(
        "linear-dynamical-system/exact", "factor start", points=states_one_by_one
    ),
    "mixture of regressions: beta without the intercept": Fault(
        "poisson-regressions/exact", "factor x", "x", with_beta("intercepts", 0.0), checks=TWICE
    ),
    "mixture of experts: beta without the slopes of the gate": Fault(
        "experts/arbitrary", "factor z", "z", with_beta("gate_slopes", 0.0), checks=TWICE
    ),
    "mixture of experts: gate of one component forgotten in the entropy": Fault(
        "experts/arbitrary", "factor z", "z",
        with_methods(entropy=lambda d: -(d.mean_statistics()[0] * log_softmax(d.logits, axis=-1))[..., 1:].sum(-1)),
        library="jax",
    ),
}  # fmt: skip


@cache
def small(name: str, library: str) -> Cell:
    """A catalogue cell of a capacity that compiles fast."""
    return replace(find_cell(name), capacity=(6, 3, 2)).on(get_backend(library))


@cache
def wrong(fault: Fault) -> Cell:
    cell = fault.correct
    correct, correct_points = cell.model.factors, cell.variational.points

    def factors(params: Any, fixed: Any, latents: Any) -> tuple[Factor, ...]:
        found = correct(params, fixed, latents)
        return tuple(fault.change(factor, params) if factor.name == fault.factor else factor for factor in found)

    def points(model: Any, params: Any, fixed: Any) -> WeightedPoints:
        return fault.points(correct_points(model, params, fixed), params)

    return replace(
        cell, model=replace(cell.model, factors=factors), variational=replace(cell.variational, points=points)
    )


def problem(cell: Cell, sizes: tuple[int, int, int] = (5, 3, 2)) -> Problem:
    """The same parameters for a cell and for its faulty versions."""
    rng = np.random.default_rng(7)
    x = cell.model.data.repair(rng, cell.model.data.simulate(rng, *sizes))
    return random_sample(cell, x, sizes[2], 3, rng.exponential(size=sizes[0])).problem()


def grouped(names: Any, cell_of: Callable[[str], str]) -> list[Any]:
    """A process compiles each correct cell once."""
    return [pytest.param(name, marks=pytest.mark.xdist_group(f"planted {cell_of(name)}")) for name in names]


by_fault = partial(pytest.mark.parametrize, "name")


@by_fault(grouped(sorted({fault.cell for fault in FAULTS.values()}), str))
def test_originals_pass(name: str) -> None:
    own = [fault for fault in FAULTS.values() if fault.cell == name]
    for correct, check in {(fault.correct, check) for fault in own for check in (*fault.checks, criterion_holds)}:
        result = check(problem(correct))
        assert result.outcome is Outcome.HOLDS, result.message


@by_fault(grouped(FAULTS, lambda name: FAULTS[name].cell))
def test_faults_are_rejected_and_named(name: str) -> None:
    fault = FAULTS[name]
    for check in fault.checks:
        result = check(problem(wrong(fault)))
        assert result.outcome is Outcome.VIOLATED, (check.__name__, result)
        assert fault.named in result.message, check.__name__


def absolute_mean(q: WeightedPoints, params: Params) -> WeightedPoints:
    return replace(q, latents={**q.latents, "absolute": jnp.abs(params["q_mean"])[:, None, :]})


INVISIBLE = {
    # scales with z as E|z| does
    "sparse coding: |E z| for E|z|": Fault("sparse-unit/hermite", "the ELBO", points=absolute_mean, library="jax"),
    # a factor of the density that depends on the data alone
    "negative binomial mixture: density and entropy without the base measure": Fault(
        "negative-binomial-mixture/exact", "the ELBO", "x", with_methods(**CONSTANT)
    ),
}


@by_fault(grouped(INVISIBLE, lambda name: INVISIBLE[name].cell))
def test_faults_that_obey_the_identity_need_a_second_value(name: str) -> None:
    """They agree with their own gradient (THEORY section 8), but the ELBO is another; see `tests/models/`."""
    fault = INVISIBLE[name]
    original, changed = problem(fault.correct), problem(wrong(fault))
    assert every_point(changed).outcome is Outcome.HOLDS
    result = equivalent(original, changed, check="recomputed")
    assert result.outcome is Outcome.VIOLATED
    assert f"{fault.named} deviates" in result.message
