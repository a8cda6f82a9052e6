"""Special functions of every array library against 50 digits (mpmath), with the derivatives it takes of them itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from elbocheck.backends import get_backend
from elbocheck.backends.namespace import namespace
from support.oracle_tools import backend_param

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
    "digamma''": ("digamma", 2, lambda x: mp.psi(2, x), abs),
    # rounding x² shifts the exponent by x² eps/2
    "erf'": ("erf", 1, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x), lambda exact: abs(exact) * 36 + TINY),
    "erf''": ("erf", 2, lambda x: -4 * x / mp.sqrt(mp.pi) * mp.exp(-x * x), lambda exact: abs(exact) * 36 + TINY),
}


def assert_close(what: str, points: np.ndarray, actual: Any, exact: Any, scale: Any) -> None:
    with mp.workdps(50):
        for point, number in zip(points, np.asarray(actual), strict=True):
            truth = exact(mp.mpf(float(point)))
            error = abs(mp.mpf(float(number)) - truth)
            assert error <= ROUNDINGS * EPS * scale(truth), f"{what}({point}): {number}, exactly {mp.nstr(truth, 20)}"


@pytest.mark.parametrize("library", [backend_param(name) for name in ("numpy", "jax", "torch")])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name: str, library: str) -> None:
    points, exact, scale = FUNCTIONS[name]
    actual = get_backend(library, "float64").value(lambda x, _: getattr(namespace(x), name)(x))(points, {})
    assert_close(name, points, actual, exact, scale)


def differentiated(library: str, name: str, order: int) -> np.ndarray:
    """The first or second derivative at every point, as the gradient or the Hessian's diagonal of a sum."""
    points = FUNCTIONS[name][0]
    sums = get_backend(library, "float64").value_gradient_hessian(
        lambda x, _: namespace(x).xp.sum(getattr(namespace(x), name)(x)), np.arange(points.size)
    )
    _, gradient, hessian = sums(points, {})
    return np.asarray(gradient if order == 1 else np.diagonal(hessian))


@pytest.mark.parametrize("library", [backend_param(name) for name in ("jax", "torch")])
@pytest.mark.parametrize("what", DERIVATIVES)
def test_derivatives(what: str, library: str) -> None:
    name, order, exact, scale = DERIVATIVES[what]
    assert_close(what, FUNCTIONS[name][0], differentiated(library, name, order), exact, scale)


def test_a_trigamma_that_is_cut_off_early_is_rejected() -> None:
    """PyTorch's own: the recurrence to 7 and three terms of the asymptotic series."""
    points, steps = np.linspace(1.0, 2.0, 11), np.arange(6)
    y = points + 6
    series = (1 + 1 / (2 * y) + (1 / 6 - (1 / 30 - 1 / (42 * y**2)) / y**2) / y**2) / y
    with pytest.raises(AssertionError, match="exactly"):
        assert_close("psi'", points, series + ((points[:, None] + steps) ** -2.0).sum(1), lambda x: mp.psi(1, x), abs)
