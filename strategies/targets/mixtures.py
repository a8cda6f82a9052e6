"""Correct targets without latents, mixtures, and hidden Markov models."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from elbocheck.backends.namespace import plain
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Categorical
from elbocheck.strategies.targets.choice import SATURATED, Choice, data_weights, saturated
from elbocheck.strategies.targets.components import components
from elbocheck.strategies.targets.tools import EVERY, Array, Chart, Params, Rows, Tools, Written

LEAST_LOGIT = -30.0
"""Of a table of responsibilities at its start."""
STEPS = {1: 3, 2: 4, 3: 3}
"""States -> steps of a hidden Markov model; all K^T paths are enumerated."""


def observations(t: Tools, choice: Choice, rng: np.random.Generator) -> Written:
    """F = (1/N) Σ_n log p(x_n), no latents; data are (N, D)."""
    count = choice.sizes[0]
    single = replace(choice, sizes=(*choice.sizes[:2], 1))
    model = components(t, single, rng, np.zeros(count, dtype=int))
    weights = data_weights(choice, rng)
    w = None if weights is None else t.constant(weights)

    def value(p: Params, rows: Rows) -> Array:
        return t.mean(model.log_density(p, rows)[:, 0], w, rows)

    def declare(p: Params) -> Declaration:
        factor = Factor("x", model.distribution(model.values(p)), model.x, parameters=tuple(model.params))
        return Declaration((factor,), t.constant(np.ones((count, 1))), t.constant(np.zeros(count)), each(t, count, w))

    return Written(model.params, value, declare, exact=True)


def each(t: Tools, count: int, weights: Array | None) -> Array:
    """Data weights as declared."""
    return t.constant(np.full(count, 1.0 / count)) if weights is None else weights


def _table(choice: Choice, rng: np.random.Generator, joint: Any) -> np.ndarray:
    """Logits of responsibilities beside the exact ones."""
    joint = plain(joint)
    table = np.maximum(joint - joint.max(axis=1, keepdims=True), LEAST_LOGIT) + 0.3 * rng.normal(size=joint.shape)
    return saturated(rng, table) if choice.stress == "logits" else table


def _prior_logits(choice: Choice, rng: np.random.Generator) -> np.ndarray:
    logits = rng.normal(size=choice.sizes[2])
    if choice.stress == "empty":
        logits[0] -= SATURATED
    return logits


def mixture(t: Tools, choice: Choice, rng: np.random.Generator) -> Written:
    """Categorical z, x of any family given z.

    Exact q: F = (1/N) Σ_n log Σ_k π_k p(x_n | k), or (`form` 1) (1/N) Σ_nk r_nk (log π_k p(x_n | k) − log r_nk) with
    r_nk its responsibilities; "free": the same with r_n the softmax of a table of parameters; "held": of constants.
    """
    count, _, kinds = choice.sizes
    model = components(t, choice, rng, rng.integers(kinds, size=count))
    params = {"z.logits": _prior_logits(choice, rng), **model.params}
    weights = data_weights(choice, rng)
    w = None if weights is None else t.constant(weights)

    def joint(p: Params, rows: Rows) -> Array:
        return t.log_softmax(p["z.logits"]) + model.log_density(p, rows)

    start = {name: t.constant(array) for name, array in params.items()}
    table = None if choice.q == "exact" else _table(choice, rng, joint(start, EVERY))
    held = t.constant(table) if choice.q == "held" else None
    if choice.q == "free":
        assert table is not None
        params["q.table"] = table

    def log_q(p: Params, rows: Rows, log_joint: Array) -> Array:
        if choice.q == "exact":
            return log_joint - t.log_sum_exp(log_joint)[:, None]
        return t.log_softmax((p["q.table"] if held is None else held)[t.rows(rows)])

    def value(p: Params, rows: Rows) -> Array:
        log_joint = joint(p, rows)
        if choice.q == "exact" and choice.style.form == 0:
            return t.mean(t.log_sum_exp(log_joint), w, rows)
        log_r = log_q(p, rows, log_joint)
        return t.mean(t.xp.sum(t.xp.exp(log_r) * (log_joint - log_r), axis=1), w, rows)

    def declare(p: Params) -> Declaration:
        log_r = log_q(p, EVERY, joint(p, EVERY))
        logits = t.log_softmax(p["z.logits"]) if choice.style.normalise else p["z.logits"]
        z = Factor("z", Categorical(logits), t.constant(np.eye(kinds)[None]), parameters=("z.logits",))
        x = Factor("x", model.distribution(model.values(p)), model.x, parameters=tuple(model.params))
        return Declaration((z, x), t.xp.exp(log_r), None, each(t, count, w), optimal=choice.q == "exact")

    variances = model.values({k: t.constant(np.asarray(v)) for k, v in params.items()}).get("variance")
    grad = (
        _normal_gradient(t, choice, model.x, weights, variances)
        if choice.family == "normal" and choice.q == "exact"
        else None
    )
    return Written(params, value, declare, exact=choice.q == "exact", grad=grad)


def _normal_gradient(t: Tools, choice: Choice, x: Array, weights: np.ndarray | None, fitted: Any) -> Any:
    """∂F/∂(logits, means, variances in their chart) of a mixture of normals with exact responsibilities."""
    count = choice.sizes[0]
    chart = Chart(choice.style.chart).fitting(t, plain(fitted))
    data = plain(x)
    w = np.full(count, 1.0 / count) if weights is None else weights

    def grad(p: Params) -> Params:
        logits, means, raw = (np.asarray(p[name], dtype=float) for name in ("z.logits", "x.mean", "x.variance"))
        variances = np.asarray(chart.value(t, raw), dtype=float)
        pi = np.exp(logits - logits.max())
        pi = pi / pi.sum()
        squares = (data - means) ** 2 / variances
        joint = np.log(pi) - 0.5 * np.sum(squares + np.log(2.0 * np.pi * variances), axis=-1)
        r = np.exp(joint - joint.max(axis=1, keepdims=True))
        r = w[:, None] * r / r.sum(axis=1, keepdims=True)
        on_variances = np.sum(r[..., None] * 0.5 * (squares - 1.0) / variances, axis=0)
        return {
            "z.logits": r.sum(axis=0) - pi,
            "x.mean": np.sum(r[..., None] * (data - means) / variances, axis=0),
            "x.variance": on_variances * chart.slope(raw),
        }

    return grad


def hidden_markov(t: Tools, choice: Choice, rng: np.random.Generator) -> Written:
    """N chains of T steps: F = (1/N) Σ_n log p(x_n) by the forward algorithm, declared with all K^T paths.

    Free q: the softmax of a table (N, K^T) of parameters, F = (1/N) Σ_n Σ_paths q (log p(x_n, path) − log q).
    """
    count, _, states = choice.sizes
    steps = STEPS[states]
    paths = np.array(list(itertools.product(range(states), repeat=steps)))
    drawn = paths[rng.integers(len(paths), size=count)]
    model = components(t, choice, rng, drawn.reshape(-1))
    transitions = rng.normal(size=(states, states))
    if choice.stress == "logits":
        transitions = saturated(rng, transitions)
    params = {"z.start": _prior_logits(choice, rng), "z.transitions": transitions, **model.params}
    weights = data_weights(choice, rng)
    w = None if weights is None else t.constant(weights)
    one_hot = np.eye(states)[paths]
    first, before, after, visits = (
        t.constant(one) for one in (one_hot[:, 0], one_hot[:, :-1], one_hot[:, 1:], one_hot)
    )
    xp = t.xp

    def emissions(p: Params, rows: Rows) -> Array:
        return xp.reshape(model.log_density(p, EVERY), (count, steps, states))[t.rows(rows)]

    def log_joint(p: Params, rows: Rows) -> Array:
        prior = xp.einsum("mk,k->m", first, t.log_softmax(p["z.start"]))
        prior = prior + xp.einsum("mtj,jk,mtk->m", before, t.log_softmax(p["z.transitions"]), after)
        return prior + xp.einsum("mtk,ntk->nm", visits, emissions(p, rows))

    start = {name: t.constant(array) for name, array in params.items()}
    if choice.q == "free":
        params["q.table"] = _table(choice, rng, log_joint(start, EVERY))

    def value(p: Params, rows: Rows) -> Array:
        if choice.q == "free":
            log_q = t.log_softmax(p["q.table"][t.rows(rows)])
            return t.mean(xp.sum(xp.exp(log_q) * (log_joint(p, rows) - log_q), axis=1), w, rows)
        log_b, log_a = emissions(p, rows), t.log_softmax(p["z.transitions"])
        alpha = t.log_softmax(p["z.start"]) + log_b[:, 0]
        for step in range(1, steps):
            alpha = t.log_sum_exp(alpha[:, :, None] + log_a, axis=1) + log_b[:, step]
        return t.mean(t.log_sum_exp(alpha), w, rows)

    values_of_x = xp.reshape(model.x, (count, 1, steps, *model.x.shape[2:]))

    def declare(p: Params) -> Declaration:
        if choice.q == "free":
            log_q = t.log_softmax(p["q.table"])
        else:
            joint = log_joint(p, EVERY)
            log_q = joint - t.log_sum_exp(joint)[:, None]
        at_path = {name: xp.einsum("mtk,k...->mt...", visits, one) for name, one in model.values(p).items()}
        rows = xp.einsum("mtj,jk->mtk", before, p["z.transitions"])[None]
        factors = (
            Factor("z1", Categorical(p["z.start"]), first[None], parameters=("z.start",)),
            Factor("z", Categorical(rows), after[None], parameters=("z.transitions",)),
            Factor("x", model.distribution(at_path), values_of_x, parameters=tuple(model.params)),
        )
        return Declaration(
            factors if steps > 1 else (factors[0], factors[2]),
            xp.exp(log_q),
            None,
            each(t, count, w),
            optimal=choice.q == "exact",
        )

    return Written(params, value, declare, exact=choice.q == "exact")
