"""Mixtures of regressions, and of experts: y | c, u ~ Normal or Poisson with a mean that is linear in inputs u.

A datum is a row (y, u): inputs are given, so that they have no factor. The gate of experts depends on them, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Categorical, Normal, Poisson
from elbocheck.families.base import Distribution
from elbocheck.models.base import Model, Params, Symmetries
from elbocheck.models.mixture import merged, mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_counts, check_matrix, ones_like, together
from elbocheck.models.variational.exact import EXACT
from elbocheck.models.variational.table import ARBITRARY

SLOPES = (Block("intercepts", ("K",)), Block("slopes", ("K", "D")))
GATE = (Block("gate_intercepts", ("K",)), Block("gate_slopes", ("K", "D")))
Begin = Callable[[np.random.Generator, np.ndarray, int], Params]


def linear(fixed: Arrays, intercepts: Array, slopes: Array) -> Array:
    """b_k + w_k · u_n, (N, K); the first column of the data is y, and its slope counts for nothing."""
    x = fixed["x"]
    xp = namespace(x, slopes).xp
    inputs = fixed["exists_D"] * xp.astype(xp.arange(x.shape[1]) > 0, x.dtype)
    return xp.matmul(x * inputs, xp.matrix_transpose(slopes)) + intercepts


def _predictor(params: Arrays, fixed: Arrays) -> Array:
    return linear(fixed, params["intercepts"], params["slopes"])[..., None]


def _normal(params: Arrays, fixed: Arrays) -> Normal:
    variance = namespace(params["slopes"]).xp.exp(params["log_variances"])
    return Normal(_predictor(params, fixed), variance[None, :, None])


def _poisson(params: Arrays, fixed: Arrays) -> Poisson:
    return Poisson(_predictor(params, fixed))


def _slopes(rng: np.random.Generator, x: np.ndarray, count: int) -> Params:
    return {"intercepts": rng.normal(size=count), "slopes": 0.7 * rng.normal(size=(count, x.shape[1]))}


def _gaussian_start(rng: np.random.Generator, x: np.ndarray, count: int) -> Params:
    centre, size = x[:, 0].mean(), x[:, 0].std() + 0.1
    params = _slopes(rng, x, count)
    return {
        "intercepts": centre + size * params["intercepts"],
        "slopes": size * params["slopes"],
        "log_variances": 2 * np.log(size) - 0.5 + 0.3 * rng.normal(size=count),
    }


def _poisson_start(rng: np.random.Generator, x: np.ndarray, count: int) -> Params:
    params = _slopes(rng, x, count)
    return {
        "intercepts": np.log(x[:, 0].mean() + 0.5) + 0.5 * params["intercepts"],
        "slopes": 0.4 * params["slopes"],
    }


def _lines(rng: np.random.Generator, data: int, observed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(inputs with a column for y, predictors): crossing lines; flat ones for no component."""
    u = rng.normal(size=(data, observed))
    slopes = 1.5 * rng.normal(size=(max(count, 1), observed)) * (count > 0)
    which = rng.integers(max(count, 1), size=data)
    return u, np.sum(u[:, 1:] * slopes[which, 1:], axis=1)


def _simulate_normal(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    u, predictor = _lines(rng, data, observed, count)
    return np.concatenate([(predictor + rng.normal(size=data))[:, None], u[:, 1:]], axis=1)


def _simulate_poisson(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    u, predictor = _lines(rng, data, observed, count)
    rates = np.exp(np.clip(1.0 + 0.5 * predictor, -2.0, 4.0))
    return np.concatenate([rng.poisson(rates)[:, None].astype(float), u[:, 1:]], axis=1)


def _check_first_count(x: np.ndarray) -> None:
    check_matrix(x)
    check_counts(x[:, :1])


def _positive_response(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Counts that are not all zero."""
    return np.concatenate([np.maximum(x[:, :1], (np.arange(len(x)) % 2)[:, None]), x[:, 1:]], axis=1)


def _with_gate(gated: Model, name: str, title: str) -> Model:
    """Experts: p(c | u) = softmax(v_c · u + a_c) in place of fixed weights; v and a are η, so that they scale it."""
    own = gated.blocks[1:]

    def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
        gate = {block.name: params[block.name] for block in GATE}
        logits = linear(fixed, gate["gate_intercepts"], gate["gate_slopes"])[:, None, :]
        # the same component for all data would do for the mixture's own weights, which are not used
        observed = gated.factors({**params, "logits": params["gate_intercepts"]}, fixed, latents)[1]
        prior = Categorical(logits, where=fixed["exists_K"])
        return (Factor("z", prior, latents["z"], parameters=tuple(gate), beta=gate), observed)

    def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
        params = gated.starts.initial(rng, x, data_weights, count)
        return {
            "gate_intercepts": params.pop("logits"),
            "gate_slopes": 0.5 * rng.normal(size=(count, x.shape[1])),
            **params,
        }

    def collapsed(params: Params, subset: np.ndarray) -> tuple[Params, Params]:
        return {name: merged(value, subset) for name, value in params.items()}, {}

    return replace(
        gated,
        name=name,
        title=title,
        blocks=(*GATE, *own),
        factors=factors,
        starts=replace(gated.starts, initial=initial, collapsed=collapsed),
        theory=replace(gated.theory, symmetries=together(_common_gate, _unused("gate_slopes"), _unused("slopes"))),
    )


def _common_gate(params: Arrays) -> tuple[dict[str, Array], ...]:
    """One intercept, or one slope in use, added to those of all components."""
    slopes = params["gate_slopes"]
    units = [np.outer(np.ones(slopes.shape[0]), unit) for unit in np.eye(slopes.shape[1])[1:]]
    return (
        {"gate_intercepts": ones_like(params, "gate_intercepts")},
        *({"gate_slopes": zeros(slopes) + unit} for unit in units),
    )


def _unused(name: str) -> Symmetries:
    """The slopes of y itself, one for each component."""

    def tangents(params: Arrays) -> tuple[dict[str, Array], ...]:
        slopes = params[name]
        first = np.eye(slopes.shape[1])[0]
        return tuple({name: zeros(slopes) + np.outer(unit, first)} for unit in np.eye(slopes.shape[0]))

    return tangents


def _regressions(
    name: str,
    title: str,
    family: str,
    component: Callable[[Arrays, Arrays], Distribution],
    beta: Callable[[Arrays], dict[str, Array]],
    begin: Begin,
    simulate: Callable[[np.random.Generator, int, int, int], np.ndarray],
    **more: object,
) -> Model:
    model = mixture(
        name=name,
        title=title,
        family=family,
        constant_base_measure=family == "normal",
        component=component,
        beta=beta,
        initial=lambda rng, x, weights, count: begin(rng, x, count),
        simulate=simulate,
        value=lambda x: x[..., :1],
        vector_event=True,
        least_observed=2,
        distinct_data=lambda observed: observed + 2,
        symmetries=_unused("slopes"),
        **more,  # type: ignore[arg-type]
    )
    return replace(model, theory=replace(model.theory, row=""))


LINEAR_REGRESSIONS = _regressions(
    "linear-regressions",
    "mixture of linear regressions",
    "normal",
    _normal,
    lambda params: {"log_variances": -ones_like(params, "log_variances")},
    _gaussian_start,
    _simulate_normal,
    blocks=(*SLOPES, Block("log_variances", ("K",))),
    check_data=check_matrix,
)
ALL_POISSON = _regressions(
    "poisson-regressions",
    "mixture of Poisson regressions",
    "Poisson",
    _poisson,
    lambda params: {block.name: params[block.name] for block in SLOPES},
    _poisson_start,
    _simulate_poisson,
    blocks=SLOPES,
    check_data=_check_first_count,
    repair=_positive_response,
)
# inputs multiply slopes: at rates of e¹⁷ the derivative of an exact q cancels between log probabilities of 10⁷
POISSON_REGRESSIONS = replace(ALL_POISSON, starts=replace(ALL_POISSON.starts, spreads=(0.0, 0.5, 1.0)))
EXPERTS = _with_gate(LINEAR_REGRESSIONS, "experts", "mixture of experts, linear regressions")
CELLS = (
    Cell(LINEAR_REGRESSIONS, EXACT, (40, 3, 2), least=(32, 2, 1), evaluations=60),
    Cell(LINEAR_REGRESSIONS, ARBITRARY, (40, 3, 2), least=(32, 2, 1)),
    Cell(POISSON_REGRESSIONS, EXACT, (40, 3, 2), least=(32, 2, 1), evaluations=60),
    Cell(EXPERTS, ARBITRARY, (40, 3, 2), least=(32, 2, 1), evaluations=60),
)
