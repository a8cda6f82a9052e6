"""What a varying base measure needs beyond `test_every_family.py`: E log u! about the switch, and gammaln."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest

from elbocheck.backends.namespace import namespace
from elbocheck.families import poisson
from elbocheck.families.poisson import SWITCH, Poisson
from support.compiled import jit

EPS = float(np.finfo(np.float64).eps)
ROUNDINGS = 16
RATES = np.concatenate(
    [10.0 ** np.arange(-12, 0), np.linspace(0.5, 47.5, 48), [SWITCH - 1e-9, SWITCH, SWITCH + 1e-9, 60.0]]
)

Number = Any  # mpmath has no type stubs
Run = Callable[..., Any]


def exact_expectation(log_rate: float, function: Callable[..., Number]) -> Number:
    """E f(u, λ, log p(u), log u!) at the working precision; P(u ≥ 200) < 1e-40 for rates up to 60."""
    eta = mp.mpf(log_rate)
    rate, log_factorial, terms = mp.exp(eta), mp.mpf(0), []
    for u in range(200):
        log_factorial += mp.log(max(u, 1))
        log_p = u * eta - rate - log_factorial
        terms.append(function(u, rate, log_p, log_factorial) * mp.exp(log_p))
    return sum(terms[1:], start=terms[0])


@functools.cache
def exact_entropy_and_log_factorial(log_rate: float) -> Number:
    with mp.workdps(50):
        return exact_expectation(log_rate, lambda u, rate, log_p, log_factorial: mp.matrix([-log_p, log_factorial]))


def test_gammaln(run: Run) -> None:
    """log u! to 16 eps, relative, at counts up to 1e8; zeros at u = 0 and 1 exactly."""
    counts = np.concatenate([np.arange(300.0), np.round(np.geomspace(300, 1e8, 100))])
    actual = run(lambda values: namespace(values).gammaln(values + 1.0), counts)
    for count, number in zip(counts, actual, strict=True):
        with mp.workdps(50):
            exact = mp.loggamma(mp.mpf(float(count)) + 1)
        assert abs(mp.mpf(float(number)) - exact) <= ROUNDINGS * EPS * abs(exact), f"log {count}!: {number!r}"


def assert_entropy_and_log_factorial(run: Run) -> None:
    """To 16 eps · (1 + |η|), relative: log p(u) contains u η, and rounding λ shifts it by up to 24 eps."""
    log_rates = np.log(RATES)
    computed = run(lambda eta: (Poisson(eta).entropy(), Poisson(eta).expected_log_base_measure()), log_rates)
    for eta, entropy, log_h in zip(log_rates, *computed, strict=True):
        exact_entropy, exact_log_factorial = exact_entropy_and_log_factorial(eta)
        bound = ROUNDINGS * EPS * (1 + abs(eta))
        assert abs(entropy - exact_entropy) <= bound * exact_entropy, f"entropy at rate {np.exp(eta)}"
        assert abs(log_h + exact_log_factorial) <= bound * exact_log_factorial, f"E log h at rate {np.exp(eta)}"


def test_entropy_and_log_factorial_on_both_sides_of_the_switch(run: Run) -> None:
    assert_entropy_and_log_factorial(run)


@pytest.mark.parametrize(("name", "faulty"), [("_SERIES", poisson._SERIES[:4]), ("SWITCH", 8.0)])
def test_a_series_too_short_or_used_too_early_is_rejected(
    name: str, faulty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poisson, name, faulty)
    with pytest.raises(AssertionError, match="entropy at rate"):
        assert_entropy_and_log_factorial(lambda function, *arrays: function(*arrays))


@functools.cache
def counts_and_weights(rate: float) -> tuple[np.ndarray, np.ndarray]:
    """641 counts within 16 σ, every (σ/8)-th of them, with normalised probabilities.

    Sampling a sum so leaves a relative error exp(−2π² 8²).
    """
    log_rate, stride = float(np.log(rate)), max(1, int(np.sqrt(rate) / 8))
    counts = max(0, int(rate) - 320 * stride) + stride * np.arange(641)
    with mp.workdps(30):
        weights = [mp.exp(u * mp.mpf(log_rate) - mp.loggamma(u + 1)) for u in counts.tolist()]
        total = mp.fsum(weights)
        return counts.astype(float), np.array([float(weight / total) for weight in weights])


def test_expected_log_base_measure_is_the_mean_of_the_log_base_measure(run: Run) -> None:
    """Bound: that of E log h, twice, for the rounding of log h."""
    rates = [1e-12, 0.3, 3.0, 30.0, 47.9, 48.1, 1e3, 1e6, 1e8]
    counts, weights = (np.stack(arrays, axis=1) for arrays in zip(*map(counts_and_weights, rates), strict=True))
    expected = run(lambda eta: Poisson(eta).expected_log_base_measure(), np.log(rates))
    log_h = run(lambda eta, values: Poisson(eta).log_base_measure(values), np.log(rates), counts)
    means = (weights * log_h).sum(0)
    assert not Poisson.constant_base_measure
    assert (np.ptp(log_h, axis=0) > 1e3).all()
    assert (np.abs(expected - means) <= 2 * ROUNDINGS * EPS * (1 + np.abs(np.log(rates))) * np.abs(means)).all()


@pytest.mark.parametrize("method", ["entropy", "expected_log_base_measure"])
def test_derivatives(method: str) -> None:
    """As dp/dη = p (u − λ): d E f/dη = E[f (u − λ)], d² E f/dη² = E[f ((u − λ)² − λ)], with f = −log p or −log u!.

    f = −log p depends on η itself, which adds E[−(u − λ)] = 0 to the first and −λ to the second derivative.
    Scale: Σ|terms|, times (1 + |η|) for the rounding of log p.
    """
    log_rates = np.log([1e-12, 1e-6, 0.3, 3.0, 30.0, SWITCH * (1 - 1e-12), SWITCH * (1 + 1e-12), 60.0])

    def terms(u: int, rate: Number, log_p: Number, log_factorial: Number) -> Any:
        function, explicit = (-log_p, -rate) if method == "entropy" else (-log_factorial, 0)
        products = function * (u - rate), function * ((u - rate) ** 2 - rate) + explicit
        return mp.matrix([*products, *map(abs, products)])

    with jax.enable_x64(True):
        gradient = jax.grad(lambda eta: getattr(Poisson(eta), method)())
        computed = jit(jax.vmap(lambda eta: (gradient(eta), jax.grad(gradient)(eta))))(log_rates)
    for eta, *numbers in zip(log_rates, *map(np.asarray, computed), strict=True):
        with mp.workdps(50):
            exact = exact_expectation(eta, terms)
        for number, derivative, scale in zip(numbers, exact[:2], exact[2:], strict=True):
            assert abs(number - derivative) <= ROUNDINGS * EPS * scale * (1 + abs(eta)), f"rate {np.exp(eta)}"
