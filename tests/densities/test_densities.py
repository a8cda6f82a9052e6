"""Named densities against SciPy, and where it has none against integrals; and as factors of a declaration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpmath import mp
from scipy import integrate, special, stats

from elbocheck import Declaration, Factor, LogDensity, Problem, Target, check_target, decompose
from elbocheck.densities import (
    HalfCauchy,
    LKJCholesky,
    Mixture,
    NegativeBinomial2,
    StudentT,
    TruncatedNormal,
    Uniform,
    ZeroInflated,
)
from elbocheck.families import MultivariateNormal, NegativeBinomial, Normal, Poisson

REALS, COUNTS = np.array([-3.1, -0.2, 0.0, 0.4, 7.5]), np.array([0.0, 1.0, 2.0, 5.0, 40.0])


def number(x: float) -> np.ndarray:
    return np.array(x)


CASES: dict[str, tuple[Any, np.ndarray, Any]] = {
    "Student-t": (StudentT(number(3.5), number(0.3), number(1.7)), REALS, stats.t(3.5, 0.3, 1.7).logpdf),
    "Cauchy": (StudentT(number(1.0), number(0.3), number(1.7)), REALS, stats.cauchy(0.3, 1.7).logpdf),
    "half-Cauchy": (HalfCauchy(number(1.7)), np.abs(REALS), stats.halfcauchy(scale=1.7).logpdf),
    "uniform": (Uniform(number(-4.0), number(8.0)), REALS, stats.uniform(-4.0, 12.0).logpdf),
    "negative binomial": (
        NegativeBinomial2(number(3.0), number(0.7)),
        COUNTS,
        stats.nbinom(0.7, 0.7 / 3.7).logpmf,
    ),
    "zero-inflated Poisson": (
        ZeroInflated(number(-0.4), Poisson(np.log(2.5))),
        COUNTS,
        lambda u: np.log((u == 0) / (1 + np.exp(0.4)) + (1 - 1 / (1 + np.exp(0.4))) * stats.poisson(2.5).pmf(u)),
    ),
    "mixture": (
        Mixture(np.array([0.5, -1.0]), Normal(np.array([-1.0, 2.0]), np.array([0.5, 3.0]))),
        REALS,
        lambda u: np.log(
            sum(
                weight * stats.norm(mean, variance**0.5).pdf(u)
                for weight, mean, variance in zip(
                    np.exp([0.5, -1.0]) / np.exp([0.5, -1.0]).sum(), (-1.0, 2.0), (0.5, 3.0), strict=True
                )
            )
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_densities_are_those_of_scipy(name: str) -> None:
    density, values, expected = CASES[name]
    np.testing.assert_allclose(density.log_density(values), expected(values), rtol=3e-14, atol=3e-15)
    assert not np.allclose(density.log_density(values), expected(values) + 1e-12, rtol=3e-14, atol=3e-15)


@pytest.mark.parametrize(
    ("low", "high"), [(None, None), (-0.5, None), (None, 0.7), (-2.0, 3.0), (4.0, 9.0), (30.0, 31.0), (-9.0, -5.0)]
)
def test_truncated_normals_keep_their_digits_in_the_tails(low: float | None, high: float | None) -> None:
    density = TruncatedNormal(
        number(0.3), number(1.44), None if low is None else number(low), None if high is None else number(high)
    )
    a, b = -mp.inf if low is None else low, mp.inf if high is None else high
    value = float(max(a, -3.0) + 0.01)
    with mp.workdps(40):
        upper = [mp.erfc((mp.mpf(x) - mp.mpf("0.3")) / mp.mpf("1.2") / mp.sqrt(2)) / 2 for x in (a, b)]
        exact = mp.log(mp.npdf(value, mp.mpf("0.3"), mp.mpf("1.2")) / (upper[0] - upper[1]))
    scale = abs(float(mp.log(upper[0] - upper[1]))) + value**2  # of the two that cancel in it
    assert float(density.log_density(number(value))) == pytest.approx(float(exact), abs=4e-15 * (scale + 1.0))


def test_derivatives_of_a_truncated_normal_are_finite_on_both_sides() -> None:
    """By complex steps: no branch that is not taken may leave a NaN."""
    for low, high in ((-1.0, 1.0), (5.0, 6.0), (-6.0, -5.0)):
        at = TruncatedNormal(number(0.1) + 1e-30j, number(1.0), number(low), number(high)).log_density(number(low))
        step = [
            float(TruncatedNormal(number(0.1 + h), number(1.0), number(low), number(high)).log_density(number(low)))
            for h in (1e-5, -1e-5)
        ]
        assert at.imag / 1e-30 == pytest.approx((step[0] - step[1]) / 2e-5, rel=1e-8)


def test_lkj_integrates_to_one() -> None:
    """D = 2: over r; D = 3: over r₂₁ and the disc of the third row."""

    def two(r: float, eta: float) -> float:
        factor = np.array([[1.0, 0.0], [r, np.sqrt(1.0 - r * r)]])
        return float(np.exp(LKJCholesky(number(eta)).log_density(factor)))

    for eta in (1.0, 2.5):
        assert integrate.quad(two, -1.0, 1.0, args=(eta,))[0] == pytest.approx(1.0, abs=1e-9)

    def disc(radius: float, r: float, eta: float) -> float:  # the density of the third row depends on its length alone
        factor = np.diag([1.0, np.sqrt(1.0 - r * r), np.sqrt(1.0 - radius**2)])
        factor[1, 0], factor[2, 0] = r, radius
        return float(2.0 * np.pi * radius * np.exp(LKJCholesky(number(eta)).log_density(factor)))

    total = integrate.dblquad(disc, -1.0, 1.0, 0.0, 1.0, args=(2.5,), epsabs=1e-9)[0]
    assert total == pytest.approx(1.0, abs=1e-7)


def test_a_mixture_of_vectors() -> None:
    means, weights = np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([0.3, 0.7])
    covariances = np.array([[[1.0, 0.2], [0.2, 0.5]], [[2.0, -0.3], [-0.3, 1.0]]])
    values = np.array([[0.1, 0.2], [1.5, -3.0], [4.0, 0.0]])
    whole = Mixture(np.log(weights), MultivariateNormal.from_covariance(means, covariances)).log_density(values)
    expected = np.log(
        sum(
            w * stats.multivariate_normal(m, c).pdf(values) for w, m, c in zip(weights, means, covariances, strict=True)
        )
    )
    np.testing.assert_allclose(whole, expected, rtol=1e-13)
    apart = Mixture(np.log(weights), Normal(means, np.ones((2, 2))), element_axes=1).log_density(values)
    expected = np.log(sum(w * stats.norm(m).pdf(values).prod(-1) for w, m in zip(weights, means, strict=True)))
    np.testing.assert_allclose(apart, expected, rtol=1e-13)


def test_a_known_dispersion_is_the_exponential_family() -> None:
    family = NegativeBinomial(np.log(3.0 / 0.7), 0.7)
    np.testing.assert_allclose(
        family.log_density(COUNTS), NegativeBinomial2(number(3.0), number(0.7)).log_density(COUNTS), rtol=3e-14
    )


Y = np.array([0.4, -1.2, 0.3, 5.1, 0.9])


def robust(broken: bool) -> Problem:
    """Student-t noise, all of it learned; broken: without the scale's share of the Jacobian."""

    def elbo(p: Any) -> Any:
        z = (Y - p["m"]) * np.exp(-p["s"])
        power = 0.5 * (np.exp(p["v"]) + 1.0)
        constant = special.loggamma(power) - special.loggamma(power - 0.5) - 0.5 * (np.log(np.pi) + p["v"])
        return (constant - (0.0 if broken else p["s"]) - power * np.log(1.0 + z * z * np.exp(-p["v"]))).mean()

    def factors(p: Any) -> Declaration:
        y = Factor("y", StudentT(np.exp(p["v"]), p["m"], np.exp(p["s"])), Y[:, None], parameters=("m", "s", "v"))
        return Declaration((y,), np.ones((5, 1)), np.zeros(5))

    return Problem({"m": number(0.2), "s": number(-0.3), "v": number(1.1)}, elbo, factors)


def test_a_density_is_a_factor_and_its_scope_is_said() -> None:
    right = check_target(Target("robust", [robust(False)]), on_fail="report")
    assert right.exit_code == 0, [one.message for one in right.results]
    (claim,) = decompose(robust(False)).claims
    assert not claim.covered
    assert claim.reason == "Student-t is no exponential family: S keeps its E log p"
    broken = check_target(Target("robust", [robust(True)]), on_fail="report")
    assert [one.check for one in broken.failures][:1] == ["value"]


def test_the_numbers_of_a_density_are_the_same_declaration() -> None:
    named = decompose(robust(False))
    density = StudentT(np.exp(number(1.1)), number(0.2), np.exp(number(-0.3)))

    def factors(p: Any) -> Declaration:
        return Declaration((Factor("y", LogDensity(density.log_density), Y[:, None]),), np.ones((5, 1)), np.zeros(5))

    assert decompose(Problem({"unused": number(0.0)}, None, factors)).elbo == pytest.approx(named.declared, rel=1e-15)
