"""Enclosures of the families in ball arithmetic contain the values that mpmath computes with 60 digits.

The formulae are those of textbooks, in the usual parameters, and sums over all values for E log u! and entropies of
counts: nothing is taken from the families.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest

flint = pytest.importorskip("flint", reason="needs python-flint: pip install 'elbocheck[certify]'")

from elbocheck import families as f  # noqa: E402
from elbocheck.backends.balls.backend import BallBackend  # noqa: E402
from elbocheck.errors import NotRigorousError  # noqa: E402
from support.oracles import CASES as ORACLES  # noqa: E402

mp = mpmath.mp.clone()
mp.dps = 60
log, exp, pi, gamma = mp.log, mp.exp, mp.pi, mp.loggamma


class Case(NamedTuple):
    """A family at float parameters `at`, a value, and log density, entropy and log partition by mpmath."""

    make: Callable[..., Any]
    at: tuple[Any, ...]
    value: Any
    log_density: Callable[..., Any]
    entropy: Callable[..., Any]
    log_partition: Callable[..., Any]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + exp(-x))


def bits(p: Any) -> Any:
    return -p * log(p) - (1 - p) * log(1 - p)


def choose(n: int, u: Any) -> Any:
    return gamma(n + 1) - gamma(u + 1) - gamma(n - u + 1)


def poisson(rate: Any, u: Any) -> Any:
    return u * log(rate) - rate - gamma(u + 1)


def summed(log_p: Callable[[int], Any], last: int) -> Any:
    return -mp.fsum(exp(log_p(u)) * log_p(u) for u in range(last + 1))


def normal(m: Any, v: Any, u: Any) -> Any:
    return -((u - m) ** 2) / (2 * v) - log(2 * pi * v) / 2


def softmax(eta: Any) -> Any:
    total = mp.fsum(exp(e) for e in eta)
    return [exp(e) / total for e in eta]


def dirichlet_partition(a: Any) -> Any:
    return mp.fsum(gamma(x) for x in a) - gamma(mp.fsum(a))


def covariance_terms(m: Any, c: Any, u: Any) -> tuple[Any, Any]:
    precision = c * c.T
    return ((u - m).T * precision * (u - m))[0], log(mp.det(precision))


def wishart(n: Any, v: Any, u: Any) -> Any:
    """Of 2 × 2 matrices."""
    trace = (v**-1 * u)[0, 0] + (v**-1 * u)[1, 1]
    return ((n - 3) * log(mp.det(u)) - trace) / 2 - wishart_partition(n, v)


def wishart_partition(n: Any, v: Any) -> Any:
    return n * log(2) + n / 2 * log(mp.det(v)) + log(pi) / 2 + gamma(n / 2) + gamma((n - 1) / 2)


def wishart_entropy(n: Any, v: Any) -> Any:
    expected = mp.psi(0, n / 2) + mp.psi(0, (n - 1) / 2) + 2 * log(2) + log(mp.det(v))
    return n - (n - 3) / 2 * expected + wishart_partition(n, v)


def inverse_wishart(n: Any, v: Any, u: Any) -> Any:
    """Of 2 × 2 matrices: the density of the inverse, with the Jacobian |U|⁻³ of the inversion."""
    return wishart(n, v**-1, u**-1) - 3 * log(mp.det(u))


def inverse_wishart_entropy(n: Any, v: Any) -> Any:
    expected = mp.psi(0, n / 2) + mp.psi(0, (n - 1) / 2) + 2 * log(2) - log(mp.det(v))
    return wishart_entropy(n, v**-1) - 3 * expected


G = mp.euler
CASES = {
    "bernoulli": Case(
        f.Bernoulli, (0.7,), 1.0, lambda e, u: u * e - log(1 + exp(e)), lambda e: bits(sigmoid(e)),
        lambda e: log(1 + exp(e)),
    ),
    "bernoulli at 0": Case(
        f.Bernoulli, (0.0,), 1.0, lambda e, u: -log(mp.mpf(2)), lambda e: log(mp.mpf(2)), lambda e: log(mp.mpf(2)),
    ),
    "beta": Case(
        f.Beta, (0.3, 12.5), 0.2, lambda a, b, u: (a - 1) * log(u) + (b - 1) * log(1 - u) - log(mp.beta(a, b)),
        lambda a, b: log(mp.beta(a, b)) - (a - 1) * mp.psi(0, a) - (b - 1) * mp.psi(0, b)
        + (a + b - 2) * mp.psi(0, a + b),
        lambda a, b: log(mp.beta(a, b)),
    ),
    "binomial": Case(
        lambda e: f.Binomial(e, 7), (0.4,), 3.0, lambda e, u: choose(7, u) + u * e - 7 * log(1 + exp(e)),
        lambda e: summed(lambda u: choose(7, u) + u * e - 7 * log(1 + exp(e)), 7), lambda e: 7 * log(1 + exp(e)),
    ),
    "categorical": Case(
        f.Categorical, (np.array([0.3, -1.1, 0.3]),), np.array([0.0, 1.0, 0.0]), lambda e, u: log(softmax(e)[1]),
        lambda e: -mp.fsum(p * log(p) for p in softmax(e)), lambda e: log(mp.fsum(exp(x) for x in e)),
    ),
    "dirichlet": Case(
        f.Dirichlet, (np.array([0.4, 11.0, 2.5]),), np.array([0.125, 0.625, 0.25]),
        lambda a, u: mp.fsum((x - 1) * log(y) for x, y in zip(a, u, strict=True)) - dirichlet_partition(a),
        lambda a: dirichlet_partition(a) + (mp.fsum(a) - 3) * mp.psi(0, mp.fsum(a))
        - mp.fsum((x - 1) * mp.psi(0, x) for x in a),
        dirichlet_partition,
    ),
    "exponential": Case(
        f.Exponential, (2.3,), 0.7, lambda r, u: log(r) - r * u, lambda r: 1 - log(r), lambda r: -log(r),
    ),
    "gamma": Case(
        f.Gamma, (13.7, 2.1), 0.7, lambda a, b, u: a * log(b) + (a - 1) * log(u) - b * u - gamma(a),
        lambda a, b: a - log(b) + gamma(a) + (1 - a) * mp.psi(0, a), lambda a, b: gamma(a) - a * log(b),
    ),
    "gamma, known shape": Case(
        lambda b: f.GammaKnownShape(b, 1.7), (2.1,), 0.7,
        lambda b, u: mp.mpf(1.7) * log(b) + (mp.mpf(1.7) - 1) * log(u) - b * u - gamma(mp.mpf(1.7)),
        lambda b: mp.mpf(1.7) - log(b) + gamma(mp.mpf(1.7)) + (1 - mp.mpf(1.7)) * mp.psi(0, mp.mpf(1.7)),
        lambda b: gamma(mp.mpf(1.7)) - mp.mpf(1.7) * log(b),
    ),
    "geometric": Case(
        f.Geometric, (0.4,), 3.0, lambda e, u: u * log(sigmoid(e)) + log(1 - sigmoid(e)),
        lambda e: bits(sigmoid(e)) / (1 - sigmoid(e)), lambda e: -log(1 - sigmoid(e)),
    ),
    "half-normal": Case(
        f.HalfNormal, (1.3,), 0.7, lambda v, u: log(mp.mpf(2)) + normal(0, v, u), lambda v: log(pi * mp.e * v / 2) / 2,
        lambda v: log(pi * v / 2) / 2,
    ),
    "inverse gamma": Case(
        f.InverseGamma, (13.7, 2.1), 0.7, lambda a, b, u: a * log(b) - (a + 1) * log(u) - b / u - gamma(a),
        lambda a, b: a + log(b) + gamma(a) - (1 + a) * mp.psi(0, a), lambda a, b: gamma(a) - a * log(b),
    ),
    "laplace": Case(
        f.Laplace, (0.6,), -1.3, lambda b, u: -log(2 * b) - abs(u) / b, lambda b: 1 + log(2 * b),
        lambda b: log(2 * b),
    ),
    "log-normal": Case(
        f.LogNormal, (0.4, 1.3), 2.5, lambda m, v, u: normal(m, v, log(u)) - log(u),
        lambda m, v: log(2 * pi * mp.e * v) / 2 + m, lambda m, v: m**2 / (2 * v) + log(2 * pi * v) / 2,
    ),
    "multivariate normal": Case(
        f.MultivariateNormal, (np.array([0.3, -0.4]), np.array([[1.1, 0.0], [0.4, 0.7]])), np.array([1.5, 0.2]),
        lambda m, c, u: (covariance_terms(m, c, u)[1] - covariance_terms(m, c, u)[0]) / 2 - log(2 * pi),
        lambda m, c: 1 + log(2 * pi) - covariance_terms(m, c, m)[1] / 2,
        lambda m, c: (covariance_terms(m, c, 0 * m)[0] - covariance_terms(m, c, m)[1]) / 2 + log(2 * pi),
    ),
    "normal": Case(
        f.Normal, (0.4, 1.3), 2.5, normal, lambda m, v: log(2 * pi * mp.e * v) / 2,
        lambda m, v: m**2 / (2 * v) + log(2 * pi * v) / 2,
    ),
    "normal, known variance": Case(
        lambda m: f.NormalKnownVariance(m, 1.3), (0.4,), 2.5, lambda m, u: normal(m, mp.mpf(1.3), u),
        lambda m: log(2 * pi * mp.e * mp.mpf(1.3)) / 2, lambda m: m**2 / (2 * mp.mpf(1.3)),
    ),
    "pareto": Case(
        lambda a: f.Pareto(a, 1.3), (2.6,), 2.5,
        lambda a, u: log(a) + a * log(mp.mpf(1.3)) - (a + 1) * log(u), lambda a: log(mp.mpf(1.3) / a) + 1 / a + 1,
        lambda a: -log(a) - a * log(mp.mpf(1.3)),
    ),
    "poisson": Case(
        f.Poisson, (1.1,), 4.0, lambda e, u: poisson(exp(e), u), lambda e: summed(lambda u: poisson(exp(e), u), 90),
        exp,
    ),
    "poisson, large rate": Case(
        f.Poisson, (4.5,), 80.0, lambda e, u: poisson(exp(e), u),
        lambda e: summed(lambda u: poisson(exp(e), u), 420), exp,
    ),
    "rayleigh": Case(
        f.Rayleigh, (1.3,), 0.7, lambda v, u: log(u / v) - u**2 / (2 * v), lambda v: 1 + log(v / 2) / 2 + G / 2, log,
    ),
    "weibull": Case(
        lambda s: f.Weibull(s, 1.7), (1.3,), 0.7,
        lambda s, u: log(mp.mpf(1.7) / s) + (mp.mpf(1.7) - 1) * log(u / s) - (u / s) ** mp.mpf(1.7),
        lambda s: G * (1 - 1 / mp.mpf(1.7)) + log(s / mp.mpf(1.7)) + 1,
        lambda s: mp.mpf(1.7) * log(s) - log(mp.mpf(1.7)),
    ),
    "wishart": Case(
        f.Wishart, (5.3, np.array([[1.25, 0.5], [0.5, 0.75]])), np.array([[2.5, -0.5], [-0.5, 1.75]]), wishart,
        wishart_entropy, wishart_partition,
    ),
    "inverse wishart": Case(
        f.InverseWishart, (5.3, np.array([[1.25, 0.5], [0.5, 0.75]])), np.array([[2.5, -0.5], [-0.5, 1.75]]),
        inverse_wishart, inverse_wishart_entropy, lambda n, v: wishart_partition(n, v**-1),
    ),
}  # fmt: skip
REFUSED = {
    "inverse Gaussian": lambda x: f.InverseGaussian(x, x).entropy(),
    "multinomial": lambda x: f.Multinomial(x, 3).entropy(),
    "negative binomial": lambda x: f.NegativeBinomial(x, 2.5).entropy(),
    "von Mises": lambda x: f.VonMises(x, x).log_partition(),
}


def exact(x: Any) -> Any:
    """A float or array of floats in mpmath, without rounding."""
    array = np.asarray(x)
    return mp.mpf(float(array)) if array.ndim == 0 else mp.matrix(array.tolist())


def assert_encloses(ball: Any, true: Any) -> None:
    """A ball against a number of 60 digits."""
    near = flint.arb(mp.nstr(true, 58, strip_zeros=False))
    oracle = flint.arb(near.mid(), near.rad() + abs(near) * flint.arb(10) ** -56 + flint.arb(10) ** -57)
    assert ball.overlaps(oracle), f"{ball} does not contain {true}"
    assert float(ball.rad()) <= 1e-40


@pytest.mark.parametrize("name", CASES)
def test_enclosures_contain_the_value_at_60_digits(name: str) -> None:
    case = CASES[name]
    parameters, value = [exact(one) for one in case.at], exact(case.value)
    expected = (case.log_density(*parameters, value), case.entropy(*parameters), case.log_partition(*parameters))

    def all_three(vector: Any, fixed: Any) -> list[Any]:
        distribution = case.make(*fixed["parameters"])
        return [distribution.log_density(fixed["value"]), distribution.entropy(), distribution.log_partition()]

    found = BallBackend(192).value(all_three)(np.zeros(1), {"parameters": list(case.at), "value": case.value})
    with flint.ctx.workprec(192):
        for ball, true in zip(found, expected, strict=True):
            assert_encloses(ball[()], true)


@pytest.mark.parametrize("family", f.FAMILIES)
def test_every_family_is_enclosed_or_refused(family: Any) -> None:
    """The oracle's first member: enclosed at 60 digits, or a formula says that it is approximate."""
    case = ORACLES[family]
    names = [one.name for one in fields(family) if getattr(case.distribution, one.name) is not None]
    at = {name: np.asarray(getattr(case.distribution, name)) for name in names}
    member = family(**{name: array[0] if array.ndim else array[()] for name, array in at.items()})
    with mpmath.workdps(70):
        exact = case.exact(member)
        expected = (exact.log_density(case.values[1, 0])[0], exact.entropy, exact.log_partition(exact.eta))

    def all_three(vector: Any, fixed: Any) -> list[Any]:
        known = {name: getattr(member, name) for name in names if name not in fixed}
        distribution = family(**known, **{name: one for name, one in fixed.items() if name != "value"})
        return [distribution.log_density(fixed["value"]), distribution.entropy(), distribution.log_partition()]

    fixed = {name: getattr(member, name) for name, array in at.items() if array.ndim and array.dtype.kind == "f"}
    try:
        found = BallBackend(256).value(all_three)(np.zeros(1), {**fixed, "value": case.values[1, 0]})
    except NotRigorousError:
        return
    with flint.ctx.workprec(256):
        for ball, true in zip(found, expected, strict=True):
            assert_encloses(ball[()], mp.mpf(true))


def test_a_formula_with_a_rounded_constant_is_no_enclosure() -> None:
    with flint.ctx.workprec(256), pytest.raises(AssertionError, match="does not contain"):
        assert_encloses(flint.arb(float(mp.log(2))), mp.log(2))


@pytest.mark.parametrize("name", REFUSED)
def test_approximate_formulae_are_refused(name: str) -> None:
    with pytest.raises(NotRigorousError, match=f"{name}.*no enclosure"):
        BallBackend().value(lambda vector, fixed: REFUSED[name](vector))(np.array([0.3, 0.4]), {})
