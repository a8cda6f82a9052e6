"""Code that was not written for elbocheck: derivatives of plain NumPy and of eager torch, and what is known of them."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from elbocheck import Declaration, Factor, Problem, decompose
from elbocheck.backends.plain import PlainBackend, continues, directional
from elbocheck.checks import every_point, gradient
from elbocheck.errors import InputError, TargetError
from elbocheck.families import FAMILIES, Bernoulli, Normal
from elbocheck.outcome import Outcome
from support.oracles import CASES

POINT = np.array([0.3, -1.2, 2.0])
SMOOTH: dict[str, tuple[Callable[[Any], Any], Callable[[np.ndarray], np.ndarray]]] = {
    "polynomial": (lambda v: np.sum(v**3), lambda v: 3 * v**2),
    "log sum exp": (lambda v: np.log(np.sum(np.exp(v))), special.softmax),
    "matrix": (lambda v: v @ np.diag([1.0, 2.0, 3.0]) @ v, lambda v: 2 * np.array([1.0, 2.0, 3.0]) * v),
}
DISCONTINUED = {
    "abs": (lambda v: np.sum(np.abs(v)), np.sign),
    "float": (lambda v: sum(float(np.real(x)) ** 2 for x in v), lambda v: 2 * v),
    "real": (lambda v: np.real(v[0]) * np.real(v[1]), lambda v: np.array([v[1], v[0], 0.0])),
    "slogdet": (lambda v: np.linalg.slogdet(np.eye(3) + np.outer(v, v))[1], lambda v: 2 * v / (1 + v @ v)),
}


def derived(function: Callable[[Any], Any]) -> tuple[np.ndarray, Any]:
    run = PlainBackend().jacobian(lambda vector, fixed: (function(vector), {}), mode="reverse")
    return run(POINT, {})[0], run


@pytest.mark.parametrize("name", SMOOTH)
def test_code_that_continues_is_differentiated_exactly(name: str) -> None:
    function, slope = SMOOTH[name]
    found, run = derived(function)
    assert run.exact
    assert PlainBackend().error_of(run) == 0.0
    np.testing.assert_allclose(found, slope(POINT), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", DISCONTINUED)
def test_other_code_is_recognised_and_its_error_is_measured(name: str) -> None:
    function, slope = DISCONTINUED[name]
    found, run = derived(function)
    assert not run.exact
    error = PlainBackend().error_of(run)
    assert 0.0 <= error < 1e-9
    size = abs(float(function(POINT))) + np.abs(slope(POINT) * POINT).max()
    assert np.abs((found - slope(POINT)) * POINT).max() <= 10 * max(error, 1e-15) * size


def test_noise_is_refused_and_roughness_widens_the_bound() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="differences of values give derivatives to"):
        derived(lambda v: float(np.real(v[0])) + rng.normal())
    _, run = derived(lambda v: np.float32(np.real(np.sum(v**2))))
    assert PlainBackend().error_of(run) > 1e-9


def test_differences_stay_inside_the_domain() -> None:
    slope, error = directional(lambda v: np.atleast_1d(np.log(v[0])), np.array([1e-3]), np.array([1.0]))
    assert abs(slope[0] - 1e3) <= 10 * error
    assert error < 1e-4


def test_continuation_is_tried_not_believed() -> None:
    assert continues(lambda v: np.atleast_1d(np.sum(v**2)), POINT)
    assert not continues(lambda v: np.atleast_1d(np.sum(v * np.conj(v))), POINT)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_families_take_complex_arrays(family: Any) -> None:
    """A complex step through log density, entropy and log-partition agrees with differences, in every parameter."""
    case = CASES[family]
    fields = {
        one.name: np.asarray(getattr(case.distribution, one.name), dtype=float)[:1]
        for one in dataclasses.fields(case.distribution)
        if np.ndim(getattr(case.distribution, one.name))
        and np.asarray(getattr(case.distribution, one.name)).dtype.kind == "f"
    }
    assert fields

    def numbers(vector: np.ndarray) -> np.ndarray:
        parts, begin = {}, 0
        for name, array in fields.items():
            parts[name] = vector[begin : begin + array.size].reshape(array.shape)
            begin += array.size
        member = dataclasses.replace(case.distribution, **parts)
        results = (member.log_density(case.values[0, :1]), member.entropy(), member.log_partition())
        return np.concatenate([np.reshape(one, (-1,)) for one in results])

    assert continues(numbers, np.concatenate([array.reshape(-1) for array in fields.values()]))


def test_jax_code_that_cannot_be_traced_is_told_what_to_do() -> None:
    import jax.numpy as jnp

    def declare(p: Any) -> Declaration:
        x = Factor("x", Normal(p["mean"], jnp.ones(())), jnp.ones((3, 1)), ("mean",))
        return Declaration((x,), jnp.ones((3, 1)), jnp.zeros(3), jnp.full(3, 1 / 3))

    problem = Problem({"mean": jnp.zeros(())}, elbo=lambda p: float(p["mean"]) + jnp.zeros(()), factors=declare)
    with pytest.raises(TargetError, match=r"cannot be traced by JAX.*library=\"numpy\""):
        decompose(problem)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_torch_code_is_differentiated_as_it_is() -> None:
    import torch

    x = torch.tensor([0.0, 1.0, 1.0, 1.0], dtype=torch.float64)[:, None]

    def elbo(p: Any) -> Any:
        total = torch.zeros((), dtype=torch.float64)
        for value in x[:, 0]:  # a Python loop and work in place: nothing that could be recorded
            total += value * p["logit"] - torch.nn.functional.softplus(p["logit"])
        return total / len(x)

    def declare(p: Any) -> Declaration:
        unit = Factor("x", Bernoulli(p["logit"][None, None]), x, ("logit",))
        ones = torch.ones((4, 1), dtype=torch.float64)
        return Declaration((unit,), ones, 0.0 * ones[:, 0], ones[:, 0] / 4)

    problem = Problem({"logit": torch.tensor(0.4)}, elbo, declare)
    assert problem.compiled.backend.name == "torch"
    assert every_point(problem).outcome is Outcome.HOLDS
    found = gradient(problem)
    assert found is not None
    assert found.outcome is Outcome.HOLDS
    detached = Problem({"logit": torch.tensor(0.4)}, lambda p: elbo({"logit": p["logit"].detach()}), declare)
    assert every_point(detached).outcome is Outcome.VIOLATED
