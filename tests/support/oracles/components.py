"""A family as the component p(x | c) of a mixture, with NumPy and SciPy: log likelihood, entropy, base measure.

Parameters are those of the catalogue's model, unpadded, K components along their first axis. Expectations are sums
over all counts that matter, or quadrature over log x.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.integrate
import scipy.special

Params = Mapping[str, np.ndarray]
Family = Callable[[Params], Any]
"""Parameters -> scipy.stats' frozen distributions of the elements of x, which broadcast with (K, D)."""


@dataclass(frozen=True)
class Component:
    """What a mixture's value, entropy sum and δ need of its components."""

    log_likelihood: Callable[[np.ndarray, Params], np.ndarray]
    """(x (N, D), params) -> log p(x_n | c), (N, K)."""
    entropy: Callable[[Params, int], np.ndarray]
    """(params, D) -> H[p(x | c)] in nats, (K,)."""
    base_measure: Callable[[np.ndarray, Params], np.ndarray] | None = None
    """(x, params) -> log h(x_n) − E log h under p(x | c), (N, K); None where h is constant."""
    direct: Callable[[np.ndarray, Params], np.ndarray] | None = None
    """The log likelihood as scipy.stats has it, where that loses digits at extreme parameters."""


def continuous(
    family: Family,
    log_h: Callable[[Any], Any] | None = None,
    expected_log_h: Callable[[Params], np.ndarray] | None = None,
    log_density: Callable[[np.ndarray, Params], np.ndarray] | None = None,
) -> Component:
    """Independent elements with a density; E log h by quadrature, the density by scipy.stats, where not given."""

    def by_scipy(x: np.ndarray, params: Params) -> np.ndarray:
        return family(params).logpdf(x[:, None]).sum(-1)

    def entropy(params: Params, observed: int) -> np.ndarray:
        return np.broadcast_to(family(params).entropy(), (len(params["logits"]), observed)).sum(-1)

    def by_quadrature(params: Params) -> np.ndarray:
        return expectation(family(params), log_h)

    def base_measure(x: np.ndarray, params: Params) -> np.ndarray:
        assert log_h is not None
        return (log_h(x[:, None]) - (expected_log_h or by_quadrature)(params)).sum(-1)

    return Component(
        log_density or by_scipy, entropy, base_measure if log_h else None, by_scipy if log_density else None
    )


def discrete(
    family: Family,
    log_h: Callable[[Any], Any] | None = None,
    failures: Callable[[np.ndarray], Any] | None = None,
) -> Component:
    """Independent counts.

    `failures`: x -> the factor of log (1 − p) beside x log p. scipy.stats loses digits at saturated logits; the
    distribution with equal odds is tilted instead.
    """

    def by_scipy(x: np.ndarray, params: Params) -> np.ndarray:
        return family(params).logpmf(x[:, None]).sum(-1)

    def by_tilting(x: np.ndarray, params: Params) -> np.ndarray:
        assert failures is not None
        value, logits = x[:, None], params["logits_x"]
        others = failures(value)
        equal = family({"logits_x": np.zeros(())}).logpmf(value)
        base = equal + (value + others) * np.log(2)  # first: a sure outcome is less than its rounding
        log_expit = scipy.special.log_expit
        return (base + value * log_expit(logits) + others * log_expit(-logits)).sum(-1)

    def entropy(params: Params, observed: int) -> np.ndarray:
        return scipy.special.entr(counts(family(params))[1]).sum((0, -1))

    def base_measure(x: np.ndarray, params: Params) -> np.ndarray:
        assert log_h is not None
        values, p = counts(family(params))
        expected = np.where(p > 0, p * log_h(np.where(p > 0, values, 0)), 0).sum(0)
        return (log_h(x[:, None]) - expected).sum(-1)

    return Component(
        by_tilting if failures else by_scipy,
        entropy,
        base_measure if log_h else None,
        by_scipy if failures else None,
    )


def counts(family: Any) -> tuple[np.ndarray, np.ndarray]:
    """(all counts that matter, their probabilities), along a new first axis."""
    most = int(np.max(family.mean() + 60 * (family.mean() + family.std()))) + 60
    values = np.arange(most + 1.0).reshape(-1, 1, 1)
    return values, family.pmf(values)


def expectation(family: Any, function: Any) -> np.ndarray:
    """E of a function of a positive number, by quadrature over its logarithm."""
    centre = np.log(family.median())

    def integrand(t: float) -> np.ndarray:
        return family.pdf(np.exp(centre + t)) * np.exp(centre + t) * function(np.exp(centre + t))

    return scipy.integrate.quad_vec(integrand, -45, 45, epsabs=1e-13, points=[-3, 0, 3])[0]


def each(distributions: list[Any], method: str, x: np.ndarray) -> np.ndarray:
    """log p(x_n | c), (N, K), by scipy.stats' distributions of whole rows, one for each component."""
    return np.stack([np.reshape(getattr(one, method)(x), -1) for one in distributions], axis=1)


def log_choose(total: Any, count: Any) -> Any:
    """log of total! / count! (total − count)!, for totals that are not integers too."""
    return -np.log(total + 1) - scipy.special.betaln(count + 1, total - count + 1)
