"""Special functions of every array library against 50 digits (mpmath), with the derivatives that JAX takes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest

from elbocheck.backends.namespace import namespace

EPS = float(np.finfo(np.float64).eps)
ROUNDINGS = 16
TINY = 1e-300  # results may underflow: XLA flushes subnormal numbers to zero
POSITIVE = np.concatenate([10.0 ** np.linspace(-3, 6, 181), [1.0, 2.0, 1.4616321449683623, 1 + 1e-9, 2 - 1e-9]])
REAL = np.concatenate([np.linspace(-6, 6, 121), [1e-300, 1e-12, -1e-6, 30.0, -30.0]])

FUNCTIONS: dict[str, tuple[np.ndarray, Callable[[Any], Any], Callable[[Any], Any]]] = {
    # near their zeros, at 1, 2 and 1.46, these two are right to an absolute error
    "gammaln": (POSITIVE, mp.loggamma, lambda exact: 1 + abs(exact)),
    "digamma": (POSITIVE, mp.digamma, lambda exact: 1 + abs(exact)),
    "erf": (REAL, mp.erf, abs),
}
DERIVATIVES: dict[str, tuple[str, int, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "gammaln'": ("gammaln", 1, mp.digamma, lambda exact: 1 + abs(exact)),
    "gammaln''": ("gammaln", 2, lambda x: mp.psi(1, x), abs),
    "digamma'": ("digamma", 1, lambda x: mp.psi(1, x), abs),
    # rounding x² shifts the exponent by x² eps/2
    "erf'": ("erf", 1, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x), lambda exact: abs(exact) * 36 + TINY),
}


def assert_close(what: str, points: np.ndarray, actual: Any, exact: Any, scale: Any) -> None:
    with mp.workdps(50):
        for point, number in zip(points, np.asarray(actual), strict=True):
            truth = exact(mp.mpf(float(point)))
            error = abs(mp.mpf(float(number)) - truth)
            assert error <= ROUNDINGS * EPS * scale(truth), f"{what}({point}): {number}, exactly {mp.nstr(truth, 20)}"


@pytest.mark.parametrize("library", ["numpy", "jax"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name: str, library: str) -> None:
    points, exact, scale = FUNCTIONS[name]
    if library == "numpy":
        actual = getattr(namespace(points), name)(points)
    else:
        with jax.enable_x64(True):
            actual = jax.jit(lambda x: getattr(namespace(x), name)(x))(points)
    assert_close(name, points, actual, exact, scale)


@pytest.mark.parametrize("what", DERIVATIVES)
def test_derivatives(what: str) -> None:
    name, order, exact, scale = DERIVATIVES[what]
    points = FUNCTIONS[name][0]
    with jax.enable_x64(True):
        function = getattr(namespace(jax.numpy.asarray(points)), name)
        for _ in range(order):
            function = jax.grad(function)
        actual = jax.jit(jax.vmap(function))(points)
    assert_close(what, points, actual, exact, scale)
