"""Linear Gaussian systems of dynamax: what a bound is made of, and what `psd_solve` adds to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elbocheck.backends.namespace import Array
from elbocheck.bound.departures import Departure
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.families import MultivariateNormal

BOOST = 1e-9
"""What `psd_solve` adds to diagonals."""
Params = Mapping[str, Any]
Beta = Callable[[str], Mapping[str, Any] | None]


def _biases(at: Any) -> tuple[Array, Array]:
    """(b (K,), d (D,)), 0 where the model has none."""
    import jax.numpy as jnp

    found = (at.dynamics.bias, at.emissions.bias)
    sizes = (at.dynamics.cov.shape[-1], at.emissions.cov.shape[-1])
    first, second = (jnp.zeros(size) if bias is None else bias for size, bias in zip(sizes, found, strict=True))
    return first, second


def _prior(at: Any, length: int) -> tuple[Array, Array]:
    """(mean (T, K), precision (T·K, T·K)) of all states before anything is seen.

    With x_t = A x_{t−1} + b + noise, the precision is block tridiagonal: Dᵀ blockdiag(P, Q, …, Q)⁻¹ D, where D has
    identities on its diagonal and −A below.
    """
    import jax.numpy as jnp

    (bias, _), a, size = _biases(at), at.dynamics.weights, len(at.initial.mean)
    means = [at.initial.mean]
    for _ in range(length - 1):
        means.append(a @ means[-1] + bias)
    first = jnp.zeros((length, length)).at[0, 0].set(1.0)
    noise = jnp.kron(first, jnp.linalg.inv(at.initial.cov))
    noise = noise + jnp.kron(jnp.eye(length) - first, jnp.linalg.inv(at.dynamics.cov))
    steps = jnp.eye(length * size) - jnp.kron(jnp.eye(length, k=-1), a)
    return jnp.stack(means), steps.T @ noise @ steps


def linear(at: Any, y: Array, beta: Beta) -> Declaration:
    """Whole paths x = m ± √(TK) R_j as points, with R Rᵀ the covariance of all states given y, the same for all y."""
    import jax.numpy as jnp

    (data, length, _), size = y.shape, len(at.initial.mean)
    mean, precision = _prior(at, length)
    emissions, (bias, offset) = at.emissions, _biases(at)
    gain = jnp.linalg.solve(emissions.cov, emissions.weights).T  # Hᵀ R⁻¹
    root = jnp.linalg.cholesky(precision + jnp.kron(jnp.eye(length), gain @ emissions.weights))
    inverse = jnp.linalg.inv(root)
    pulls = (y - mean @ emissions.weights.T - offset) @ gain.T
    means = mean.reshape(-1) + pulls.reshape(data, -1) @ inverse.T @ inverse
    spread = jnp.sqrt(float(length * size)) * inverse
    path = jnp.concatenate([means[:, None] + spread, means[:, None] - spread], axis=1)
    path = path.reshape(data, -1, length, size)
    entropy = 0.5 * length * size * (1.0 + np.log(2.0 * np.pi)) - jnp.log(jnp.diagonal(root)).sum()
    before, after = path[:, :, :-1], path[:, :, 1:]
    return Declaration(
        (
            Factor(
                "start",
                _normal(at.initial.mean, at.initial.cov),
                path[:, :, :1],
                ("initial",),
                beta("initial.cov"),
            ),
            Factor(
                "transition",
                _normal(before @ at.dynamics.weights.T + bias, at.dynamics.cov),
                after,
                ("dynamics",),
                beta("dynamics.cov"),
            ),
            Factor(
                "y",
                _normal(path @ emissions.weights.T + offset, emissions.cov),
                y[:, None],
                ("emissions",),
                beta("emissions.cov"),
            ),
        ),
        weights=jnp.full((data, path.shape[1]), 1.0 / path.shape[1]),
        entropy=jnp.full(data, entropy),
        optimal=True,
    )


def _normal(mean: Array, covariance: Array) -> MultivariateNormal:
    """With (N or 1, M or 1, T or 1) as batch."""
    mean = mean[(None,) * (4 - mean.ndim)]
    return MultivariateNormal.from_covariance(mean, covariance[None, None, None])


def linear_evidence(at: Any, y: Array) -> Array:
    """(1/N) Σ log N(y_n; …), one Gaussian over all observations of a sequence."""
    import jax.numpy as jnp

    length, emissions = y.shape[1], at.emissions
    mean, precision = _prior(at, length)
    observe = jnp.kron(jnp.eye(length), emissions.weights)
    covariance = observe @ jnp.linalg.inv(precision) @ observe.T + jnp.kron(jnp.eye(length), emissions.cov)
    off = (y - mean @ emissions.weights.T - _biases(at)[1]).reshape(len(y), -1)
    return MultivariateNormal.from_covariance(jnp.zeros(off.shape[1]), covariance).log_density(off).mean()


def _smoothed(at: Any, y: Array, boost: float) -> tuple[Array, dict[str, Array]]:
    """((1/N) Σ log p(y_n), mean second moments of the noises) by the library's recursions, with `boost` on diagonals.

    Kalman filter and Rauch–Tung–Striebel smoother. Noises: those of the first state, of the transitions (summed over
    time) and of the emissions, under the posterior: E (x_t − A x_{t−1} − b)(…)ᵀ and so on, by factor.
    """
    import jax
    import jax.numpy as jnp

    a, q, h, r = at.dynamics.weights, at.dynamics.cov, at.emissions.weights, at.emissions.cov
    bias, offset = _biases(at)

    def solve(matrix: Array, right: Array) -> Array:
        return jnp.linalg.solve(0.5 * (matrix + matrix.T) + boost * jnp.eye(len(matrix)), right)

    def forward(carry: tuple[Array, Array], seen: Array) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
        mean, spread = carry
        off, total = seen - h @ mean - offset, r + h @ spread @ h.T
        log_p = MultivariateNormal.from_covariance(jnp.zeros(len(r)), total).log_density(off)
        gain = solve(total, h @ spread).T
        mean, spread = mean + gain @ off, spread - gain @ total @ gain.T
        spread = 0.5 * (spread + spread.T)
        return (a @ mean + bias, a @ spread @ a.T + q), (log_p, mean, spread)

    def backward(carry: tuple[Array, Array], filtered: tuple[Array, Array]) -> Any:
        (mean, spread), (own, around) = carry, filtered
        gain = solve(q + a @ around @ a.T, a @ around).T
        now = own + gain @ (mean - a @ own - bias)
        wide = around + gain @ (spread - a @ around @ a.T - q) @ gain.T
        moved, across = mean - a @ now - bias, a @ gain @ spread  # E x_{t+1} x_tᵀ about its means is (G V)ᵀ
        noise = jnp.outer(moved, moved) + spread - across - across.T + a @ wide @ a.T
        return (now, wide), (now, wide, noise)

    def of_one(seen: Array) -> tuple[Array, dict[str, Array]]:
        _, (log_p, means, spreads) = jax.lax.scan(forward, (at.initial.mean, at.initial.cov), seen)
        last = (means[-1], spreads[-1])
        _, (now, wide, noise) = jax.lax.scan(backward, last, (means[:-1], spreads[:-1]), reverse=True)
        now, wide = jnp.concatenate([now, last[0][None]]), jnp.concatenate([wide, last[1][None]])
        off, first = seen - now @ h.T - offset, now[0] - at.initial.mean
        return log_p.sum(), {
            "start": wide[0] + jnp.outer(first, first),
            "transition": noise.sum(0),
            "y": off.T @ off + h @ wide.sum(0) @ h.T,
        }

    found: tuple[Array, dict[str, Array]] = jax.tree.map(lambda leaf: leaf.mean(0), jax.vmap(of_one)(y))
    return found


def boosts(
    model: Any, y: np.ndarray, own: Callable[[Params], Any], step: Callable[[Params], Params]
) -> tuple[Departure, ...]:
    """What `psd_solve` adds: to the likelihood, and where training stops.

    There the M-step has made n Σ the boosted moment of the noise, at the parameters before, so that gap_f is
    ½ tr Σ⁻¹ (boosted moment before − exact moment). The parameters before are not quite those after: the scale of the
    states is free, and the addition, which has a scale, moves it by some 1e-9 in every step, always the same way.
    """
    import jax.numpy as jnp

    def value(given: Params) -> Array:
        at = own(given)
        return _smoothed(at, jnp.asarray(y), BOOST)[0] - _smoothed(at, jnp.asarray(y), 0.0)[0]

    def gaps(given: Params) -> dict[str, float]:
        at, after = own(given), step(given)
        before = own({name: 2.0 * now - after[name] for name, now in given.items()})
        boosted, exact = _smoothed(before, jnp.asarray(y), BOOST)[1], _smoothed(at, jnp.asarray(y), 0.0)[1]
        of = {"start": at.initial.cov, "transition": at.dynamics.cov, "y": at.emissions.cov}
        return {
            name: 0.5 * float(jnp.trace(jnp.linalg.solve(covariance, boosted[name] - exact[name])))
            for name, covariance in of.items()
        }

    return (Departure(f"psd_solve adds {BOOST:g} to diagonals", gaps, value),)
