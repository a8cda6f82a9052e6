"""Derivatives of the families at saturated logits and ties; masked (`where`) entries; `from_covariance`; expit."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest

from elbocheck.backends.namespace import namespace
from elbocheck.families import Bernoulli, Categorical, Dirichlet, Multinomial, MultivariateNormal
from elbocheck.families.base import inner
from support.compiled import jit

EPS = float(np.finfo(np.float64).eps)
ROUNDINGS = 16
TINY = 1e-300  # results may underflow: XLA flushes subnormal numbers to zero
SATURATED = [0.0, -0.0, 1e-9, 0.7, -0.7, 12.0, -12.0, 40.0, -40.0, 300.0, -300.0, 700.0, -700.0]
LOGITS = np.array([[0, 0, 0], [2, 2, -40], [-40, 40, 40], [0.3, -0.9, 0.3], [40, 0, 0], [-700, 0, 700]], dtype=float)

Number = Any  # mpmath has no type stubs
Scaled = tuple[Number, Number]  # (exact value, scale)
Run = Callable[..., Any]


def derivatives(function: Callable[..., Any], points: Any, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """(gradient, Hessian) in the point, of every pair (point, value)."""
    with jax.enable_x64(True):
        both = jax.vmap(lambda x, value: (jax.grad(function)(x, value), jax.hessian(function)(x, value)))
        return jax.tree.map(np.asarray, jit(both)(np.asarray(points), np.asarray(values)))


def assert_within(actual: Any, exact: list[Scaled], spread: float) -> None:
    """To 16 eps · spread · scale: rounding differences of logits scales a probability by eps/2 · |difference|."""
    for number, (one, scale) in zip(np.ravel(actual), exact, strict=True):
        error = abs(mp.mpf(float(number)) - one)
        assert error <= ROUNDINGS * EPS * spread * scale + TINY, f"{number!r}, exactly {mp.nstr(one, 20)}"


def exact_density(logits: list[float], value: int) -> tuple[list[Scaled], list[Scaled]]:
    """Of log p(value) in the logits: T − p and p pᵀ − diag p, to be right relative to themselves."""
    count = range(len(logits))
    p = [1 / mp.fsum(mp.exp(mp.mpf(other) - logit) for other in logits) for logit in logits]
    gradient = [(i == value) - p[i] for i in count]
    hessian = [p[i] * p[j] - (i == j) * p[i] for i in count for j in count]
    return [(x, abs(x)) for x in gradient], [(x, abs(x)) for x in hessian]


def exact_entropy(logits: list[float], value: int) -> tuple[list[Scaled], list[Scaled]]:
    """Of H in the logits: −p s with s = log p + H, and −diag(p (s + 1)) + [p_i p_j (1 + s_i + s_j)].

    Scales: |log p| + H for s; rows of the Hessian sum to zero, so the rest of its row scales a diagonal element.
    """
    count = range(len(logits))
    log_p = [-mp.log(mp.fsum(mp.exp(mp.mpf(other) - logit) for other in logits)) for logit in logits]
    p = [mp.exp(x) for x in log_p]
    entropy = -mp.fdot(p, log_p)
    s, scales = [x + entropy for x in log_p], [entropy - x for x in log_p]
    rows = [[p[i] * p[j] * (1 + s[i] + s[j]) - (i == j) * p[i] * (1 + s[i]) for j in count] for i in count]
    sizes = [[(i != j) * p[i] * p[j] * (1 + scales[i] + scales[j]) for j in count] for i in count]
    hessian = [(rows[i][j], sizes[i][j] or mp.fsum(sizes[i])) for i in count for j in count]
    return [(-p[i] * s[i], p[i] * scales[i]) for i in count], hessian


METHODS = pytest.mark.parametrize(("method", "exact"), [("log_density", exact_density), ("entropy", exact_entropy)])


@METHODS
def test_bernoulli_derivatives_at_saturated_logits(method: str, exact: Callable[..., Any]) -> None:
    """A Bernoulli is the categorical with logits (0, η)."""
    points, values = np.repeat(SATURATED, 2), np.tile([0.0, 1.0], len(SATURATED))
    computed = derivatives(lambda logit, value: evaluated(Bernoulli(logit), method, value), points, values)
    with mp.workdps(700):
        for point, value, gradient, hessian in zip(points, values, *computed, strict=True):
            exact_gradient, exact_hessian = exact([0.0, point], int(value))
            assert_within(gradient, exact_gradient[1:], spread=1)
            assert_within(hessian, exact_hessian[3:], spread=1)


@METHODS
def test_categorical_derivatives_at_saturated_and_tied_logits(method: str, exact: Callable[..., Any]) -> None:
    points, values = np.repeat(LOGITS, 3, axis=0), np.tile(np.eye(3), (len(LOGITS), 1))
    computed = derivatives(lambda logits, value: evaluated(Categorical(logits), method, value), points, values)
    with mp.workdps(1300):
        for point, value, gradient, hessian in zip(points, values, *computed, strict=True):
            exact_gradient, exact_hessian = exact(point.tolist(), int(value.argmax()))
            assert_within(gradient, exact_gradient, spread=1 + np.ptp(point))
            assert_within(hessian, exact_hessian, spread=1 + np.ptp(point))


def evaluated(distribution: Any, method: str, value: Any) -> Any:
    return distribution.log_density(value) if method == "log_density" else getattr(distribution, method)()


def test_a_derivative_that_loses_the_tail_is_rejected() -> None:
    """The derivative of the logistic function written p (1 − p), which is 0 at η = 40, must not pass."""
    p = 1.0 / (1.0 + np.exp(-40.0))
    with mp.workdps(50):
        exact = exact_density([0.0, 40.0], 0)[1][3:]
    with pytest.raises(AssertionError, match="exactly"):
        assert_within(-p * (1.0 - p), exact, spread=1)


def test_expit(run: Run) -> None:
    """To 16 eps, relative, in both tails."""
    points = np.concatenate([np.linspace(-40, 40, 333), [-700, -300, -1e-12, 1e-12, 300, 700]])
    for point, number in zip(points, run(lambda x: namespace(x).expit(x), points), strict=True):
        with mp.workdps(50):
            exact = 1 / (1 + mp.exp(-mp.mpf(point)))
        assert abs(mp.mpf(float(number)) - exact) <= ROUNDINGS * EPS * exact, f"expit({point})"


WHERE = np.array([True, False, True, True, False])
ROOT = np.array([[1.2, 0.0, 0.0], [-0.4, 0.7, 0.0], [0.3, 1.1, 2.0]])


def padded(small: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """`small` on the existing entries of every axis, `fill` elsewhere."""
    result = np.array(fill, dtype=float)
    result[np.ix_(*[WHERE] * small.ndim)] = small
    return result


def existing(array: Any) -> np.ndarray:
    array = np.asarray(array)
    return array[np.ix_(*[WHERE] * array.ndim)]


MASKED: dict[str, tuple[Any, np.ndarray, dict[str, Any]]] = {
    "categorical": (Categorical(np.array([0.3, -0.9, 1.1])), np.eye(3)[1], {"logits": [0, 1e3, 0, 0, 1.1]}),
    "saturated": (Categorical(np.array([40.0, -40.0, 0.0])), np.eye(3)[0], {"logits": [0, 40, 0, 0, 700]}),
    "tied": (Categorical(np.array([2.0, 2.0, 2.0])), np.eye(3)[2], {"logits": [0, 2, 0, 0, -700]}),
    "multinomial": (
        Multinomial(np.array([0.3, -0.9, 1.1]), 5),
        np.array([1.0, 0.0, 4.0]),
        {"logits": [0, 1e3, 0, 0, 1]},
    ),
    "saturated multinomial": (
        Multinomial(np.array([40.0, -40.0, 0.0]), 5),
        np.array([3.0, 1.0, 1.0]),
        {"logits": [0, 40, 0, 0, 700]},
    ),
    "multivariate normal": (
        MultivariateNormal(np.array([0.4, -3.0, 2.0]), ROOT),
        np.array([1.0, -2.0, 30.0]),
        {"mean": np.zeros(5), "precision_cholesky": np.eye(5)},
    ),
    "Dirichlet": (
        Dirichlet(np.array([0.4, 3.0, 20.0])),
        np.array([0.1, 0.2, 0.7]),
        {"concentration": [1.0, 1e-3, 1.0, 1.0, 1e6]},
    ),
}
"""(member, value, what is at the absent entries of its parameters): dominating, tied and negligible logits."""


def everything(distribution: Any, value: Any) -> dict[str, Any]:
    eta = distribution.natural_parameters()
    scalars = ("log_partition", "entropy", "pseudo_entropy", "expected_log_base_measure")
    again = distribution.with_natural_parameters(eta)
    return {
        **{method: getattr(distribution, method)() for method in scalars},
        "log_density": distribution.log_density(value),
        "log_base_measure": distribution.log_base_measure(value),
        "natural_parameters": eta,
        "mean_statistics": distribution.mean_statistics(),
        "again": (again.entropy(), again.log_density(value), *again.natural_parameters()),
    }


@pytest.mark.parametrize("name", MASKED)
def test_masked_member_equals_the_smaller_one(name: str, run: Run) -> None:
    """Every output on the existing entries, to the rounding of sums in another order; ∇A is 0 elsewhere."""
    small, value, fill = MASKED[name]
    parameters = {key: padded(getattr(small, key), extra) for key, extra in fill.items()}
    actual = run(
        lambda parameters, value, where: everything(dataclasses.replace(small, **parameters, where=where), value),
        parameters,
        padded(value, np.zeros(5)),
        WHERE,
    )
    expected = everything(small, value)
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(existing(one), other, rtol=ROUNDINGS * EPS, atol=TINY),
        actual,
        expected,
    )
    for statistic in actual["mean_statistics"]:
        assert np.count_nonzero(statistic) <= np.count_nonzero(existing(statistic))
    eta = actual["natural_parameters"]
    product = inner(eta, actual["mean_statistics"], (1, 2)[: len(eta)])
    bound = ROUNDINGS * EPS * (np.abs(actual["log_partition"]) + np.abs(product))
    assert np.abs(actual["log_partition"] - product - actual["pseudo_entropy"]) <= bound, "H̃ is not A − η · ∇A"


@functools.cache
def gradient_and_hessian(family: Any, known: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    """(parameters, value, where) -> derivatives of a combination of outputs, compiled once per family and shape."""

    def objective(parameters: dict[str, Any], value: Any, where: Any) -> Any:
        member = family(**parameters, **dict(known), where=where)
        # derivatives of polygamma functions take 8 s to compile, and no caller takes those of this entropy
        entropy = 0.0 if family is Dirichlet else member.entropy()
        return member.log_density(value) + 2.0 * entropy + 3.0 * member.log_partition()

    return jit(lambda *arguments: (jax.grad(objective)(*arguments), jax.hessian(objective)(*arguments)))


@pytest.mark.parametrize("name", MASKED)
def test_masked_derivatives_equal_the_smaller_ones(name: str) -> None:
    """Gradient 0 at absent entries, gradient and Hessian equal elsewhere, all finite."""
    small, value, fill = MASKED[name]

    padding = {key: padded(getattr(small, key), extra) for key, extra in fill.items()}
    known = (("trials", small.trials),) if isinstance(small, Multinomial) else ()
    family: Any = type(small)
    of_family = gradient_and_hessian(family, known)
    with jax.enable_x64(True):
        actual = of_family(padding, padded(value, np.zeros(5)), WHERE)
        expected = of_family({key: getattr(small, key) for key in fill}, value, None)
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(existing(one), other, rtol=1e-13, atol=1e-13)
    for leaf in jax.tree.leaves(actual[0]):
        assert np.count_nonzero(leaf) <= np.count_nonzero(existing(leaf))


def test_from_covariance_is_backward_stable(run: Run) -> None:
    """Cᵀ Σ C = I to 16 eps · condition(Σ): C belongs to a covariance a few roundings away from Σ.

    The Cholesky factor of a computed Σ⁻¹ misses that by far, or does not exist, at condition 1e14.
    """
    rotation = np.linalg.qr(np.random.default_rng(6).normal(size=(3, 3)))[0]
    for condition in (1.0, 1e6, 1e10, 1e14):
        covariance = (rotation * np.array([1.0, condition**-0.5, 1 / condition])) @ rotation.T
        covariance = (covariance + covariance.T) / 2
        root = run(lambda *x: MultivariateNormal.from_covariance(*x).precision_cholesky, np.zeros(3), covariance)
        with mp.workdps(50):
            exact = mp.matrix(root.tolist())
            residual = mp.mnorm(exact.T * mp.matrix(covariance.tolist()) * exact - mp.eye(3), "f")
        assert residual <= ROUNDINGS * EPS * condition
        assert (np.triu(root, 1) == 0).all()
        assert (np.diag(root) > 0).all()
