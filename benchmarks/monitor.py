"""What a training monitor costs: `python benchmarks/monitor.py [--mixture N ...] [--vae N ...] [--repeats 7]`.

Two loops of gradient ascent in JAX, one jitted step each on the whole data: a mixture of two Gaussians, and a
variational autoencoder with Bernoulli observations, a decoder with one hidden layer, and q free for every datum with
fixed noise. A reading of the monitor decomposes the bound in double precision, with the gradient datum by datum and,
where no closed form of β is declared, the least-squares criterion. Printed: milliseconds, and by how much a loop gets
longer if the monitor reads every so many steps.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np

from elbocheck import Declaration, Factor, Monitor, Problem
from elbocheck.families import Bernoulli, Categorical, Normal

EVERY = (1, 10, 100)


def mixture(data: int) -> Problem:
    """Two Gaussians in one dimension; β by least squares."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(np.concatenate([rng.normal(-1, 0.5, (data // 2, 1)), rng.normal(2, 1, (data // 2, 1))]))

    def log_joint(p: Any) -> Any:
        squares = (x - p["means"]) ** 2 / jnp.exp(p["log_variances"])
        return jax.nn.log_softmax(p["logits"]) - 0.5 * (squares + jnp.log(2 * jnp.pi) + p["log_variances"])

    def elbo(p: Any) -> Any:
        log_r = jax.nn.log_softmax(log_joint(p))
        return jnp.mean(jnp.sum(jnp.exp(log_r) * (log_joint(p) - log_r), axis=1))

    def declare(p: Any) -> Declaration:
        log_r = jax.nn.log_softmax(log_joint(p))
        component = Normal(p["means"], jnp.exp(p["log_variances"]))
        return Declaration(
            factors=(
                Factor("z", Categorical(p["logits"]), jnp.eye(2)[None], parameters=("logits",)),
                Factor("x", component, x, parameters=("means", "log_variances")),
            ),
            weights=jnp.exp(log_r),
            entropy=-jnp.sum(jnp.exp(log_r) * log_r, axis=1),
            data_weights=jnp.full(data, 1 / data),
        )

    params = {"logits": jnp.zeros(2), "means": jnp.array([-1.0, 1.0]), "log_variances": jnp.zeros(2)}
    return Problem(params, elbo=elbo, factors=declare)


def autoencoder(data: int, observed: int = 16, latents: int = 2, hidden: int = 32, samples: int = 4) -> Problem:
    """Bernoulli VAE; β in closed form: the last layer's weights and biases."""
    rng = np.random.default_rng(0)
    x = jnp.asarray((rng.random((data, observed)) < 0.4).astype(float))
    noise = jnp.asarray(rng.normal(size=(data, samples, latents)))

    def draws(p: Any) -> Any:
        return p["mean"][:, None, :] + jnp.exp(p["log_std"])[:, None, :] * noise

    def logits(p: Any, z: Any) -> Any:
        return jnp.tanh(z @ p["in"]) @ p["out"] + p["bias"]

    def entropy(p: Any) -> Any:
        return jnp.sum(p["log_std"] + 0.5 * jnp.log(2 * jnp.pi * jnp.e), axis=1)

    def elbo(p: Any) -> Any:
        z, scale = draws(p), jnp.exp(p["log_scale"])
        prior = -0.5 * (z / scale) ** 2 - jnp.log(scale) - 0.5 * jnp.log(2 * jnp.pi)
        eta = logits(p, z)
        likelihood = x[:, None, :] * eta - jnp.logaddexp(0.0, eta)
        return jnp.mean(jnp.mean(jnp.sum(prior, 2) + jnp.sum(likelihood, 2), axis=1) + entropy(p))

    def declare(p: Any) -> Declaration:
        z, log_scale = draws(p), p["log_scale"]
        return Declaration(
            factors=(
                Factor("z", Normal(jnp.zeros(latents), jnp.exp(2 * log_scale)), z, ("log_scale",),
                       beta={"log_scale": -0.5 * jnp.ones(latents)}),
                Factor("x", Bernoulli(logits(p, z)), x[:, None, :], ("in", "out", "bias"),
                       beta={"out": p["out"], "bias": p["bias"]}),
            ),
            weights=jnp.full((data, samples), 1 / samples),
            entropy=entropy(p),
            data_weights=jnp.full(data, 1 / data),
        )  # fmt: skip

    params = {
        "in": rng.normal(size=(latents, hidden)),
        "out": 0.1 * rng.normal(size=(hidden, observed)),
        "bias": np.zeros(observed),
        "log_scale": np.zeros(latents),
        "mean": 0.1 * rng.normal(size=(data, latents)),
        "log_std": np.zeros((data, latents)),
    }
    return Problem({name: jnp.asarray(value) for name, value in params.items()}, elbo=elbo, factors=declare)


def best(run: Callable[[], object], count: int, repeats: int) -> float:
    """Seconds of one call: the best of several means over `count` calls."""
    run()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        for _ in range(count):
            run()
        seconds.append((time.perf_counter() - begin) / count)
    return min(seconds)


def main() -> None:
    """Measure both loops and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixture", type=int, nargs="*", default=[500, 10000], metavar="N", help="numbers of data")
    parser.add_argument("--vae", type=int, nargs="*", default=[100, 500], metavar="N", help="numbers of data")
    parser.add_argument("--repeats", type=int, default=7, help="the fastest of so many means is printed")
    options = parser.parse_args()
    problems = {
        **{f"mixture, {data} data": mixture(data) for data in options.mixture},
        **{f"VAE, {data} data": autoencoder(data) for data in options.vae},
    }
    heads = [f"{'every ' + str(count):>10}" for count in EVERY]
    print(f"{'loop':<19}{'parameters':>10}{'step':>7}{'reading':>8}{'ratio':>6}{''.join(heads)}")
    for name, problem in problems.items():
        elbo, params = problem.elbo, problem.params
        assert elbo is not None
        slope = jax.jit(jax.grad(elbo))
        update = jax.jit(lambda p, g: jax.tree.map(lambda leaf, by: leaf + 0.01 * by, p, g))
        monitor = Monitor(problem)
        step = best(lambda: jax.block_until_ready(update(params, slope(params))), 50, options.repeats)  # noqa: B023
        reading = best(lambda: monitor(params), 3, options.repeats)  # noqa: B023
        longer = "".join(f"{reading / (step * count):>10.0%}" for count in EVERY)
        size = problem.vector.size
        print(f"{name:<19}{size:>10}{1e3 * step:>7.2f}{1e3 * reading:>8.2f}{reading / step:>6.0f}{longer}")


if __name__ == "__main__":
    main()
