"""What a verdict costs: no Jacobian, calls that do not grow in number with the parameters, one reading per point."""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

from elbocheck import Declaration, Factor, Problem, Target, check_target, decompose
from elbocheck.bound.least_squares import DENSE, solve
from elbocheck.families import Bernoulli, Categorical, Normal
from elbocheck.outcome import Outcome
from support import TESTS
from support.processes import python
from support.right_code import mixture


def logistic(size: int, calls: Counter[str], opaque: bool = False) -> Problem:
    """Logistic regression with so many weights in plain NumPy; `opaque`: code that does not take complex numbers."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, size)) / np.sqrt(size)
    y = (rng.random(30) < 0.5).astype(float)

    def logits(p: Any) -> Any:
        return x @ (np.asarray(p["w"], dtype=float) if opaque else p["w"]) + p["b"]

    def elbo(p: Any) -> Any:
        calls["elbo"] += 1
        return np.mean(y * logits(p) - np.logaddexp(0.0, logits(p)))

    def smooth(p: Any) -> Any:
        calls["elbo"] += 1
        return np.mean(y * logits(p) - np.log(1.0 + np.exp(logits(p))))

    def declare(p: Any) -> Declaration:
        calls["factors"] += 1
        factor = Factor("y", Bernoulli(logits(p)[:, None]), y[:, None], ("w", "b"))
        return Declaration((factor,), np.ones((30, 1)), np.zeros(30), np.full(30, 1 / 30))

    return Problem({"w": rng.normal(size=size), "b": np.array(0.2)}, elbo if opaque else smooth, declare)


@pytest.mark.parametrize("opaque", [False, True])
def test_calls_of_a_black_box_do_not_grow_with_its_parameters(opaque: bool) -> None:
    counted = []
    for size in (10, 1000):
        calls: Counter[str] = Counter()
        report = check_target(Target("regression", [logistic(size, calls, opaque)]))
        assert all(one.outcome is Outcome.HOLDS for one in report.results)
        counted.append(dict(calls))
    assert counted[0] == counted[1]
    assert max(counted[0].values()) <= (400 if opaque else 150)


def test_jax_code_is_judged_without_jacobians(monkeypatch: pytest.MonkeyPatch) -> None:
    import jax

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("a Jacobian")

    for name in ("jacrev", "jacfwd", "hessian"):
        monkeypatch.setattr(jax, name, refuse)
    assert check_target(Target("mixture", [mixture()])).ok


def test_torch_takes_no_backward_pass_per_datum(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    counts = []
    grad, taken = torch.autograd.grad, [0]

    def counted(*arguments: Any, **options: Any) -> Any:
        taken[0] += 1
        return grad(*arguments, **options)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    for data in (10, 400):
        taken[0] = 0
        report = check_target(Target("torch", [torch_mixture(torch, data)]))
        assert all(one.outcome is Outcome.HOLDS for one in report.results)
        counts.append(taken[0])
    assert counts[0] == counts[1] <= 20


def torch_mixture(torch: Any, data: int) -> Problem:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(data, 1)))

    def joint(p: Any) -> Any:
        squares = (x - p["m"]) ** 2 / torch.exp(p["v"])
        return torch.log_softmax(p["u"], 0) - 0.5 * (squares + p["v"] + np.log(2 * np.pi))

    def declare(p: Any) -> Declaration:
        z = Factor("z", Categorical(p["u"]), np.eye(2)[None], ("u",))
        family = Factor("x", Normal(p["m"], torch.exp(p["v"])), x, ("m", "v"))
        return Declaration((z, family), torch.softmax(joint(p), 1), None, np.full(data, 1 / data))

    start = {"u": torch.tensor([0.3, 0.0]), "m": torch.tensor([-0.8, 1.1]), "v": torch.tensor([0.1, -0.2])}
    return Problem({k: v.double() for k, v in start.items()}, lambda p: torch.logsumexp(joint(p), 1).mean(), declare)


@pytest.mark.parametrize("width", [3, 80])
def test_beta_is_found_where_no_candidate_is_one(width: int) -> None:
    """Means and precisions of beta distributions, a chart in which only the whole of η is scaled: dense, and LSMR."""
    import jax
    import jax.numpy as jnp

    from elbocheck.families import Beta

    assert (2 * width <= DENSE) is (width == 3)
    x = np.random.default_rng(0).beta(2.0, 3.0, size=(5, 1, width))

    def family(p: Any) -> Any:
        mean, precision = jax.nn.sigmoid(p["mean"]), jnp.exp(p["precision"])
        return Beta(mean * precision, (1 - mean) * precision)

    def declare(p: Any) -> Declaration:
        factor = Factor("x", family(p), x, ("mean", "precision"))
        return Declaration((factor,), np.ones((5, 1)), np.zeros(5), np.full(5, 0.2))

    rng = np.random.default_rng(1)
    start = {"mean": rng.normal(size=width), "precision": 2 + 0.3 * rng.normal(size=width)}
    problem = Problem(start, factors=declare, library="jax")
    (claim,) = decompose(problem).claims
    assert claim.covered, claim.reason
    found = solve(problem, "x", ["mean", "precision"])
    assert found is not None
    assert found.residual < 1e-10
    # the closed form: both a − 1 and b − 1 grow by themselves
    mean, precision = 1 / (1 + np.exp(-problem.arrays["mean"])), np.exp(problem.arrays["precision"])
    a, b = mean * precision - 1, (1 - mean) * precision - 1
    exact = np.concatenate([(a - mean * (a + b)) / (precision * mean * (1 - mean)), (a + b) / precision])
    np.testing.assert_allclose(found.beta, exact, rtol=1e-7, atol=1e-9)


@pytest.mark.skipif(sys.platform != "linux", reason="two devices are made by a flag of XLA")
def test_parameters_are_handed_back_on_their_device() -> None:
    """`grad` and `fit` get arrays on the device of the parameters, here the second of two CPU devices."""
    code = """
import jax, jax.numpy as jnp, numpy as np
from elbocheck import Problem, Target, check_target
from support.right_code import mixture
one, second = mixture(), jax.devices()[1]
seen = set()
def fit(p):
    seen.update(device for leaf in jax.tree.leaves(p) for device in leaf.devices())
    return p
params = {k: jax.device_put(jnp.asarray(v), second) for k, v in one.params.items()}
problem = Problem(params, one.elbo, one.factors, fit=fit)
check_target(Target("two devices", [problem]), on_fail="report")
assert seen == {second}, seen
"""
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "PYTHONPATH": str(TESTS)}
    done = python("-c", code, environment=environment)
    assert done.returncode == 0, done.stderr


def test_a_point_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check of a point, and the diagnosis, use one reading of it."""
    import elbocheck.bound.reading as module

    made = Counter[bytes]()
    whole = module.Reading

    def counted(problem: Problem, *arguments: Any, **options: Any) -> Any:
        made[problem.vector.tobytes()] += 1
        return whole(problem, *arguments, **options)

    monkeypatch.setattr(module, "Reading", counted)
    correct = mixture()
    wrong = Problem(correct.params, lambda p: 1.01 * correct.elbo(p), correct.factors)  # type: ignore[misc]
    check_target(Target("wrong", [wrong]), on_fail="report")
    assert made
    assert set(made.values()) == {1}
