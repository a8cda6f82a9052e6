"""Correct targets with networks: variational autoencoders and sigmoid belief networks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import scipy.special

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Bernoulli, Normal, NormalKnownVariance, Poisson
from elbocheck.strategies.targets.choice import Choice, data_weights, saturated, stretched
from elbocheck.strategies.targets.families import LOG_2PI
from elbocheck.strategies.targets.mixtures import each
from elbocheck.strategies.targets.tools import EVERY, Array, Chart, Params, Rows, Tools, Written

HIDDEN = 3
SAMPLES = 2
OBSERVED = ("normal", "normal, known variance", "Bernoulli", "Poisson")
"""Families of the data of a VAE."""


def _decoded(name: str, rng: np.random.Generator, signal: np.ndarray) -> np.ndarray:
    if name == "Bernoulli":
        return (rng.random(signal.shape) < scipy.special.expit(signal)).astype(float)
    if name == "Poisson":
        return rng.poisson(np.exp(0.5 * signal)).astype(float)
    return np.asarray(signal + 0.5 * rng.normal(size=signal.shape))


def autoencoder(t: Tools, choice: Choice, rng: np.random.Generator) -> Written:
    """One hidden layer of tanh in encoder and decoder; z ~ N(0, I) or, if `normalise` is drawn, N(0, diag a).

    F = E_q log p(x | z) − KL(q, p(z)) with E_q over samples whose noise is held fixed and KL in closed form, declared
    with the points m ± s (`form` 0); or E_q log p(x | z) p(z) over the samples plus H[q] in closed form (`form` 1).
    """
    count, dims, latents = choice.sizes
    name, learned = choice.family, choice.style.normalise
    unit = choice.data.unit if name.startswith("normal") else 1.0
    signal = rng.normal(size=(count, latents)) @ rng.normal(size=(latents, dims))
    x = _decoded(name, rng, signal) * unit
    noise = np.exp(0.3 * rng.normal(size=1) - 0.5) * unit**2
    known = noise.copy()
    if choice.stress == "scales":
        noise = stretched(rng, noise, 8.0)
    chart = Chart(choice.style.chart).fitting(t, noise)
    params = {
        "encoder.hidden": rng.normal(size=(dims, HIDDEN)) / unit / np.sqrt(dims),
        "encoder.mean": rng.normal(size=(HIDDEN, latents)),
        "encoder.log_variance": 0.3 * rng.normal(size=(HIDDEN, latents)),
        "decoder.hidden": rng.normal(size=(latents, HIDDEN)),
        "decoder.out": rng.normal(size=(HIDDEN, dims)) * unit,
        "decoder.shift": 0.3 * rng.normal(size=dims) * unit,
    }
    if choice.stress == "logits":
        params["decoder.shift"] = saturated(rng, params["decoder.shift"], 40.0 if name == "Bernoulli" else 8.0)
    if name == "normal":
        params["decoder.noise"] = chart.inverse(noise)
    prior_chart = Chart("log" if choice.style.chart == "raw" else choice.style.chart)
    if learned:
        params["prior.variance"] = prior_chart.inverse(np.exp(0.3 * rng.normal(size=latents)))
    weights = data_weights(choice, rng)
    w = None if weights is None else t.constant(weights)
    xp, data, fixed = t.xp, t.constant(x), t.constant(rng.normal(size=(count, SAMPLES, latents)))
    scaled, one, variance = t.constant(x), t.constant(np.ones(latents)), t.constant(known)
    base = t.constant(-scipy.special.gammaln(x + 1.0)) if name == "Poisson" else None

    def encode(p: Params, rows: Rows) -> tuple[Array, Array, Array]:
        hidden = xp.tanh(xp.matmul(scaled[rows], p["encoder.hidden"]))
        mean, log_variance = xp.matmul(hidden, p["encoder.mean"]), xp.matmul(hidden, p["encoder.log_variance"]) - 1.0
        return mean, log_variance, mean[:, None] + xp.exp(0.5 * log_variance)[:, None] * fixed[rows]

    def decode(p: Params, z: Array) -> Array:
        return xp.matmul(xp.tanh(xp.matmul(z, p["decoder.hidden"])), p["decoder.out"]) + p["decoder.shift"]

    def reconstruction(p: Params, rows: Rows, z: Array) -> Array:
        out, target = decode(p, z), data[rows][:, None]
        if name == "Bernoulli":
            each_one = target * out - t.softplus(out)
        elif name == "Poisson":
            assert base is not None
            each_one = target * out - xp.exp(out) + base[rows][:, None]
        else:
            v = variance if name != "normal" else chart.value(t, p["decoder.noise"])
            each_one = -0.5 * (LOG_2PI + xp.log(v) + (target - out) ** 2 / v)
        return xp.mean(xp.sum(each_one, axis=-1), axis=1)

    def prior_variance(p: Params) -> Array:
        return prior_chart.value(t, p["prior.variance"]) if learned else one

    def value(p: Params, rows: Rows) -> Array:
        chosen = t.rows(rows)
        mean, log_variance, z = encode(p, chosen)
        a = prior_variance(p)
        if choice.style.form == 0:
            kl = 0.5 * xp.sum((mean * mean + xp.exp(log_variance)) / a - 1.0 + xp.log(a) - log_variance, axis=1)
            return t.mean(reconstruction(p, chosen, z) - kl, w, rows)
        prior = xp.mean(-0.5 * xp.sum(LOG_2PI + xp.log(a) + z * z / a, axis=-1), axis=1)
        entropy = 0.5 * xp.sum(LOG_2PI + 1.0 + log_variance, axis=1)
        return t.mean(reconstruction(p, chosen, z) + prior + entropy, w, rows)

    def observed(p: Params, z: Array) -> Any:
        out = decode(p, z)
        if name == "Bernoulli":
            return Bernoulli(out)
        if name == "Poisson":
            return Poisson(out)
        if name == "normal":
            return Normal(out, chart.value(t, p["decoder.noise"]))
        return NormalKnownVariance(out, variance)

    def declare(p: Params) -> Declaration:
        mean, log_variance, z = encode(p, EVERY)
        prior = Normal(0.0 * one[None, None], prior_variance(p)[None, None])
        names = tuple(key for key in params if key.startswith("prior"))
        if choice.style.form == 0:
            s = xp.exp(0.5 * log_variance)
            pair = xp.stack([mean + s, mean - s], axis=1)[:, None]
            prior = Normal(0.0 * one[None, None, None], prior_variance(p)[None, None, None])
            of_z = Factor("z", prior, pair, parameters=names, weight=0.5)
        else:
            of_z = Factor("z", prior, z, parameters=names)
        of_x = Factor("x", observed(p, z), data[:, None], parameters=tuple(k for k in params if k.startswith("dec")))
        return Declaration(
            (of_z, of_x),
            t.constant(np.full((count, SAMPLES), 1.0 / SAMPLES)),
            Normal(mean, xp.exp(log_variance)),
            each(t, count, w),
        )

    return Written(params, value, declare)


def belief_network(t: Tools, choice: Choice, rng: np.random.Generator) -> Written:
    """Binary z ~ σ(b), x ~ σ(W z + c), all 2^H states enumerated.

    Exact q: F = (1/N) Σ_n log Σ_z p(x_n, z). Free q: a product of Bernoullis with logits of their own for every datum,
    F = Σ_z q(z) log p(x, z) plus the sum of H binary entropies.
    """
    count, dims, latents = choice.sizes
    states = np.array(list(itertools.product([0.0, 1.0], repeat=latents)))
    prior, W, shift = rng.normal(size=latents), rng.normal(size=(latents, dims)), rng.normal(size=dims)
    z = states[rng.integers(len(states), size=count)]
    x = (rng.random((count, dims)) < scipy.special.expit(z @ W + shift)).astype(float)
    if choice.stress == "logits":
        shift = saturated(rng, shift)
    if choice.stress == "empty":
        prior = saturated(rng, prior)
    if choice.stress == "equal":
        W = W[:1] * (1.0 + 1e-9 * rng.normal(size=W.shape))
    params = {"z.logits": prior, "x.W": W, "x.shift": shift}
    if choice.q == "free":
        params["q.logits"] = 2.0 * z - 1.0 + rng.normal(size=z.shape)
    weights = data_weights(choice, rng)
    w = None if weights is None else t.constant(weights)
    xp, data, table = t.xp, t.constant(x), t.constant(states)

    def joint(p: Params, rows: Rows) -> Array:
        eta = xp.matmul(table, p["x.W"]) + p["x.shift"]
        of_z = xp.matmul(table, p["z.logits"]) - xp.sum(t.softplus(p["z.logits"]))
        return of_z + xp.matmul(data[rows], eta.T) - xp.sum(t.softplus(eta), axis=1)

    def log_q(p: Params, rows: Rows, log_joint: Array) -> Array:
        if choice.q == "exact":
            return log_joint - t.log_sum_exp(log_joint)[:, None]
        logits = p["q.logits"][rows]
        return xp.matmul(logits, table.T) - xp.sum(t.softplus(logits), axis=1)[:, None]

    def value(p: Params, rows: Rows) -> Array:
        chosen = t.rows(rows)
        log_joint = joint(p, chosen)
        if choice.q == "exact":
            return t.mean(t.log_sum_exp(log_joint), w, rows)
        logits = p["q.logits"][chosen]
        entropy = xp.sum(t.softplus(logits) - logits * t.sigmoid(logits), axis=1)
        return t.mean(xp.sum(xp.exp(log_q(p, chosen, log_joint)) * log_joint, axis=1) + entropy, w, rows)

    def declare(p: Params) -> Declaration:
        of_z = Factor("z", Bernoulli(p["z.logits"]), table[None], parameters=("z.logits",))
        eta = xp.matmul(table, p["x.W"]) + p["x.shift"]
        of_x = Factor("x", Bernoulli(eta[None]), data[:, None], parameters=("x.W", "x.shift"))
        q = xp.exp(log_q(p, EVERY, joint(p, EVERY)))
        return Declaration((of_z, of_x), q, None, each(t, count, w), optimal=choice.q == "exact")

    return Written(params, value, declare, exact=choice.q == "exact")
