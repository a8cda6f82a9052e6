"""Correct bounds whose parameters occur in more than one place, or whose code has a habit: each stands for a kind.

`RIGHT`: name -> problem, none of which may be rejected or refused; `COVERED`: those that the theorem covers, group by
group. Written in JAX, where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbocheck import Declaration, Factor, Problem
from elbocheck.families import Bernoulli, Categorical, NegativeBinomial, Normal

X = np.array([-1.2, 0.1, 0.8, 2.0, -0.4, 1.3])[:, None]
SHARES = np.full(6, 1 / 6)
START = {"u": np.array([0.3, -0.2]), "m": np.array([-0.8, 1.1]), "v": np.array([0.1, -0.2])}
LOG_2PI = np.log(2 * np.pi)


def joint(p: Any, x: Any = X) -> Any:
    return jax.nn.log_softmax(p["u"]) - 0.5 * ((x - p["m"]) ** 2 / jnp.exp(p["v"]) + p["v"] + LOG_2PI)


def evidence(p: Any) -> Any:
    return jnp.mean(jax.scipy.special.logsumexp(joint(p), axis=1))


def mixture(
    *,
    logits: Callable[[Any], Any] = lambda u: u,
    weights: Any = None,
    hints: bool = True,
    held: bool = False,
    tempered: float = 1.0,
    shares: Any = SHARES,
) -> Problem:
    """A mixture of two normals; what it varies is how it is parametrised, differentiated and declared."""

    def q(p: Any) -> Any:
        return jax.nn.softmax(tempered * joint(p), axis=1)

    def elbo(p: Any) -> Any:
        if tempered == 1.0 and not held:
            return evidence(p)
        r = jax.lax.stop_gradient(q(p)) if held else q(p)
        return jnp.mean(jnp.sum(r * (joint(p) - jnp.log(r)), axis=1))

    def declare(p: Any) -> Declaration:
        names = (("u",), ("m", "v")) if hints else ((), ())
        z = Factor("z", Categorical(logits(p["u"])), np.eye(2)[None], names[0])
        x = Factor("x", Normal(p["m"], jnp.exp(p["v"])), X, names[1])
        return Declaration((z, x), q(p), None, shares)

    return Problem(START, elbo, declare, library="jax")


def shared(names: tuple[str, ...] = ("w", "b"), hints: bool = True) -> Problem:
    """Empirical Bayes: one prior scale for several latents, which only together have a β."""
    nodes = np.random.default_rng(0).normal(size=(4, len(names)))
    y = np.array([-0.7, 0.2, 0.4, 2.4])

    def z(p: Any) -> Any:
        return p["q"] + jnp.exp(p["ls"]) * nodes

    def normal(u: Any, mean: Any, log_variance: Any) -> Any:
        return -0.5 * (LOG_2PI + log_variance + (u - mean) ** 2 / jnp.exp(log_variance))

    def elbo(p: Any) -> Any:
        u = z(p)
        likelihood = normal(y, jnp.sum(u, axis=1)[:, None], p["n"]).sum(1)
        return (
            jnp.mean(likelihood + normal(u, 0.0, p["s"]).sum(1)) + jnp.sum(p["ls"]) + 0.5 * len(names) * (LOG_2PI + 1)
        )

    def declare(p: Any) -> Declaration:
        u, one = z(p)[None], jnp.ones((1, 1))
        priors = tuple(
            Factor(name, Normal(0 * one, jnp.exp(p["s"]) * one), u[..., k], ("s",) if hints else ())
            for k, name in enumerate(names)
        )
        x = Factor("y", Normal(jnp.sum(u, -1)[..., None], jnp.exp(p["n"])), y[None, None], ("n",) if hints else ())
        entropy = (jnp.sum(p["ls"]) + 0.5 * len(names) * (LOG_2PI + 1)) * jnp.ones(1)
        return Declaration((*priors, x), jnp.full((1, 4), 0.25), entropy, jnp.ones(1))

    start = {
        "q": 0.3 * np.arange(len(names)),
        "ls": -0.5 * np.ones(len(names)),
        "s": np.array(0.2),
        "n": np.array(-0.5),
    }
    return Problem(start, elbo, declare)


def sigma_points(data: int) -> Problem:
    """PPCA in one latent with its exact posterior: its points move with W, μ and σ²."""
    x = np.random.default_rng(1).normal(size=(data, 2))

    def posterior(p: Any) -> Any:
        s = 1 / (1 + jnp.sum(p["W"] ** 2 / jnp.exp(p["v"])))
        return s, s * ((x - p["mu"]) / jnp.exp(p["v"])) @ p["W"]

    def elbo(p: Any) -> Any:
        covariance = jnp.outer(p["W"], p["W"]) + jnp.diag(jnp.exp(p["v"]))
        d = x - p["mu"]
        squares = jnp.einsum("nd,de,ne->n", d, jnp.linalg.inv(covariance), d)
        return jnp.mean(-0.5 * (squares + jnp.linalg.slogdet(covariance)[1] + 2 * LOG_2PI))

    def declare(p: Any) -> Declaration:
        s, m = posterior(p)
        z = (m[:, None] + jnp.sqrt(s) * jnp.array([1.0, -1.0]))[..., None]
        factors = (
            Factor("z", Normal(jnp.zeros(1), jnp.ones(1)), z),
            Factor("x", Normal(z * p["W"] + p["mu"], jnp.exp(p["v"])[None, None]), x[:, None], ("W", "mu", "v")),
        )
        entropy = 0.5 * (LOG_2PI + 1 + jnp.log(s)) * jnp.ones(data)
        return Declaration(factors, np.full((data, 2), 0.5), entropy, np.full(data, 1 / data), optimal=True)

    start = {"W": np.array([0.8, -0.4]), "mu": np.array([0.1, 0.2]), "v": np.array([0.3, -0.2])}
    return Problem(start, elbo, declare)


def penalised() -> Problem:
    """MAP: a prior on the very parameter of the likelihood."""
    x = np.array([1.0, 0.0, 1.0])

    def elbo(p: Any) -> Any:
        t = p["logit"]
        return jnp.mean(x * t - jnp.logaddexp(0.0, t)) + (-0.5 * LOG_2PI - 0.5 * t**2) / 3

    def declare(p: Any) -> Declaration:
        one = jnp.ones((1, 1))
        prior = Factor("prior", Normal(0 * one, one), p["logit"] * one, weight=1 / 3)
        return Declaration(
            (prior, Factor("x", Bernoulli(p["logit"] * one), x[:, None], ("logit",))),
            jnp.ones((3, 1)),
            jnp.zeros(3),
            jnp.full(3, 1 / 3),
        )

    return Problem({"logit": np.array(0.4)}, elbo, declare)


def tied_network(*, detached: bool = False, temperature: float = 1.0, hints: bool = True) -> Problem:
    """An autoencoder whose decoder is its encoder's transpose; `detached`, `temperature`: two faults."""
    x = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    noise = np.array([[0.7], [-0.4]])

    def draw(p: Any) -> Any:
        m, s = (x @ p["W"])[:, None], jnp.exp(p["ls"]) * jnp.ones((2, 1))
        return m, s, m + s * noise

    def elbo(p: Any) -> Any:
        _, s, z = draw(p)
        z = jax.lax.stop_gradient(z) if detached else z
        t = temperature * z * p["W"] + p["b"]
        prior = -0.5 * (LOG_2PI + p["v"]) - 0.5 * z[:, 0] ** 2 / jnp.exp(p["v"])
        return jnp.mean(jnp.sum(x * t - jnp.logaddexp(0.0, t), 1) + prior + jnp.log(s[:, 0]) + 0.5 * (LOG_2PI + 1))

    def declare(p: Any) -> Declaration:
        m, s, z = draw(p)
        names = (("v",), ("W", "b")) if hints else ((), ())
        factors = (
            Factor("z", Normal(jnp.zeros((1, 1, 1)), jnp.exp(p["v"])), z[:, None], names[0]),
            Factor("x", Bernoulli((z * p["W"] + p["b"])[:, None]), x[:, None], names[1]),
        )
        return Declaration(factors, np.ones((2, 1)), Normal(m[:, 0], s[:, 0] ** 2), np.full(2, 0.5))

    start = {"W": np.array([0.9, -0.7, 0.3]), "b": np.zeros(3) + 0.1, "ls": np.array(-0.5), "v": np.array(0.3)}
    return Problem(start, elbo, declare)


def one_head(centre: float = 0.0) -> Problem:
    """An autoencoder of which one layer gives mean and log scale of q; `centre`: of the prior, which has no other."""
    rng = np.random.default_rng(1)
    x, noise = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    sizes = {"encode": (3, 4), "head": (4, 4), "decode": (2, 4), "out": (4, 3)}
    start = {name: 0.5 * rng.normal(size=size) for name, size in sizes.items()}
    start |= {"head_bias": 0.1 * rng.normal(size=4), "v": np.array(0.2)}

    def latents(p: Any) -> Any:
        heads = jnp.tanh(x @ p["encode"]) @ p["head"] + p["head_bias"]
        m, s = heads[:, :2], jnp.exp(heads[:, 2:])
        return m, s, m + s * noise

    def mean(p: Any, z: Any) -> Any:
        return jnp.tanh(z @ p["decode"]) @ p["out"]

    def elbo(p: Any) -> Any:
        _, s, z = latents(p)
        prior = -0.5 * jnp.sum((z - centre) ** 2 + LOG_2PI, 1)
        misfit = -0.5 * jnp.sum((x - mean(p, z)) ** 2 / jnp.exp(p["v"]) + p["v"] + LOG_2PI, 1)
        return jnp.mean(prior + misfit + jnp.sum(jnp.log(s) + 0.5 * (LOG_2PI + 1), 1))

    def declare(p: Any) -> Declaration:
        m, s, z = latents(p)
        prior = Factor("z", Normal(centre + jnp.zeros((1, 1, 2)), jnp.ones((1, 1, 2))), z[:, None])
        observed = Factor("x", Normal(mean(p, z)[:, None], jnp.exp(p["v"])), x[:, None])
        return Declaration((prior, observed), np.ones((7, 1)), Normal(m, s**2), np.full(7, 1 / 7))

    return Problem(start, elbo, declare)


def counts() -> Problem:
    """A negative binomial whose dispersion is trained, one for each gene."""
    x = np.random.default_rng(0).negative_binomial(3, 0.4, (5, 3)).astype(float)

    def elbo(p: Any) -> Any:
        mu, th, lgamma = jnp.exp(p["mu"]), jnp.exp(p["theta"]), jax.scipy.special.gammaln
        logs = th * jnp.log(th / (th + mu)) + x * jnp.log(mu / (th + mu))
        return jnp.mean(jnp.sum(lgamma(x + th) - lgamma(th) - lgamma(x + 1) + logs, axis=1))

    def declare(p: Any) -> Declaration:
        family = NegativeBinomial(p["mu"] - p["theta"], jnp.exp(p["theta"]))
        return Declaration(
            (Factor("x", family, x[:, None], ("mu", "theta")),), np.ones((5, 1)), np.zeros(5), np.full(5, 0.2)
        )

    return Problem({"mu": np.array([0.4, 1.0, 1.4]), "theta": np.array([0.2, 0.5, 1.0])}, elbo, declare)


RIGHT: dict[str, Callable[[], Problem]] = {
    "normalised logits": lambda: mixture(logits=jax.nn.log_softmax),
    "no hints": lambda: mixture(hints=False),
    "shares as a NumPy array": mixture,
    "shifted logits": lambda: mixture(logits=lambda u: u - u[0]),
    "q held, annealed": lambda: mixture(held=True, tempered=0.5),
    "q not held, annealed": lambda: mixture(tempered=0.5),
    "q held at the exact posterior": lambda: mixture(held=True),
    "two latents, one scale": shared,
    "two latents, one scale, no hints": lambda: shared(hints=False),
    "three latents, one scale": lambda: shared(("a", "b", "c")),
    "sigma points, one datum": lambda: sigma_points(1),
    "sigma points, five data": lambda: sigma_points(5),
    "MAP": penalised,
    "tied weights": tied_network,
    "tied weights, no hints": lambda: tied_network(hints=False),
    "trained dispersion": counts,
    "one layer for mean and scale": one_head,
    "one layer for mean and scale, prior beside 0": lambda: one_head(1.0),
}
COVERED = {
    "normalised logits": {"z", "x"},
    "no hints": {"z", "x"},
    "shares as a NumPy array": {"z", "x"},
    "shifted logits": {"z", "x"},
    "q held, annealed": {"z", "x"},
    "q held at the exact posterior": {"z", "x"},
    "two latents, one scale": {"w + b", "y"},
    "two latents, one scale, no hints": {"w + b", "y"},
    "three latents, one scale": {"a + b + c", "y"},
    "sigma points, one datum": {"z", "x"},
    "sigma points, five data": {"z", "x"},
    "one layer for mean and scale": {"z", "x"},
}
