"""Every family against oracles that share no code with it: textbook formulas at 50 digits (mpmath), and scipy.stats.

A family enters by one entry of `CASES`. Bounds are `ROUNDINGS · eps · scale`, where the scale is computed with the
exact value: its magnitude if nothing cancels, otherwise the sum of absolute terms, times a condition number if not 1.
`test_poisson.py` has what only a varying base measure needs, `test_family_derivatives.py` derivatives and masks.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from elbocheck.families import FAMILIES, Bernoulli, Categorical, MultivariateNormal, Normal, Poisson
from elbocheck.families.base import inner

EPS = float(np.finfo(np.float64).eps)
ROUNDINGS = 16
"""Roundings (of half an eps, most of them) that one result may carry; 16 eps = 3.6e-15."""
TINY = 1e-300  # results may underflow: XLA flushes subnormal numbers to zero
ENTROPIES = ("entropy", "pseudo_entropy")
OF_PARAMETERS = ("log_partition", *ENTROPIES, "expected_log_base_measure", "natural_parameters", "mean_statistics")
OF_VALUE = ("log_density", "log_base_measure")

Number = Any  # mpmath has no type stubs
Scaled = tuple[Number, Number]  # (exact value, scale)
Outputs = dict[str, Any]


@dataclass(frozen=True)
class Exact:
    """One distribution at 50 digits; `log_partition` is A at any flattened η; `scales`, where not the magnitude."""

    eta: list[Number]
    log_partition: Callable[[list[Number]], Number]
    entropy: Number
    log_density: Callable[[np.ndarray], Scaled]
    log_base_measure: Callable[[np.ndarray], Scaled] = lambda value: (mp.mp.zero, mp.mp.zero)
    expected_log_base_measure: Number = mp.mp.zero
    scales: Mapping[str, Sequence[Number]] = dataclasses.field(default_factory=dict)
    condition: float = 1.0  # of the map from η back to the parameters

    @functools.cached_property
    def mean_statistics(self) -> list[Number]:
        """∇A(η), by numerical differentiation at the working precision."""
        count = len(self.eta)
        orders = [tuple(int(i == k) for k in range(count)) for i in range(count)]
        return [mp.diff(lambda *eta: self.log_partition(list(eta)), tuple(self.eta), order) for order in orders]

    def scaled(self, method: str) -> list[Scaled]:
        """One method of the parameters: flattened exact values with their scales."""
        log_partition = self.log_partition(self.eta)
        exact = {
            "log_partition": [log_partition],
            "entropy": [self.entropy],
            "pseudo_entropy": [log_partition - mp.fdot(self.eta, self.mean_statistics)],
            "expected_log_base_measure": [self.expected_log_base_measure],
            "natural_parameters": self.eta,
            "mean_statistics": self.mean_statistics,
        }[method]
        return list(zip(exact, self.scales.get(method, map(abs, exact)), strict=True))


def numbers(array: Any) -> list[Number]:
    return [mp.mpf(float(element)) for element in np.ravel(array)]


def exact_bernoulli(member: Any) -> Exact:
    (eta,) = numbers(member.logits)
    log_p, log_q = -mp.log1p(mp.exp(-eta)), -mp.log1p(mp.exp(eta))

    def log_density(value: np.ndarray) -> Scaled:
        return (log_p, -log_p) if value else (log_q, -log_q)

    entropy = -mp.exp(log_p) * log_p - mp.exp(log_q) * log_q
    return Exact([eta], lambda e: mp.log1p(mp.exp(e[0])), entropy, log_density)


def exact_categorical(member: Any) -> Exact:
    eta = numbers(member.logits)
    log_p = [-mp.log(mp.fsum(mp.exp(other - e) for other in eta)) for e in eta]
    spread = 1 + max(eta) - min(eta)  # rounding a difference of logits by eps/2 · |difference| scales p by that much

    def log_density(value: np.ndarray) -> Scaled:
        result = log_p[int(np.argmax(value))]
        return result, abs(result) * spread

    entropy = -mp.fsum(mp.exp(x) * x for x in log_p)
    scales = {
        **dict.fromkeys(ENTROPIES, (entropy * spread,)),
        "mean_statistics": [mp.exp(x) * spread for x in log_p],
        "log_partition": [abs(max(eta)) - max(log_p)],
    }
    return Exact(eta, lambda e: mp.log(mp.fsum(mp.exp(x) for x in e)), entropy, log_density, scales=scales)


def exact_normal(member: Any) -> Exact:
    mean, variance = *numbers(member.mean), *numbers(member.variance)
    log_terms = (mp.log(2 * mp.pi) + abs(mp.log(variance))) / 2

    def log_density(value: np.ndarray) -> Scaled:
        square = (mp.mpf(float(value)) - mean) ** 2 / variance / 2
        return -square - mp.log(2 * mp.pi * variance) / 2, square + log_terms

    def log_partition(eta: list[Number]) -> Number:
        return -(eta[0] ** 2) / eta[1] / 4 - mp.log(-eta[1] / mp.pi) / 2

    entropy, eta = mp.log(2 * mp.pi * mp.e * variance) / 2, [mean / variance, -1 / variance / 2]
    scales = {**dict.fromkeys(ENTROPIES, (log_terms + 0.5,)), "log_partition": [mean**2 / variance / 2 + log_terms]}
    return Exact(eta, log_partition, entropy, log_density, scales=scales)


def exact_multivariate_normal(member: Any) -> Exact:
    size = member.mean.shape[-1]
    mean, root = mp.matrix(numbers(member.mean)), mp.matrix(np.asarray(member.precision_cholesky).tolist())
    precision, log_2pi = root * root.T, size * mp.log(2 * mp.pi)
    log_determinant = mp.log(mp.det(precision))
    center, absolute = np.abs(member.mean), np.abs(member.precision_cholesky)
    inverse = np.abs(np.array((root**-1).tolist(), dtype=float))
    log_terms = np.abs(np.log(np.diag(absolute))).sum() + float(log_2pi) / 2

    def log_density(value: np.ndarray) -> Scaled:
        deviation = mp.matrix(numbers(value)) - mean
        result = (log_determinant - (deviation.T * precision * deviation)[0] - log_2pi) / 2
        return result, log_terms + ((np.abs(value - member.mean) @ absolute) ** 2).sum() / 2

    def log_partition(eta: list[Number]) -> Number:
        first, second = mp.matrix(eta[:size]), mp.matrix(np.reshape(eta[size:], (size, size)).tolist())
        return (log_2pi - (first.T * mp.lu_solve(second, first))[0] / 2 - mp.log(mp.det(-2 * second))) / 2

    scales = {
        **dict.fromkeys(ENTROPIES, (log_terms + size / 2,)),
        "log_partition": [log_terms + ((center @ absolute) ** 2).sum() / 2],
        "natural_parameters": [*(absolute @ absolute.T @ center), *(absolute @ absolute.T).ravel() / 2],
        # error of a triangular inverse K = C⁻¹: |K| |C| |K| (Higham, Accuracy and Stability, section 14.2)
        "mean_statistics": [*center, *(np.outer(center, center) + inverse.T @ inverse @ absolute @ inverse).ravel()],
    }
    entropy = (size + log_2pi - log_determinant) / 2
    eta, condition = [*(precision * mean), *(-precision / 2)], np.linalg.cond(member.precision_cholesky) ** 2
    return Exact(eta, log_partition, entropy, log_density, scales=scales, condition=condition)


def exact_poisson(member: Any) -> Exact:
    """E log u! is summed over every stride-th count, from 16 σ below the rate (or 0) to 16 σ above.

    Sampling a sum with stride σ/8 leaves a relative error exp(−2π² 8²) = 1e-548; 1e-33 of the probability is left out.
    """
    (eta,) = numbers(member.log_rate)
    rate, stride = mp.exp(eta), max(1, int(mp.exp(eta / 2) / 8))
    start = max(0, int(rate) - 320 * stride)
    log_factorials = {count: mp.loggamma(count + 1) for count in range(start, start + 641 * stride, stride)}
    expected = stride * mp.fsum(mp.exp(k * eta - rate - log) * log for k, log in log_factorials.items())

    def log_base_measure(value: np.ndarray) -> Scaled:
        result = mp.loggamma(mp.mpf(float(value)) + 1)
        return -result, abs(result)

    def log_density(value: np.ndarray) -> Scaled:
        first, log_factorial = mp.mpf(float(value)) * eta, log_base_measure(value)[1]
        return first - rate - log_factorial, abs(first) + rate + log_factorial

    entropy = rate * (1 - eta) + expected
    # E log u! ~ λ² has condition 2|η| for small λ; up to the switch at 48, rounding λ shifts log p(u) by λ eps/2
    scales = {"expected_log_base_measure": [expected * (1 + abs(eta))], "entropy": [entropy * (1 + abs(eta))]}
    return Exact([eta], lambda e: mp.exp(e[0]), entropy, log_density, log_base_measure, -expected, scales)


@dataclass(frozen=True)
class Case:
    """A batch of members of one family, the first of them moderate; `values` (V, batch, *event)."""

    distribution: Any
    values: np.ndarray
    exact: Callable[[Any], Exact]
    scipy: Callable[[Any], Any]
    digits: int = 50


def precision_choleskys() -> np.ndarray:
    """Moderate, identity, condition 1e6 in general position (two scales), variances 1e-6 and 1e6, graded."""
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    ill = np.linalg.cholesky((rotation * np.array([1e-3, 1.0, 1e3])) @ rotation.T)
    moderate = np.array([[1.2, 0.0, 0.0], [-0.4, 0.7, 0.0], [0.3, 1.1, 2.0]])
    return np.stack([moderate, np.eye(3), ill, 1e-3 * ill, 1e3 * moderate, 1e-3 * moderate, np.diag([1e3, 1, 1e-3])])


LOGITS = np.array([0.7, 0.0, -0.0, 1e-9, -3.3, 12.0, -12.0, 35.7, -36.2, 40.0, -40.0, 300.0, -300.0, 700.0, -700.0])
CATEGORIES = np.array(
    [
        [0.3, -0.9, 1.1, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [2.0, 2.0, -40.0, 2.0],
        [40.0, -40.0, 40.0, 1.0],
        [-40.0, -39.5, 40.0, -1.0],
        [700.0, -700.0, 1e-9, 699.0],
    ]
)
VARIANCES = np.array([1.7, 1e-6, 3e-3, 0.0585498, 1.0, 4e2, 1e6, 1e6, 1e-6])
MEANS = np.array([0.4, 1e-3, -7.0, 0.0, 1.0, 1e3, -1e3, 1e6, 1e2])
CHOLESKYS = precision_choleskys()
VECTORS = np.random.default_rng(4).normal(size=(7, 3)) * np.array([1, 0, 1, 30, 1, 1e3, 1])[:, None]
DEVIATIONS = np.random.default_rng(5).normal(size=(5, 7, 3)) * np.array([0, 0.1, 1, 5, 1e3])[:, None, None]
RATES = np.array([3.3, 1e-12, 1e-6, 0.02, 1.0, np.e, 9.0, 25.0, 44.4, 47.9999, 48.0001, 80.0, 1e3, 1e5, 1e8])

CASES = {
    Bernoulli: Case(
        Bernoulli(LOGITS),
        np.stack([np.zeros_like(LOGITS), np.ones_like(LOGITS)]),
        exact_bernoulli,
        lambda m: scipy.stats.bernoulli(scipy.special.expit(m.logits)),
        digits=700,  # A − η · ∇A cancels all but e^−700 of its terms
    ),
    Categorical: Case(
        Categorical(CATEGORIES),
        np.broadcast_to(np.eye(4)[:, None], (4, 6, 4)),
        exact_categorical,
        lambda m: scipy.stats.multinomial(1, scipy.special.softmax(m.logits)),
        digits=700,
    ),
    Normal: Case(
        Normal(MEANS, VARIANCES),
        MEANS + np.sqrt(VARIANCES) * np.array([0.0, 1e-3, -0.7, 3.0, 40.0])[:, None],
        exact_normal,
        lambda m: scipy.stats.norm(m.mean, np.sqrt(m.variance)),
    ),
    MultivariateNormal: Case(
        MultivariateNormal(VECTORS, CHOLESKYS),
        VECTORS + DEVIATIONS,
        exact_multivariate_normal,
        lambda m: scipy.stats.multivariate_normal(m.mean, np.linalg.inv(m.precision_cholesky @ m.precision_cholesky.T)),
    ),
    Poisson: Case(
        Poisson(np.log(RATES)),
        np.stack([0 * RATES, 0 * RATES + 1, 0 * RATES + 2, np.round(RATES), np.round(3 * RATES + 40)]),
        exact_poisson,
        lambda m: scipy.stats.poisson(np.exp(m.log_rate)),
    ),
}
every_family = pytest.mark.parametrize("family", CASES)
every_library = pytest.mark.parametrize("library", ["numpy", "jax"])


def fields(distribution: Any) -> Outputs:
    names = [field.name for field in dataclasses.fields(distribution)]
    return {name: getattr(distribution, name) for name in names if getattr(distribution, name) is not None}


def member(family: Any, index: int) -> Any:
    return family(**{name: field[index] for name, field in fields(CASES[family].distribution).items()})


def evaluate(distribution: Any, value: Any) -> Outputs:
    """Every method at once, which XLA compiles at once."""
    again = distribution.with_natural_parameters(distribution.natural_parameters())
    return {
        **{method: getattr(distribution, method)() for method in OF_PARAMETERS},
        **{method: getattr(distribution, method)(value) for method in (*OF_VALUE, "sufficient_statistics")},
        "round_trip": again.natural_parameters(),
    }


@functools.cache
def outputs(family: Any, library: str) -> Outputs:
    """All outputs of a case; with JAX, also the gradient of A(with_natural_parameters(η))."""
    case = CASES[family]
    if library == "numpy":
        return evaluate(case.distribution, case.values)

    def compiled(parameters: Outputs, value: Any) -> Outputs:
        distribution = family(**parameters)
        gradient = jax.grad(lambda eta: distribution.with_natural_parameters(eta).log_partition().sum())
        return {**evaluate(distribution, value), "gradient": gradient(distribution.natural_parameters())}

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(compiled)(fields(case.distribution), case.values))


@functools.cache
def exacts(family: Any) -> list[Exact]:
    with mp.workdps(CASES[family].digits):
        return [CASES[family].exact(member(family, index)) for index in range(CASES[family].values.shape[1])]


@functools.cache
def expected(family: Any, method: str) -> list[list[Scaled]]:
    """Per member: exact values and scales of one method, at all values if it is a method of the value."""
    with mp.workdps(CASES[family].digits):
        if method in OF_PARAMETERS:
            return [exact.scaled(method) for exact in exacts(family)]
        columns = np.moveaxis(CASES[family].values, 1, 0)
        return [[getattr(e, method)(v) for v in column] for e, column in zip(exacts(family), columns, strict=True)]


def assert_within(what: str, actual: Any, truth: list[list[Scaled]]) -> None:
    """|actual − exact| ≤ ROUNDINGS · eps · scale, element by element; `actual`: (batch, …), or a tuple of them."""
    parts = actual if isinstance(actual, tuple) else (actual,)
    rows = np.concatenate([np.reshape(part, (len(truth), -1)) for part in parts], axis=1)
    for index, (row, true_row) in enumerate(zip(rows, truth, strict=True)):
        for number, (exact, scale) in zip(row, true_row, strict=True):
            error = abs(mp.mpf(float(number)) - exact)
            assert error <= ROUNDINGS * EPS * scale + TINY, (
                f"{what} of member {index}: {number!r}, exactly {mp.nstr(exact, 20)}; "
                f"off by {mp.nstr(error / (EPS * scale + TINY), 4)} eps of {mp.nstr(mp.mpf(scale), 4)}"
            )


def check_exact(family: Any, output: Outputs, method: str) -> None:
    """One method against its exact counterpart."""
    actual = output[method].T if method in OF_VALUE else output[method]
    assert_within(f"{family.__name__}.{method}", actual, expected(family, method))


def check_conditioned(family: Any, output: Outputs, method: str) -> None:
    """η -> parameters -> η, and the gradient of η -> parameters -> A: the condition number of the map enters."""
    name = {"natural_parameters": "round_trip", "mean_statistics": "gradient"}[method]
    pairs = zip(expected(family, method), exacts(family), strict=True)
    truth = [[(number, scale * exact.condition) for number, scale in row] for row, exact in pairs]
    assert_within(f"{family.__name__}: {name}", output[name], truth)


def check_exponential_form(family: Any, output: Outputs, method: str) -> None:
    """log p(u) = η · T(u) − A(η) + log h(u), and log h constant exactly where the family says so.

    Scale: Σ|terms|, or the scale of log p itself where that is larger (spread of the logits of a categorical).
    """
    eta, statistics, log_h = output["natural_parameters"], output["sufficient_statistics"], output["log_base_measure"]
    ndims = tuple(np.ndim(one) - 1 for one in eta)
    rest = inner(eta, statistics, ndims) - output["log_partition"]
    absolute = inner(tuple(map(np.abs, eta)), tuple(map(np.abs, statistics)), ndims) + np.abs(output["log_partition"])
    scale = np.array([[float(size) for _, size in row] for row in expected(family, "log_density")]).T
    bound = ROUNDINGS * EPS * (absolute + np.abs(log_h) + scale) + TINY
    log_p = output["log_density"]
    assert log_p.shape == log_h.shape == CASES[family].values.shape[:2]
    assert (np.abs(log_p - rest - log_h) <= bound).all(), f"{family.__name__}: log p is not η · T − A + log h"
    for variation, zero in ((log_p - rest, 2 * bound.max(0)), (log_h, 0.0)):
        constant = np.ptp(variation, axis=0) <= zero
        assert (constant == family.constant_base_measure).all(), f"{family.__name__}.constant_base_measure is false"


CHECKS = [
    *((check_exact, method) for method in (*OF_PARAMETERS, *OF_VALUE)),
    *((check_exponential_form, method) for method in ("log_density", "log_partition", "natural_parameters")),
    (check_conditioned, "natural_parameters"),
]


@dataclass(frozen=True)
class Off:
    """A distribution whose `method` is off by 1e-9: relative, or absolute where the truth is zero."""

    distribution: Any
    method: str

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.distribution, name)
        if name != self.method:
            return member
        return lambda *value: jax.tree.map(lambda x: x + 1e-9 * (x + (x == 0)), member(*value))


@every_library
@pytest.mark.parametrize("family", FAMILIES)  # not CASES: a family without a case is an error
def test_family(family: Any, library: str) -> None:
    output = outputs(family, library)
    for check, method in CHECKS:
        check(family, output, method)
    if library == "jax":
        check_conditioned(family, output, "mean_statistics")


@every_family
@pytest.mark.parametrize(("check", "method"), CHECKS, ids=lambda x: getattr(x, "__name__", x))
def test_checks_reject_a_fault_of_1e_9(family: Any, check: Callable[..., None], method: str) -> None:
    faulty = evaluate(Off(CASES[family].distribution, method), CASES[family].values)
    with pytest.raises(AssertionError, match=family.__name__):
        check(family, faulty, method)


@every_library
@every_family
def test_moderate_member_agrees_with_scipy_stats(family: Any, library: str) -> None:
    """To 1e-13, which allows for the rounding of scipy's own parametrisation."""
    case, output = CASES[family], outputs(family, library)
    reference = case.scipy(member(family, 0))
    log_density = reference.logpdf if hasattr(reference, "logpdf") else reference.logpmf
    np.testing.assert_allclose(output["log_density"][:, 0], log_density(case.values[:, 0]), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(output["entropy"][0], reference.entropy(), rtol=1e-13)
