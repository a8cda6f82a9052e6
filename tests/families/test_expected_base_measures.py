"""E log h where it has no closed form, over grids of parameters; `test_poisson.py` has that of the Poisson family."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from elbocheck.families import Binomial, InverseGaussian, Multinomial, NegativeBinomial, negative_binomial
from elbocheck.families.inverse_gaussian import scaled_exponential_integral
from support.oracles.base import EPS, ROUNDINGS, Number
from support.oracles.negative_binomial import expected_log_base_measure

Run = Callable[..., Any]


def assert_relative(what: str, actual: Any, exact: Number, condition: float = 1.0) -> None:
    error = abs(mp.mpf(float(actual)) - exact)
    assert error <= ROUNDINGS * EPS * condition * abs(exact), f"{what}: {actual!r}, exactly {mp.nstr(exact, 20)}"


def expected_at_large_mean(logit: Number, failures: Number) -> Number:
    """Sum of the terms below 128, and Euler and Maclaurin's formula above.

    The density changes there on the scale u, so that the k-th of its 11 terms is of relative size (2k / 2π 128)^2k.
    """
    log_p, log_q, split = -mp.log1p(mp.exp(-logit)), -mp.log1p(mp.exp(logit)), 128

    def term(u: Number) -> Number:
        log_h = mp.loggamma(u + failures) - mp.loggamma(failures) - mp.loggamma(u + 1)
        return log_h * mp.exp(log_h + u * log_p + failures * log_q)

    mean, deviation = failures * mp.exp(logit), mp.sqrt(failures) * mp.exp(logit)
    end = mean + 12 * deviation + 60 * mp.exp(logit)
    inner = [mean + number * deviation for number in (-10, -5, -2, 0, 2, 5, 12)]
    edges = sorted(x for x in (4 * split, mean / 100, mean / 10, *inner) if split < x < end)
    tail = mp.quad(term, [split, *edges, end])
    derivatives = list(mp.diffs(term, split, 21))
    correction = mp.fsum(mp.bernoulli(2 * k) / mp.factorial(2 * k) * derivatives[2 * k - 1] for k in range(1, 12))
    return mp.fsum(term(mp.mpf(u)) for u in range(split)) + tail + term(split) / 2 - correction


@functools.cache
def cached(oracle: Callable[..., Number], logit: float, failures: float) -> Number:
    return oracle(mp.mpf(logit), mp.mpf(failures))


def assert_negative_binomial(run: Run, failures: float, means: list[float], oracle: Callable[..., Number]) -> None:
    """To 16 eps · (1 + |logit|): e^logit changes by the factor 1 + |logit| eps when the logit is rounded."""
    logits = np.log(np.array(means) / failures)
    computed = run(lambda x: NegativeBinomial(x, failures).expected_log_base_measure(), logits)
    for logit, mean, number in zip(logits, means, computed, strict=True):
        with mp.workdps(22):
            exact = cached(oracle, float(logit), failures)
            assert_relative(f"E log h at mean {mean}, r = {failures}", number, exact, 1 + abs(logit))


FAILURES = [0.01, 0.5, 1 - 1e-9, 1.5, 20.0, 1e3]


@pytest.mark.parametrize("failures", FAILURES)
def test_negative_binomial(failures: float, run: Run) -> None:
    means = [1e-12, 1e-6, 1e-3, 0.1, 0.7, *([7.0, 40.0] if failures > 0.1 else [])]  # as far as a sum is quick
    assert_negative_binomial(run, failures, means, expected_log_base_measure)


@pytest.mark.parametrize("failures", [0.3, 2.5, 100.0])
def test_negative_binomial_at_large_means(failures: float, run: Run) -> None:
    assert_negative_binomial(run, failures, [1e3, 1e5, 1e8], expected_at_large_mean)


def test_both_oracles_of_the_negative_binomial_agree() -> None:
    with mp.workdps(22):
        logit, failures = mp.mpf(3), mp.mpf(2.5)
        one, other = (f(logit, failures) for f in (expected_log_base_measure, expected_at_large_mean))
        assert abs(one - other) < 1e-18 * one


@pytest.mark.parametrize(("name", "faulty"), [("STEP", 0.75), ("FIRST", -20.0), ("CUT", 16.0)])
def test_a_rule_too_coarse_or_too_short_is_rejected(name: str, faulty: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negative_binomial, name, faulty)
    monkeypatch.setattr(negative_binomial, "_rule", negative_binomial._rule.__wrapped__)
    with pytest.raises(AssertionError, match="E log h at mean"):
        assert_negative_binomial(lambda f, *x: f(*x), 1.5, [1.0, 50.0], expected_log_base_measure)


def test_scaled_exponential_integral(run: Run) -> None:
    """e^x E₁(x) to 16 eps, relative, where e^x overflows too."""
    points = np.concatenate([np.geomspace(1e-3, 1e6, 73), [1e-250, 1e-12, 1e8]])
    for point, number in zip(points, run(scaled_exponential_integral, points), strict=True):
        with mp.workdps(40):
            x = mp.mpf(float(point))
            assert_relative(f"e^x E1(x) at {point}", number, mp.exp(x) * mp.e1(x))


def test_inverse_gaussian_is_the_mean_of_the_log_base_measure(run: Run) -> None:
    """Against quadrature of the density, to Σ|terms| of E log u = log μ − e^x E₁(x)."""
    means, shapes = np.array([1.3, 0.2, 50.0, 1.0]), np.array([2.1, 3.0, 4.0, 80.0])
    computed = run(lambda *x: InverseGaussian(*x).expected_log_base_measure(), means, shapes)
    for mean, shape, number in zip(means, shapes, computed, strict=True):
        with mp.workdps(30):
            m, s = mp.mpf(float(mean)), mp.mpf(float(shape))

            def integrand(y: Number, m: Number = m, s: Number = s) -> Number:
                u = m * mp.exp(y)
                return mp.log(u) * mp.sqrt(s / (2 * mp.pi * u)) * mp.exp(-s * (u - m) ** 2 / (2 * m * m * u))

            exact = -1.5 * mp.quad(integrand, [-12, -4, -1, 0, 1, 4, 12])
            scale = abs(1.5 * mp.log(m)) + abs(exact + 1.5 * mp.log(m))
            assert abs(number - exact) <= ROUNDINGS * EPS * scale, f"{mean}, {shape}"


@pytest.mark.parametrize("trials", [1, 2, 5, 37, 250, 2000])
def test_binomial_and_multinomial(trials: int, run: Run) -> None:
    """The binomial against its sum; the multinomial of two categories (logit 0 and η) is the binomial.

    To 16 eps · (1 + |η|): where π or 1 − π is small, E log h is proportional to it. The multinomial subtracts.
    """
    logits = np.array([0.0, 1e-9, -0.4, 0.9, -3.0, 6.0, -15.0, 40.0, -700.0])
    one = run(lambda x: Binomial(x, trials).expected_log_base_measure(), logits)
    pairs = np.stack([logits, np.zeros_like(logits)], axis=1)
    two = run(lambda x: Multinomial(x, trials).expected_log_base_measure(), pairs)
    for logit, *numbers in zip(logits, one, two, strict=True):
        with mp.workdps(40):
            odds, log_q = mp.exp(mp.mpf(float(logit))), -mp.log1p(mp.exp(mp.mpf(float(logit))))
            probability, log_choose, terms, factorials = mp.exp(trials * log_q), mp.mpf(0), [], []
            for u in range(trials):
                ratio = mp.mpf(trials - u) / (u + 1)
                probability, log_choose = probability * odds * ratio, log_choose + mp.log(ratio)
                smaller = u + 1 if logit <= 0 else trials - u - 1
                terms.append(probability * log_choose)
                factorials.append(probability * mp.loggamma(smaller + 1))
            exact = mp.fsum(terms) if trials > 1 else mp.mpf(0)
            subtracted = 1 + 2 * mp.fsum(factorials) / exact if exact else 1
        assert_relative(f"binomial, η = {logit}", numbers[0], exact, 1 + abs(logit))
        assert_relative(f"multinomial, η = {logit}", numbers[1], exact, (1 + abs(logit)) * float(subtracted))


def test_binomial_with_an_array_of_trials_equals_its_members(run: Run) -> None:
    trials = np.array([[1], [4], [9]])
    logits = np.array([0.3, -2.0, 50.0])
    together = run(lambda x: Binomial(x, trials).expected_log_base_measure(), logits)
    for row, count in zip(together, trials[:, 0].tolist(), strict=True):
        alone = run(lambda x, n=count: Binomial(x, n).expected_log_base_measure(), logits)
        np.testing.assert_allclose(row, alone, rtol=ROUNDINGS * EPS)
