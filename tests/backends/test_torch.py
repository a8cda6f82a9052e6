"""The torch backend: recorded programs against JAX, what cannot be recorded, NaN, types, and its absence."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from elbocheck.backends import _make, available, get_backend
from elbocheck.backends.namespace import namespace
from elbocheck.cli import main
from elbocheck.errors import MissingExtraError
from elbocheck.models import find_cell
from support.oracle_tools import draw

NAMES = (
    "sbn/exact",
    "hmm-gaussian/exact",
    "ppca/exact",
    "gamma-mixture/exact",
    "von-mises-mixture/exact",
    "sparse-coding/hermite",
)
"""Enumeration, a scan, a Cholesky factor, polygamma functions, series and erf."""
needs_torch = pytest.mark.skipif("torch" not in available(), reason="needs torch: pip install 'elbocheck[torch]'")


def everything(
    name: str, backend: str, dtype: str = "float64", seed: int = 0, sizes: tuple[int, int, int] = (7, 3, 1)
) -> Any:
    problem = draw(replace(find_cell(name).on(get_backend(backend, dtype)), capacity=sizes), sizes, seed).problem()
    compiled, vector, fixed = problem.compiled, problem.vector, problem.fixed
    held = compiled.points(vector, fixed)
    inputs = {"base": vector, "units": np.ones_like(vector), "fixed": fixed}
    rows = compiled.natural_rows(np.append(vector, 0.0), {"fixed": fixed, "held": held})
    return compiled.derivatives(np.zeros_like(vector), inputs), compiled.terms(vector, fixed), held, rows


@needs_torch
@pytest.mark.parametrize("name", NAMES)
def test_everything_equals_jax(name: str) -> None:
    """To 1e-12 of the largest number in each array; the second seed runs what the first has recorded."""
    for seed in (0, 1):
        one, other = everything(name, "jax", seed=seed), everything(name, "torch", seed=seed)
        assert jax.tree.structure(one) == jax.tree.structure(other)
        for expected, actual in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            assert expected.dtype == actual.dtype
            assert np.abs(actual - 1.0 * expected).max(initial=0) <= 1e-12 * np.abs(expected).max(initial=0)


@needs_torch
@pytest.mark.parametrize("name", NAMES)
def test_float32_runs_in_float32(name: str) -> None:
    types = {leaf.dtype for leaf in jax.tree.leaves(everything(name, "torch", "float32"))}
    assert types <= {np.dtype("float32"), np.dtype(bool)}


@needs_torch
def test_a_constant_of_another_type_is_refused() -> None:
    """The planted fault: PyTorch promotes silently, and the result would be cast back."""
    import torch

    third = torch.full((1,), 1 / 3, dtype=torch.float64)
    assert get_backend("torch").value(lambda v, _: v * third)(np.ones(3), {}).dtype == np.float64
    with pytest.raises(RuntimeError, match=r"computes in torch\.float32: a constant of another type entered"):
        get_backend("torch", "float32").value(lambda v, _: v * third)(np.ones(3), {})


@needs_torch
def test_scalars_are_differentiated_in_their_own_type() -> None:
    """`torch.vmap` promotes a scalar that meets a Python number: 1 + 2⁻³⁰ would keep what float32 cannot hold."""
    backend = get_backend("torch", "float32")

    def function(vector: Any, fixed: Any) -> Any:
        return ((1.0 + vector[0] * 2.0**-30) - 1.0) ** 2 * 2.0**60

    value, gradient, hessian = backend.value_gradient_hessian(function, np.arange(1))(np.ones(1), {})
    assert (float(value), float(gradient[0]), float(hessian[0, 0])) == (0.0, 0.0, 2.0)
    jacobian, _ = backend.jacobian(lambda v, fixed: (function(v, fixed), v), "forward")(np.ones(1), {})
    assert float(np.ravel(jacobian)[0]) == 0.0


@needs_torch
@pytest.mark.parametrize("name", NAMES)
def test_what_is_recorded_for_float32_has_no_other_type(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every operation of every recorded program, when it is run."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    import elbocheck.backends.torch as backend

    found, seen = set[str](), set[str]()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = operation(*args, **(kwargs or {}))
            parts = result if isinstance(result, tuple | list) else (result,)
            seen.add(f"{operation}")
            found.update(
                f"{operation}" for one in parts if isinstance(one, torch.Tensor) and one.dtype is torch.float64
            )
            return result

    recorded = backend.record

    def watched(*arguments: Any) -> Any:
        run = recorded(*arguments)

        def replay(inputs: Any) -> Any:
            with Watch():
                return run(inputs)

        return replay

    monkeypatch.setattr(backend, "record", watched)
    everything(name, "torch", "float32", sizes=(8, 3, 1))  # sizes for which nothing has been recorded
    assert len(seen) >= 10
    assert not found


@needs_torch
def test_the_process_is_left_alone() -> None:
    import torch

    before = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), list(warnings.filters)
    value = get_backend("torch").value(lambda v, _: (v, 2.0 * v[:1]))(np.ones(3), {})
    assert (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), warnings.filters) == before
    assert all(isinstance(one, np.ndarray) and one.flags.owndata for one in value)


def factor(v: Any, _: Any) -> Any:
    xp = namespace(v).xp
    matrix = xp.eye(2, dtype=v.dtype) * v[0] + 0.1 * v[1]
    return xp.sum(xp.linalg.inv(xp.linalg.cholesky(matrix)))


@needs_torch
def test_no_cholesky_factor_is_nan_and_no_error() -> None:
    """A search that runs away must be told, with the same program that served before, and the first time too."""
    good, bad = np.array([2.0, 1.0]), (np.array([-2.0, 1.0]), np.array([np.inf, 1.0]), np.array([np.nan, 1.0]))
    for first in (good, bad[0]):
        derivatives = get_backend("torch").value_gradient_hessian(factor, np.arange(2))
        derivatives(first, {})
        assert all(np.isfinite(one).all() for one in derivatives(good, {}))
        for vector in bad:
            assert all(np.isnan(one).all() for one in derivatives(vector, {}))


@needs_torch
def test_shifts_are_not_differentiated() -> None:
    """v · constant(v) has the derivative constant(v), in every mode and at any depth."""
    backend, v = get_backend("torch"), np.array([1.0, 2.0])

    def product(x: Any, _: Any) -> Any:
        ns = namespace(x)
        return ns.xp.sum(ns.constant(x) * x * x)

    _, gradient, hessian = backend.value_gradient_hessian(product, np.arange(2))(v, {})
    np.testing.assert_array_equal(gradient, 2 * v * v)
    np.testing.assert_array_equal(hessian, np.diag(2 * v))


def read_out(v: Any, _: Any) -> Any:
    return v * float(v[0])


def in_place(v: Any, _: Any) -> Any:
    other = namespace(v).xp.zeros_like(v)
    total = v + other
    other[0] = v[0]
    return total + other


def around(v: Any, _: Any) -> Any:
    return namespace(v).xp.asarray(np.asarray(v)) * 2.0


@needs_torch
@pytest.mark.parametrize("function", [read_out, in_place, around])
def test_what_would_be_frozen_is_refused(function: Any) -> None:
    """A recording would repeat the first call's numbers for ever."""
    with pytest.raises(RuntimeError, match="torch backend"):
        get_backend("torch").value(function)(np.ones(2), {})


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> Any:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "torch" else found(name, *more)
    )
    _make.cache_clear()
    yield
    _make.cache_clear()


@pytest.mark.usefixtures("absent")
def test_without_torch_one_line_says_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    assert "torch" not in available()
    with pytest.raises(MissingExtraError, match=r"pip install 'elbocheck\[torch\]'"):
        get_backend("torch")
    assert main(["verify", "--backend", "torch"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "elbocheck[torch]" in error
    assert get_backend("numpy").value(lambda v, _: 2.0 * v)(np.ones(1), {}) == 2.0
