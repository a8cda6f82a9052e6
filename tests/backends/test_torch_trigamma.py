"""The derivative of `torch.digamma` in code under test, against mpmath: PyTorch's own is right to 5e-10 only."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from elbocheck import Declaration, Factor, Latents, Problem, Target, check_target  # noqa: E402
from elbocheck.backends.torch_eager import EagerTorchBackend  # noqa: E402
from elbocheck.families import Average, Gamma  # noqa: E402

X = np.array([1e-3, 0.1, 0.5, 1.1, 1.46, 3.0, 40.0, -0.5])
BACKEND = EagerTorchBackend()


def exact(order: int) -> np.ndarray:
    return np.array([float(mp.polygamma(order, mp.mpf(float(x)))) for x in X])


def close(found: Any, order: int) -> None:
    """At x > 0 to rounding, at x < 0 what PyTorch has."""
    found, wanted = np.asarray(found), exact(order)
    np.testing.assert_allclose(found[X > 0], wanted[X > 0], rtol=2e-15)
    np.testing.assert_allclose(found[X < 0], wanted[X < 0], rtol=1e-8)


def total(x: Any, fixed: Any) -> Any:
    return torch.digamma(x).sum()


def test_pytorch_still_needs_it() -> None:
    x = torch.tensor(X[3:4], requires_grad=True)
    (slope,) = torch.autograd.grad(torch.digamma(x).sum(), x)
    assert 1e-10 < abs(float(slope) / exact(1)[3] - 1.0) < 1e-9


def test_every_way_to_a_derivative() -> None:
    for _ in range(2):  # the second run is another one
        _, slopes, rows = BACKEND.value_gradient_hessian(total, np.arange(len(X)))(X, None)
        close(slopes, 1)
        np.testing.assert_allclose(np.diagonal(rows)[X > 0], exact(2)[X > 0], rtol=2e-15)
    run = BACKEND.gradient(lambda p, fixed: (total(p["x"], fixed), dict), lambda vector: {"x": vector})
    close(run(X, None)[1], 1)
    jacobian = BACKEND.jacobian(lambda x, fixed: ({"a": torch.digamma(x)}, {}), "")
    close(np.diagonal(jacobian(X, None)[0]["a"]), 1)
    along = BACKEND.pushforward(lambda x, _: ({"a": torch.digamma(x)}, dict), lambda values, tangents, more: tangents)
    close(along(X, None, np.ones(len(X)))["a"], 1)
    close(BACKEND.pullback(lambda x, _: {"a": torch.digamma(x)})(X, None, {"a": np.ones(len(X))}), 1)


SHAPES = np.array([0.5, 1.1, 2.0])


def elbo(p: Any, off: float = 0.0) -> Any:
    """−KL of gamma distributions from Gamma(1.5, 0.8), on average, as people write it in torch."""
    a, b = p["log_a"].exp(), p["log_b"].exp()
    e_log, mean = torch.digamma(a) - p["log_b"], a / b
    prior = 1.5 * np.log(0.8) - float(mp.loggamma(1.5)) + 0.5 * e_log - 0.8 * mean
    return (prior + a - p["log_b"] + torch.lgamma(a) + (1 - a) * torch.digamma(a)).mean() + off * (a**2).mean()


def factors(p: Any) -> Declaration:
    a, b = p["log_a"].exp(), p["log_b"].exp()
    prior = Gamma(torch.full((1, 1), 1.5, dtype=a.dtype), torch.full((1, 1), 0.8, dtype=a.dtype))
    return Declaration(
        (Factor("tau", Average(prior, Gamma(a[:, None], b[:, None]))),), q=Latents("tau", entropy=Gamma(a, b))
    )


def test_a_correct_bound_with_gamma_distributions_holds() -> None:
    start = {"log_a": torch.tensor(np.log(SHAPES)), "log_b": torch.tensor(np.array([0.1, -0.3, 0.4]))}
    report = check_target(Target("gamma", [Problem(start, elbo, factors)]), on_fail="report")
    assert report.exit_code == 0, [one.result.message for one in report.failures if one.result]


def test_an_error_of_the_code_as_large_as_pytorchs_is_still_seen() -> None:
    start = {"log_a": torch.tensor(np.log(SHAPES)), "log_b": torch.tensor(np.array([0.1, -0.3, 0.4]))}
    wrong = Problem(start, lambda p: elbo(p, 5e-10), factors)
    assert check_target(Target("gamma", [wrong]), on_fail="report").exit_code == 1
