"""Correct targets with linear Gaussian models, and regressions."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import Bernoulli, Normal, Poisson
from elbocheck.strategies.targets.choice import Choice, data_weights, saturated, stretched
from elbocheck.strategies.targets.families import LOG_2PI
from elbocheck.strategies.targets.mixtures import each
from elbocheck.strategies.targets.tools import Array, Chart, Params, Rows, Tools, Written


def factor_analysis(t: Tools, choice: Choice, rng: np.random.Generator) -> Written:
    """z ~ N(0, I), x ~ N(W z + μ, diag v); one v for all dimensions is PPCA.

    Exact q: F = (1/N) Σ_n log N(x_n; μ, W Wᵀ + diag v). Free q = N(m_n, diag s_n²): F is the expected log density in
    closed form minus KL(q, N(0, I)). Both are declared with 2H sigma points, which are exact for quadratics.
    """
    count, dims, latents = choice.sizes
    unit = choice.data.unit
    loadings = rng.normal(size=(dims, latents)) * unit
    noise = np.exp(0.5 * rng.normal(size=1 if choice.kind == "ppca" else dims) - 1.0) * unit**2
    mean = (rng.normal(size=dims) + choice.data.offset) * unit
    z = rng.normal(size=(count, latents))
    x = z @ loadings.T + mean + rng.normal(size=(count, dims)) * np.sqrt(noise)
    if choice.stress == "scales":
        noise = stretched(rng, noise, 10.0 if choice.q == "free" else 5.0)
    if choice.stress == "equal" and latents > 1:
        loadings = loadings[:, :1] * (1.0 + 1e-9 * rng.normal(size=loadings.shape))
    chart = Chart(choice.style.chart).fitting(t, noise)
    params = {"x.W": loadings, "x.mean": mean, "x.noise": chart.inverse(noise)}
    widths = Chart("log" if choice.style.chart == "raw" else choice.style.chart)
    if choice.q == "free":
        params["q.mean"] = z + 0.3 * rng.normal(size=z.shape)
        params["q.scale"] = widths.inverse(np.exp(0.3 * rng.normal(size=z.shape) - 0.7))
    weights = data_weights(choice, rng)
    w = None if weights is None else t.constant(weights)
    xp, data = t.xp, t.constant(x)
    eye_x, eye_z, ones = t.constant(np.eye(dims)), t.constant(np.eye(latents)), t.constant(np.ones(dims))

    def marginal(p: Params, rows: Rows) -> Array:
        covariance = xp.matmul(p["x.W"], p["x.W"].T) + eye_x * (chart.value(t, p["x.noise"]) * ones)
        deviation = data[t.rows(rows)] - p["x.mean"]
        if choice.style.form and not t.complex_step:
            white = xp.linalg.solve(xp.linalg.cholesky(covariance), deviation.T)
            squares = xp.sum(white * white, axis=0)
        else:
            squares = xp.sum(xp.matmul(deviation, xp.linalg.inv(covariance)) * deviation, axis=1)
        return -0.5 * (dims * LOG_2PI + t.log_det(covariance) + squares)

    def closed_form(p: Params, rows: Rows) -> Array:
        m, s = p["q.mean"][t.rows(rows)], widths.value(t, p["q.scale"])[t.rows(rows)]
        v = chart.value(t, p["x.noise"]) * ones
        deviation = data[t.rows(rows)] - p["x.mean"] - xp.matmul(m, p["x.W"].T)
        spread = xp.matmul(s * s, (p["x.W"] * p["x.W"]).T)
        kl = 0.5 * xp.sum(m * m + s * s - 1.0 - 2.0 * xp.log(s), axis=1)
        return -0.5 * xp.sum(LOG_2PI + xp.log(v) + (deviation * deviation + spread) / v, axis=1) - kl

    def value(p: Params, rows: Rows) -> Array:
        return t.mean((closed_form if choice.q == "free" else marginal)(p, rows), w, rows)

    def posterior(p: Params) -> tuple[Array, Array, Array]:
        """(means (N, H), square roots of the covariances (N or 1, H, H), ½ log det (N or 1,))."""
        if choice.q == "free":
            s = widths.value(t, p["q.scale"])
            return p["q.mean"], s[:, :, None] * eye_z, xp.sum(xp.log(s), axis=1)
        scaled = p["x.W"].T / (chart.value(t, p["x.noise"]) * ones)
        covariance = xp.linalg.inv(xp.matmul(scaled, p["x.W"]) + eye_z)
        means = xp.matmul(data - p["x.mean"], xp.matmul(covariance, scaled).T)
        root = t.cholesky(covariance)
        diagonal = xp.sum(root * eye_z, axis=-1)
        return means, root[None], xp.sum(xp.log(diagonal)) * t.constant(np.ones(1))

    spread = float(np.sqrt(latents))

    def declare(p: Params) -> Declaration:
        means, root, log_det = posterior(p)
        arms = spread * xp.concat([root, -root], axis=-1)
        points = means[:, :, None] + arms  # (N, H, 2H)
        points = xp.moveaxis(points, -1, -2)
        prior = Normal(t.constant(np.zeros((1, 1, latents))), t.constant(np.ones((1, 1, latents))))
        mean = xp.matmul(points, p["x.W"].T) + p["x.mean"]
        noise = (chart.value(t, p["x.noise"]) * ones)[None, None]
        observed = Factor("x", Normal(mean, noise), data[:, None], parameters=("x.W", "x.mean", "x.noise"))
        entropy = 0.5 * latents * (LOG_2PI + 1.0) + log_det + t.constant(np.zeros(count))
        return Declaration(
            (Factor("z", prior, points), observed),
            t.constant(np.full((count, 2 * latents), 0.5 / latents)),
            entropy,
            each(t, count, w),
            optimal=choice.q == "exact",
        )

    return Written(params, value, declare, exact=choice.q == "exact")


def regression(t: Tools, choice: Choice, rng: np.random.Generator) -> Written:
    """y given known features: N(A w + b, v), Bernoulli(σ(A w + b)) or Poisson(exp(A w + b)); no latents."""
    count, _, features = choice.sizes
    table = rng.normal(size=(count, features))
    slopes, shift = 0.7 * rng.normal(size=features), 0.5 * rng.normal(size=1)
    line = table @ slopes + shift
    if choice.kind == "linear regression":
        return _linear(t, choice, rng, table, slopes, shift)
    logistic = choice.kind == "logistic regression"
    draw = (rng.random(count) < scipy.special.expit(line)) if logistic else rng.poisson(np.exp(np.minimum(line, 5.0)))
    if choice.stress == "logits":
        shift = saturated(rng, shift, most=40.0 if logistic else 10.0)
    weights = data_weights(choice, rng)
    w = None if weights is None else t.constant(weights)
    xp, a, y = t.xp, t.constant(table), t.constant(draw.astype(float))
    base = t.constant(-scipy.special.gammaln(draw + 1.0))

    def value(p: Params, rows: Rows) -> Array:
        chosen = t.rows(rows)
        eta = xp.matmul(a[chosen], p["y.slopes"]) + p["y.shift"]
        if logistic:
            return t.mean(y[chosen] * eta - t.softplus(eta), w, rows)
        return t.mean(y[chosen] * eta - xp.exp(eta) + base[chosen], w, rows)

    def declare(p: Params) -> Declaration:
        eta = (xp.matmul(a, p["y.slopes"]) + p["y.shift"])[:, None]
        law: Any = Bernoulli(eta) if logistic else Poisson(eta)
        return _alone(t, law, y, count, w, ("y.slopes", "y.shift"))

    own = np.full(count, 1.0 / count) if weights is None else weights

    def grad(p: Params) -> Params:
        eta = table @ np.asarray(p["y.slopes"], dtype=float) + np.asarray(p["y.shift"], dtype=float)
        residual = own * (draw - (scipy.special.expit(eta) if logistic else np.exp(eta)))
        return {"y.slopes": residual @ table, "y.shift": np.sum(residual, keepdims=True)}

    return Written({"y.slopes": slopes, "y.shift": shift}, value, declare, exact=True, grad=grad)


def _alone(t: Tools, law: Any, y: Array, count: int, w: Array | None, names: tuple[str, ...]) -> Declaration:
    factor = Factor("y", law, y[:, None], parameters=names)
    return Declaration((factor,), t.constant(np.ones((count, 1))), t.constant(np.zeros(count)), each(t, count, w))


def _linear(
    t: Tools, choice: Choice, rng: np.random.Generator, table: np.ndarray, slopes: np.ndarray, shift: np.ndarray
) -> Written:
    count, unit = choice.sizes[0], choice.data.unit
    noise = np.exp(0.5 * rng.normal(size=1)) * unit**2
    slopes, shift = slopes * unit, (shift + choice.data.offset) * unit
    response = table @ slopes + shift + rng.normal(size=count) * np.sqrt(noise)
    if choice.stress == "scales":
        noise = stretched(rng, noise, 10.0)
    chart = Chart(choice.style.chart).fitting(t, noise)
    weights = data_weights(choice, rng)
    w = None if weights is None else t.constant(weights)
    xp, a, y = t.xp, t.constant(table), t.constant(response)

    def value(p: Params, rows: Rows) -> Array:
        chosen = t.rows(rows)
        v = chart.value(t, p["y.noise"])
        residual = y[chosen] - xp.matmul(a[chosen], p["y.slopes"]) - p["y.shift"]
        return t.mean(-0.5 * (LOG_2PI + xp.log(v) + residual * residual / v), w, rows)

    def declare(p: Params) -> Declaration:
        mean = (xp.matmul(a, p["y.slopes"]) + p["y.shift"])[:, None]
        return _alone(t, Normal(mean, chart.value(t, p["y.noise"])), y, count, w, ("y.slopes", "y.shift", "y.noise"))

    own = np.full(count, 1.0 / count) if weights is None else weights

    def grad(p: Params) -> Params:
        slopes, shift, raw = (np.asarray(p[name], dtype=float) for name in ("y.slopes", "y.shift", "y.noise"))
        v = np.asarray(chart.value(t, raw), dtype=float)
        residual = response - table @ slopes - shift
        on_noise = 0.5 * (np.sum(own * residual**2, keepdims=True) / v - np.sum(own)) / v
        return {
            "y.slopes": (own * residual) @ table / v,
            "y.shift": np.sum(own * residual, keepdims=True) / v,
            "y.noise": on_noise * chart.slope(raw),
        }

    params = {"y.slopes": slopes, "y.shift": shift, "y.noise": chart.inverse(noise)}
    return Written(params, value, declare, exact=True, grad=grad)
