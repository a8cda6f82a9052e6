"""Every family against oracles that share no code with it: textbook formulas at 50 digits (mpmath), and scipy.stats.

A family enters by one file of `support/oracles/`. Bounds are `ROUNDINGS · eps · scale`; the scale is computed with
the exact value: its magnitude if nothing cancels, otherwise the sum of absolute terms, times a condition number.
`test_poisson.py` has what only a varying base measure needs, `test_derivatives.py` derivatives and masks.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest

from elbocheck.families import FAMILIES
from elbocheck.families.base import inner
from support.compiled import jit
from support.oracles import CASES
from support.oracles.base import ENTROPIES, EPS, ROUNDINGS, TINY, Exact, Scaled

OF_PARAMETERS = ("log_partition", *ENTROPIES, "expected_log_base_measure", "natural_parameters", "mean_statistics")
OF_VALUE = ("log_density", "log_base_measure")

Outputs = dict[str, Any]

every_family = pytest.mark.parametrize("family", CASES)
every_library = pytest.mark.parametrize("library", ["numpy", "jax"])


def fields(distribution: Any) -> Outputs:
    names = [field.name for field in dataclasses.fields(distribution)]
    return {name: getattr(distribution, name) for name in names if getattr(distribution, name) is not None}


def member(family: Any, index: int) -> Any:
    every_field = fields(CASES[family].distribution)
    return family(**{name: field[index] if np.ndim(field) else field for name, field in every_field.items()})


def without_known_constants(distribution: Any) -> Outputs:
    """The fields without those that `with_natural_parameters` hands on as they are, which are never traced."""
    other = distribution.with_natural_parameters(tuple(1.5 * eta for eta in distribution.natural_parameters()))
    return {name: field for name, field in fields(distribution).items() if getattr(other, name) is not field}


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
        distribution = dataclasses.replace(case.distribution, **parameters)
        gradient = jax.grad(lambda eta: distribution.with_natural_parameters(eta).log_partition().sum())
        return {**evaluate(distribution, value), "gradient": gradient(distribution.natural_parameters())}

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jit(compiled)(without_known_constants(case.distribution), case.values))


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
