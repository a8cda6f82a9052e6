"""Correct targets are correct: each bound against evaluations that share no code with it, and against the gate."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections import Counter
from dataclasses import replace
from types import ModuleType
from typing import Any

import jax
import mpmath
import numpy as np
import pytest
import scipy.stats
from hypothesis import Phase, find, settings

from elbocheck.backends.namespace import double_precision
from elbocheck.bound.problem import Problem
from elbocheck.errors import InputError
from elbocheck.gate.checking import check_target
from elbocheck.gate.target import Target
from elbocheck.outcome import Outcome
from elbocheck.strategies import (
    Choice,
    ChosenData,
    ChosenStyle,
    CorrectTarget,
    choices,
    correct_target,
    correct_targets,
    draw_many,
    planted,
)
from elbocheck.strategies.targets import WRITERS, observed, stresses
from elbocheck.strategies.targets.choice import KINDS, LIBRARIES
from elbocheck.strategies.targets.families import FAMILIES, NAMES
from elbocheck.strategies.targets.planted import complex_step
from elbocheck.strategies.targets.tools import tools
from support import ROOT

PLAIN = Choice("mixture", "numpy", (7, 2, 3), seed=5)


@pytest.fixture(autouse=True)
def _without_torch(request: pytest.FixtureRequest) -> None:
    """Tests of torch code are skipped where it is not installed."""
    if "torch" in request.node.name and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")


def value(target: CorrectTarget) -> float:
    assert target.problem.elbo is not None
    with double_precision():
        # one compilation in place of many small ones
        elbo = jax.jit(target.problem.elbo) if target.choice.library == "jax" else target.problem.elbo
        return float(elbo(target.problem.params))


def declared(choice: Choice) -> tuple[float, float]:
    """(F, Σ|terms|) of the declaration, evaluated with NumPy."""
    target = correct_target(replace(choice, library="numpy"))
    declaration = target.written.declare(target.written.params)
    weights, q = declaration.data_weights, declaration.resolved()
    terms = [np.asarray(q.entropy)]
    for factor in q.factors:
        density = np.asarray(factor.distribution.log_density(factor.value))
        while density.ndim > 2:
            density = density.sum(axis=-1)
        terms.append(factor.weight * np.sum(q.weights * density, axis=1))
    return float(weights @ sum(terms)), float(weights @ sum(abs(term) for term in terms))


def drawn(count: int, **arguments: Any) -> list[Choice]:
    """Choices with `arguments`; the simplest ones that Hypothesis begins with are left out, but for one."""
    found = draw_many(choices(**arguments), 4 * count)
    return [found[0], *found[-count + 1 :]] if count > 1 else found[-1:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"libraries": ("numba",)}, "libraries must be some of jax, numpy"),
        ({"libraries": "numpy"}, "got 'numpy'"),
        ({"kinds": ()}, "kinds must be some of observations"),
        ({"families": ("Cauchy",)}, "got \\('Cauchy',\\)"),
        ({"stressed": 3}, "stressed must be True, False or None; got 3"),
        ({"hints": "yes"}, "hints must be True, False or None"),
        ({"max_data": 0}, "max_data must be a positive integer; got 0"),
        ({"kinds": ("observations",), "families": ("von Mises",), "stressed": True}, "anything to stress"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        correct_targets(**arguments)


def test_keywords_only() -> None:
    with pytest.raises(TypeError):
        correct_targets(("numpy",))  # type: ignore[misc]


def test_every_kind_is_written() -> None:
    assert set(WRITERS) == set(KINDS)
    assert len(NAMES) == len(set(NAMES)) == 22


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_value_is_that_of_the_declaration(kind: str, library: str) -> None:
    for choice in drawn(2 if library == "jax" else 6, kinds=(kind,), libraries=(library,), stressed=False, max_data=20):
        found, (expected, scale) = value(correct_target(choice)), declared(choice)
        # inverses of covariances lose digits with the squared distance of the data from the origin
        assert abs(found - expected) <= 1e-13 * max(scale, 1.0) * (1.0 + choice.data.offset), choice


@pytest.mark.parametrize("family", NAMES)
def test_the_value_is_that_of_the_declaration_for_every_family(family: str) -> None:
    for choice in drawn(6, kinds=("mixture", "observations"), libraries=("numpy",), families=(family,), max_data=20):
        found, (expected, scale) = value(correct_target(choice)), declared(choice)
        assert abs(found - expected) <= 1e-13 * max(scale, 1.0) * (1.0 + choice.data.offset), choice


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("name", FAMILIES)
def test_densities_are_those_of_scipy(name: str, library: str) -> None:
    family, rng = FAMILIES[name], np.random.default_rng(3)
    v, known, t = family.draw(rng, 4, 2), family.known.draw(rng, 2), tools(library)
    x = family.sample(rng, v, known)[:, None]
    assert family.scipy is not None
    expected = family.scipy(x, v, known)
    found = family.log_density(t, t.constant(x), {key: t.constant(one) for key, one in v.items()}, known)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-11, atol=1e-12)


def test_observations_and_mixtures_by_scipy() -> None:
    for covariance, normalise in itertools.product(("cholesky", "precision", "matrix"), (False, True)):
        style, data = ChosenStyle(covariance=covariance, normalise=normalise), ChosenData(log10_unit=3)
        plain = replace(PLAIN, family="multivariate normal", style=style, data=data)
        black_box = replace(plain, library="numpy-differences", style=replace(style, scipy=True))
        assert value(correct_target(plain)) == pytest.approx(value(correct_target(black_box)), rel=1e-12)


def test_mixtures_in_many_digits() -> None:
    choice = replace(PLAIN, stress="scales", sizes=(3, 1, 2))
    target = correct_target(choice)
    p = target.written.params
    x = target.written.declare(p).factors[1].value
    with mpmath.workdps(40):
        logits = [mpmath.mpf(one) for one in p["z.logits"]]
        total, pi = mpmath.mpf(0), [mpmath.exp(one) / sum(map(mpmath.exp, logits)) for one in logits]
        for datum in np.ravel(x):
            variances = [mpmath.exp(mpmath.mpf(one)) for one in p["x.variance"][:, 0]]
            means = [mpmath.mpf(one) for one in p["x.mean"][:, 0]]
            total += mpmath.log(
                sum(w * mpmath.npdf(datum, m, mpmath.sqrt(v)) for w, m, v in zip(pi, means, variances, strict=True))
            )
        assert value(target) == pytest.approx(float(total / len(x)), rel=1e-13)


@pytest.mark.parametrize("kind", ["ppca", "factor analysis"])
def test_linear_gaussian_models_by_scipy(kind: str) -> None:
    target = correct_target(Choice(kind, "numpy", (5, 3, 2), seed=2))
    p, x = target.written.params, target.written.declare(target.written.params).factors[1].value[:, 0]
    covariance = p["x.W"] @ p["x.W"].T + np.diag(np.exp(p["x.noise"]) * np.ones(3))
    expected = scipy.stats.multivariate_normal.logpdf(x, p["x.mean"], covariance).mean()
    assert value(target) == pytest.approx(expected, rel=1e-12)


def test_chains_by_brute_force() -> None:
    target = correct_target(Choice("hmm", "numpy", (2, 1, 2), family="Poisson", seed=4))
    p, x = target.written.params, target.written.declare(target.written.params).factors[-1].value[:, 0, :, 0]
    start, table = scipy.special.softmax(p["z.start"]), scipy.special.softmax(p["z.transitions"], axis=1)
    rates, total = np.exp(p["x.rate"][:, 0]), []
    for row in x:
        probability = 0.0
        for path in itertools.product(range(2), repeat=x.shape[1]):
            moves = np.prod([table[a, b] for a, b in itertools.pairwise(path)])
            probability += start[path[0]] * moves * np.prod(scipy.stats.poisson.pmf(row, rates[list(path)]))
        total.append(np.log(probability))
    assert value(target) == pytest.approx(np.mean(total), rel=1e-13)


def test_autoencoders_by_scipy() -> None:
    """The sampled form, with densities of scipy.stats at the points of the declaration."""
    target = correct_target(
        Choice("vae", "numpy", (3, 2, 2), family="normal", q="encoder", style=ChosenStyle(form=1), seed=1)
    )
    declaration = target.written.declare(target.written.params)
    (z, x), normal = declaration.factors, scipy.stats.norm
    law: Any = x.distribution
    densities = normal.logpdf(z.value).sum(-1) + normal.logpdf(x.value, law.mean, np.sqrt(law.variance)).sum(-1)
    q: Any = declaration.entropy
    entropy = normal.entropy(q.mean, np.sqrt(q.variance)).sum(-1)
    assert value(target) == pytest.approx(np.mean(densities.mean(axis=1) + entropy), rel=1e-12)


def test_belief_networks_by_scipy() -> None:
    target = correct_target(Choice("sbn", "numpy", (3, 2, 2), q="free", seed=1))
    p = target.written.params
    x, bernoulli, total = target.written.declare(p).factors[1].value[:, 0], scipy.stats.bernoulli, 0.0
    q = scipy.special.expit(p["q.logits"])
    for n, state in itertools.product(range(3), itertools.product((0, 1), repeat=2)):
        log_q = bernoulli.logpmf(state, q[n]).sum()
        log_p = bernoulli.logpmf(state, scipy.special.expit(p["z.logits"])).sum()
        log_p += bernoulli.logpmf(x[n], scipy.special.expit(state @ p["x.W"] + p["x.shift"])).sum()
        total += np.exp(log_q) * (log_p - log_q)
    assert value(target) == pytest.approx(total / 3, rel=1e-12)


@pytest.mark.parametrize("kind", ["mixture", "linear regression", "logistic regression", "Poisson regression"])
def test_gradients_by_hand_are_those_of_complex_steps(kind: str) -> None:
    for chart, weighted in itertools.product(("log", "softplus", "squared", "raw"), (False, True)):
        written = correct_target(
            replace(PLAIN, kind=kind, style=ChosenStyle(chart), data=ChosenData(weighted=weighted))
        ).written
        assert written.grad is not None
        found, expected = written.grad(written.params), complex_step(written.value, written.params)
        for name, one in expected.items():
            np.testing.assert_allclose(found[name], one, rtol=1e-11, atol=1e-14, err_msg=name)


def test_draws_reach_what_they_should() -> None:
    found = draw_many(choices(), 600)
    assert {one.kind for one in found} == set(KINDS)
    assert {one.library for one in found} == set(LIBRARIES)
    assert len({one.family for one in found}) > 15
    assert {one.style.chart for one in found} == {"log", "softplus", "squared", "raw"}
    assert {one.stress for one in found} == {"", "scales", "logits", "empty", "equal"}
    assert {one.data.log10_unit for one in found} >= {-6, 0, 6}
    assert {one.sizes[0] for one in found} >= {1, 200}
    assert {one.q for one in found} == {"exact", "free", "held", "encoder"}
    assert 0.05 < Counter(bool(one.stress) for one in found)[True] / len(found) < 0.5


def test_stress_is_what_was_asked_for() -> None:
    assert not any(one.stress for one in draw_many(choices(stressed=False), 100))
    assert all(one.stress in stresses(one.kind, one.family) for one in draw_many(choices(stressed=True), 100))
    assert all(one.style.hinted for one in draw_many(choices(hints=True), 20))
    assert set(observed("vae")) == {"normal", "normal, known variance", "Bernoulli", "Poisson"}


def test_shrinks_to_one_datum() -> None:
    plan = settings(max_examples=500, derandomize=True, database=None, phases=[Phase.generate, Phase.shrink])
    least = find(correct_targets(libraries=("numpy",)), lambda one: True, settings=plan)
    assert least.choice == Choice("observations", "numpy", (1, 1, 1), family="Bernoulli", seed=0)
    wide = find(choices(kinds=("mixture", "ppca")), lambda one: one.sizes[2] >= 2 and one.sizes[0] > 4, settings=plan)
    assert wide.sizes == (5, 1, 2)
    assert not wide.stress
    assert find(correct_targets(libraries=("numpy",)), lambda one: one.stressed, settings=plan).choice.sizes[0] == 1


def test_made_again_from_its_label() -> None:
    for choice in draw_many(choices(libraries=("numpy",), max_data=20), 20):
        target = correct_target(choice)
        again = correct_target(
            eval(target.problem.label, {one.__name__: one for one in (Choice, ChosenData, ChosenStyle)})
        )
        assert again.choice == choice
        assert value(again) == value(target)
    assert repr(target) == f"correct_target({choice})"


def test_parameters_are_flat_or_nested_with_hints_or_without() -> None:
    nested = correct_target(replace(PLAIN, style=ChosenStyle(nested=True, hinted=True))).problem
    assert list(nested.params) == ["z", "x"]
    assert [f.parameters for f in nested.declaration.factors] == [("z.logits",), ("x.mean", "x.variance")]
    flat = correct_target(replace(PLAIN, style=ChosenStyle(hinted=True))).problem
    assert [f.parameters for f in flat.declaration.factors] == [("z_logits",), ("x_mean", "x_variance")]
    assert all(f.parameters == () for f in correct_target(PLAIN).problem.declaration.factors)


def derivatives(problem: Problem) -> dict[str, np.ndarray]:
    """Block -> what is reported as ∂F."""
    if problem.grad is not None:
        found = problem.grad(problem.params)
        return {name: np.asarray(one) for name, one in found.items()}
    if problem.library == "torch":
        leaves = {name: one.clone().requires_grad_() for name, one in problem.params.items()}
        problem.elbo(leaves).backward()  # type: ignore[misc]
        return {name: one.grad.numpy() for name, one in leaves.items()}
    with double_precision():
        found = jax.grad(problem.elbo)(problem.params)  # type: ignore[arg-type]
        return {name: np.asarray(one) for name, one in found.items()}


@pytest.mark.parametrize("library", LIBRARIES)
def test_planted_errors_are_of_their_size(library: str) -> None:
    choice = replace(PLAIN, library=library, kind="observations" if library == "jax" else "mixture")
    target, rng = correct_target(choice), np.random.default_rng(0)
    wrong = planted(target, "gradient", 0.25, rng)
    assert wrong.elbo is not None
    with double_precision():  # the one is compiled, the other is not, and terms may be added in another order
        assert float(wrong.elbo(wrong.params)) == pytest.approx(value(target), rel=8.0 * np.finfo(float).eps)
    twin = correct_target(replace(choice, library="numpy")).written
    exact = complex_step(twin.value, twin.params)
    found = derivatives(wrong)
    moved = [
        name for name, one in exact.items() if not np.allclose(found[name.replace(".", "_")], one, rtol=1e-9, atol=0.0)
    ]
    assert len(moved) == 1
    np.testing.assert_allclose(found[moved[0].replace(".", "_")], 1.25 * exact[moved[0]], rtol=1e-10)
    assert f"∂F/∂{moved[0]} × (1 + 0.25)" in wrong.label
    more = planted(target, "value", 1e-3, rng)
    assert more.elbo is not None
    with double_precision():
        off = float(more.elbo(more.params)) - value(target)
    assert 1e-6 < abs(off) < 1e-2
    with pytest.raises(InputError, match="'gradient' or 'value'; got 'sign'"):
        planted(target, "sign", 0.1, rng)  # type: ignore[arg-type]


def test_the_gate_rejects_none_of_them() -> None:
    for choice in drawn(30, libraries=("numpy",), max_data=50):
        target = correct_target(choice)
        report = check_target(Target("correct", [target.problem]), on_fail="report")
        outcomes = {one.check: one.result.outcome for one in report.checked if one.result}
        assert not {Outcome.VIOLATED, Outcome.INCONCLUSIVE} & set(outcomes.values()), (target, outcomes)
        assert report.exit_code == 0, target


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = ROOT / "benchmarks" / "correct_targets.py"
    spec = importlib.util.spec_from_file_location("correct_targets_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_the_benchmark_counts(benchmark: ModuleType) -> None:
    rows = benchmark.rows("numpy", 0, range(3), False)
    assert [row.kind for row in rows] == list(KINDS[:3])
    assert benchmark.listed(rows, 0, False) == []
    assert benchmark.table(rows, False)[-1].startswith("| numpy | **all** | 3 |")
    wrong = benchmark.rows("numpy", 0, range(1), True)
    assert [row.planted.split(":")[0] for row in wrong] == ["gradient", "value"]
