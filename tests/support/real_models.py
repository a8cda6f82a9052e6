"""Models with more than one latent per datum, as people write them; each with one fault that can be switched on.

As in `real_code.py`: NumPy code that complex steps can be taken through.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from elbocheck import Declaration, Factor, Latents, LogDensity, Problem
from elbocheck.families import (
    Average,
    Bernoulli,
    Dirichlet,
    MultivariateNormal,
    Normal,
    NormalGamma,
    expected_log_density,
)

LOG_2PI = np.log(2.0 * np.pi)
RNG = np.random.default_rng(11)
POINTS = np.concatenate([RNG.normal(-1.5, 0.5, size=(6, 2)), RNG.normal(1.0, 0.8, size=(8, 2))])
SERIES = np.cumsum(RNG.normal(size=(4, 6)), axis=1) + 0.3 * RNG.normal(size=(4, 6))
SEEN = RNG.random((4, 6)) < 0.7
INPUTS = np.sort(RNG.uniform(-2.0, 2.0, size=10))
LABELS = (np.sin(2.0 * INPUTS) + 0.3 * RNG.normal(size=10) > 0.0).astype(float)
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(20)


def log_softmax(a: Any) -> Any:
    most = a.real.max(-1, keepdims=True)
    return a - most - np.log(np.exp(a - most).sum(-1, keepdims=True))


def root_of(matrix: Any) -> Any:
    """Lower triangular L with L Lᵀ = matrix, for symmetric matrices of complex numbers, too."""
    size = matrix.shape[-1]
    root = np.zeros_like(matrix)
    for i in range(size):
        for j in range(i + 1):
            left = matrix[..., i, j] - (root[..., i, :j] * root[..., j, :j]).sum(-1)
            root[..., i, j] = np.sqrt(left) if i == j else left / root[..., j, j]
    return root


def bayesian_mixture(broken: bool) -> Problem:
    """Two components with a Dirichlet prior of the weights and normal-gamma priors; broken: means without variance."""
    prior = {"mean": np.zeros(2), "count": np.full(2, 0.5), "shape": np.full(2, 2.0), "rate": np.full(2, 1.5)}

    def of_q(p: Any) -> tuple[Any, ...]:
        alpha, count, shape, rate = (np.exp(p[name]) for name in ("alpha", "count", "shape", "rate"))
        return alpha, p["mean"], count, shape, rate

    def of_dirichlet(a: Any, expected: Any) -> Any:
        return special.loggamma(a.sum()) - special.loggamma(a).sum() + ((a - 1.0) * expected).sum()

    def of_normal_gamma(m: Any, k: Any, a: Any, b: Any, q: tuple[Any, ...]) -> Any:
        """E_q log NormalGamma(m, k, a, b)."""
        mean, count, shape, rate = q
        log_precision, precision = special.digamma(shape) - np.log(rate), shape / rate
        squares = (mean - m) ** 2 * precision + 1.0 / count
        gamma = a * np.log(b) - special.loggamma(a) + (a - 1.0) * log_precision - b * precision
        return (0.5 * (np.log(k) + log_precision - LOG_2PI - k * squares) + gamma).sum()

    def elbo(p: Any) -> Any:
        alpha, mean, count, shape, rate = of_q(p)
        shares = special.digamma(alpha) - special.digamma(alpha.sum())
        log_precision = special.digamma(shape) - np.log(rate)
        squares = (POINTS[:, None] - mean) ** 2 * shape / rate + (0.0 if broken else 1.0 / count)
        fit = 0.5 * (log_precision - LOG_2PI - squares).sum(-1)
        log_r = log_softmax(p["r"])
        local = (np.exp(log_r) * (fit + shares - log_r)).sum()
        q = (mean, count, shape, rate)
        of_parameters = of_normal_gamma(*prior.values(), q) - of_normal_gamma(*q, q)
        of_weights = of_dirichlet(np.full(2, 1.5), shares) - of_dirichlet(alpha, shares)
        return (local + of_parameters + of_weights) / len(POINTS)

    def factors(p: Any) -> Declaration:
        alpha, mean, count, shape, rate = of_q(p)
        weights, q = Dirichlet(alpha[None, None]), NormalGamma(mean, count, shape, rate)  # K, D
        x = POINTS[:, None, :]
        linear = (np.full(x.shape, 0.5), -0.5 * x**2, x, np.full(x.shape, -0.5))
        states = np.eye(2)[None]
        return Declaration(
            (
                Factor("pi", Average(Dirichlet(np.full((1, 1, 2), 1.5)), weights), under="pi"),
                Factor(
                    "components",
                    Average(
                        NormalGamma(*(one[None, None, None] for one in prior.values())),
                        NormalGamma(mean[None, None], count[None, None], shape[None, None], rate[None, None]),
                    ),
                    under="components",
                ),
                Factor("z", LogDensity(expected_log_density(weights, (states,))), under=("z", "pi")),
                Factor(
                    "x",
                    LogDensity(expected_log_density(q, linear, -0.5 * LOG_2PI)),
                    under=("z", "components"),
                ),
            ),
            q=(
                Latents("pi", entropy=Dirichlet(alpha[None]), plate=None),
                Latents(
                    "components", entropy=NormalGamma(mean[None], count[None], shape[None], rate[None]), plate=None
                ),
                Latents("z", weights=np.exp(log_softmax(p["r"]))),
            ),
        )

    rng = np.random.default_rng(5)
    start = {
        "alpha": np.array([0.5, 0.9]),
        "mean": rng.normal(size=(2, 2)),
        "count": 0.5 * rng.normal(size=(2, 2)),
        "shape": 0.5 * rng.normal(size=(2, 2)) + 1.0,
        "rate": 0.5 * rng.normal(size=(2, 2)),
        "r": rng.normal(size=(len(POINTS), 2)),
    }
    return Problem(start, elbo, factors)


def linear_system(broken: bool) -> Problem:
    """A linear dynamical system, data missing: F is the evidence by a Kalman filter; broken: log 2π of what is missing.

    q is the exact posterior of a path, given as sigma points: the expectations of quadratics are exact.
    """
    length = SERIES.shape[1]

    def scales(p: Any) -> tuple[Any, ...]:
        return (p["a"], p["c"], *(np.exp(p[name]) for name in ("start", "step", "noise")))

    def elbo(p: Any) -> Any:
        a, c, start, step, noise = scales(p)
        mean, variance = np.zeros(4), start + np.zeros(4)
        total = 0.0
        for t in range(length):
            if t > 0:
                mean, variance = a * mean, a * a * variance + step
            spread, off = c * c * variance + noise, SERIES[:, t] - c * mean
            log_p = -0.5 * (np.log(spread) + off * off / spread)
            constant = -0.5 * LOG_2PI
            total = total + np.where(SEEN[:, t], log_p, 0.0) + (constant if broken else constant * SEEN[:, t])
            gain = np.where(SEEN[:, t], variance * c / spread, 0.0)
            mean, variance = mean + gain * off, variance * (1.0 - gain * c)
        return total.mean()

    def factors(p: Any) -> Declaration:
        a, c, start, step, noise = scales(p)
        precision = np.zeros((4, length, length)) + 0.0 * (a + c + start + step + noise)
        precision[:, 0, 0] += 1.0 / start
        for t in range(1, length):
            precision[:, t, t] += 1.0 / step
            precision[:, t - 1, t - 1] += a * a / step
            precision[:, t, t - 1] -= a / step
            precision[:, t - 1, t] -= a / step
        for t in range(length):
            precision[:, t, t] += SEEN[:, t] * c * c / noise
        covariance = np.linalg.inv(precision)
        mean = (covariance @ (SEEN * SERIES * c / noise)[..., None])[..., 0]
        spread = np.sqrt(length) * np.swapaxes(root_of(covariance), -1, -2)
        path = np.concatenate([mean[:, None] + spread, mean[:, None] - spread], axis=1)  # sequences, 2T points, T
        log_determinant = -2.0 * np.log(np.diagonal(root_of(precision), axis1=-2, axis2=-1)).sum(-1)
        return Declaration(
            (
                Factor("start", Normal(np.zeros((1, 1)), start + np.zeros((1, 1))), path[:, :, 0]),
                Factor("step", Normal(a * path[:, :, :-1], step), path[:, :, 1:]),
                Factor("y", Normal(c * path, noise), SERIES[:, None], where=SEEN[:, None]),
            ),
            weights=np.full((4, 2 * length), 0.5 / length),
            entropy=0.5 * (log_determinant + length * (1.0 + LOG_2PI)),
        )

    start = {"a": np.array(0.8), "c": np.array(1.1), "start": np.array(0.3), "step": np.array(-0.2)}
    return Problem({**start, "noise": np.array(-0.5)}, elbo, factors)


def sparse_process(broken: bool) -> Problem:
    """A sparse variational Gaussian process of labels; broken: the variance that q(f | u) = p(f | u) leaves is lost."""
    inducing = np.linspace(-2.0, 2.0, 4)

    def kernel(one: Any, other: Any) -> Any:
        return np.exp(-0.5 * (one[:, None] - other) ** 2)

    of_u = np.linalg.cholesky(kernel(inducing, inducing) + 1e-6 * np.eye(4))
    project = np.linalg.solve(of_u.T, np.linalg.solve(of_u, kernel(inducing, INPUTS))).T  # (N, M)
    left = 1.0 - (project * kernel(INPUTS, inducing)).sum(-1)

    def of_q(p: Any) -> tuple[Any, Any, Any]:
        """(mean, Cholesky factor of the covariance, s)."""
        return p["m"], np.tril(p["root"], -1) + np.diag(np.exp(np.diagonal(p["root"]))), np.exp(p["s"])

    def at_data(p: Any, lost: bool) -> Any:
        """f of every datum at the nodes, (N, nodes)."""
        mean, root, scale = of_q(p)
        variance = ((project @ root) ** 2).sum(-1) + (0.0 if lost else scale * left)
        return (project @ mean)[:, None] + np.sqrt(variance)[:, None] * NODES

    def elbo(p: Any) -> Any:
        mean, root, scale = of_q(p)
        f = at_data(p, broken)
        fit = ((LABELS[:, None] * f - np.log(1.0 + np.exp(f))) @ NODE_WEIGHTS).sum() / NODE_WEIGHTS.sum()
        whitened = np.linalg.solve(of_u, np.concatenate([root, mean[:, None]], axis=1))
        squares = (whitened**2).sum() / scale
        logs = 4.0 * np.log(scale) + 2.0 * np.log(np.diagonal(of_u)).sum() - 2.0 * np.diagonal(p["root"]).sum()
        return (fit - 0.5 * (squares + logs - 4.0)) / len(INPUTS)

    def factors(p: Any) -> Declaration:
        mean, root, scale = of_q(p)
        upper = np.linalg.inv(root).T  # a factor of the precision
        prior = root_of(np.linalg.inv(scale * of_u @ of_u.T))
        lower = root_of(upper @ upper.T)
        q = MultivariateNormal(mean[None, None], lower[None, None])
        weights = np.broadcast_to(NODE_WEIGHTS / NODE_WEIGHTS.sum(), (len(INPUTS), len(NODES)))
        return Declaration(
            (
                Factor("u", Average(MultivariateNormal(np.zeros((1, 1, 4)), prior[None, None]), q), under="u"),
                Factor("y", Bernoulli(at_data(p, False)), LABELS[:, None], under="f"),
            ),
            q=(
                Latents("u", entropy=MultivariateNormal(mean[None], lower[None]), plate=None),
                Latents("f", weights=weights, entropy=0.0),  # q(f | u) = p(f | u): the two cancel
            ),
        )

    rng = np.random.default_rng(6)
    start = {"m": rng.normal(size=4), "root": 0.3 * rng.normal(size=(4, 4)) - 0.5 * np.eye(4), "s": np.array(0.4)}
    return Problem(start, elbo, factors)


MODELS = {
    "Bayesian mixture": (bayesian_mixture, set(), "factor x"),
    "linear system, data missing": (
        linear_system,
        {"start", "step", "y"},
        "factor y: ½ log 2π of the elements that are masked, too much",
    ),
    "sparse process, labels": (sparse_process, set(), "factor y"),
}
