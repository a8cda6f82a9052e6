"""Every check rejects the faults it exists for and names the factor; the correct versions of the same models pass.

Public problems only: hand-written JAX models, and distributions with one method made wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elbocheck import Declaration, Factor, Problem, decompose, find_stationary_point
from elbocheck.checks import control, criterion_holds, equivalent, every_point, stationary
from elbocheck.errors import DeclarationError
from elbocheck.families import Bernoulli, Categorical, Normal, Poisson
from elbocheck.outcome import Outcome, Result
from elbocheck.solver import certify

LOG_2PI = float(np.log(2.0 * np.pi))

Params = Mapping[str, Any]
Family = Callable[..., Any]

X = np.array([-1.2, -0.7, 0.3, 1.9, 2.4])
WEIGHTS = np.array([0.1, 0.3, 0.2, 0.25, 0.15])
Q = np.array([0.9, 0.8, 0.5, 0.2, 0.1])[:, None] * [1.0, -1.0] + [0.0, 1.0]
SHARES = WEIGHTS @ Q
MIXTURE = {"logits": np.array([0.3, -0.4]), "means": np.array([-0.5, 1.0]), "log_variances": np.array([0.2, -0.3])}

STATES = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
BITS = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
Q_STATES = np.random.default_rng(0).dirichlet(np.ones(4), size=6)
NETWORK = {"prior": np.array([0.3, -0.5]), "weights": np.array([0.7, -1.1]), "bias": np.array(0.4)}


def itself(problem: Problem) -> Problem:
    """A problem whose declaration is what is judged, datum by datum, as in the catalogue: no code is under test."""
    return problem.with_compiled(replace(problem.compiled, catalogued=True))


def components(family: Any, x: Any, names: tuple[str, ...], **beta: Any) -> Factor:
    return Factor("x", family, jnp.asarray(x)[:, None], names, beta, groups=jnp.eye(2)[None])


def mixture(
    params: Params,
    *,
    x: Any = X,
    q: Any = Q,
    weights: Any = WEIGHTS,
    component: Family = Normal,
    prior: Family = Categorical,
    beta: float = -1.0,
) -> Declaration:
    """Two normals in one dimension, with a q that nobody optimised."""
    chosen = Factor("c", prior(params["logits"]), jnp.eye(2)[None], ("logits",), {"logits": params["logits"]})
    family = component(params["means"][None], jnp.exp(params["log_variances"])[None])
    observed = components(family, x, ("means", "log_variances"), log_variances=beta * jnp.ones(2))
    return Declaration((chosen, observed), jnp.asarray(q), jnp.asarray(-(q * np.log(q)).sum(1)), jnp.asarray(weights))


def elbo(params: Params) -> Any:
    """Reconstruction minus KL(q(c) ‖ p(c)), with its faults as frozen parameters, so that they compile once."""
    log_variances, (kl, entropy, scale, sign) = params["log_variances"], params["switches"]
    squares = (jnp.asarray(X)[:, None] - params["means"]) ** 2 / jnp.exp(log_variances)
    reconstruction = (Q * 0.5 * (sign * squares - log_variances - jnp.log(2 * jnp.pi))).sum(1)
    divergence = (Q * (entropy * np.log(Q) - jax.nn.log_softmax(params["logits"]))).sum(1)
    return scale * (WEIGHTS * (reconstruction - kl * divergence)).sum()


def mixture_problem(**changes: Any) -> Problem:
    return itself(Problem(params=MIXTURE, factors=partial(mixture, **changes)))


@cache
def with_own_elbo(component: Family = Normal) -> Problem:
    params, declare = {**MIXTURE, "switches": np.zeros(4)}, partial(mixture, component=component)
    return Problem(params=params, factors=declare, elbo=elbo, free={"switches": False})


def valued(component: Family = Normal, **changes: float) -> Problem:
    problem, switches = with_own_elbo(component), {"kl": 1.0, "entropy": 1.0, "scale": 1.0, "sign": -1.0, **changes}
    return problem.at(problem.layout.pack({**MIXTURE, "switches": np.array(list(switches.values()))}))


def linear(params: Params) -> Any:
    return jnp.asarray(STATES) @ params["weights"] + params["bias"]


def borrowing(params: Params) -> Any:
    return linear(params) + 0.1 * params["prior"][0]


def network(
    logits: Callable[[Params], Any] = linear,
    owned: tuple[str, ...] = ("weights", "bias"),
    *,
    unit: Family = Bernoulli,
    declared: bool = True,
) -> Problem:
    """A belief network with one observed unit and two hidden ones."""

    def declare(params: Params) -> Declaration:
        beta = {name: params[name] for name in owned} if declared else None
        z = Factor("z", Bernoulli(params["prior"]), jnp.asarray(STATES)[None], ("prior",), {"prior": params["prior"]})
        x = Factor("x", unit(logits(params)[None]), jnp.asarray(BITS)[:, None], owned, beta)
        entropy = -(Q_STATES * np.log(Q_STATES)).sum(1)
        return Declaration((z, x), jnp.asarray(Q_STATES), jnp.asarray(entropy), jnp.full(6, 1 / 6))

    return itself(Problem(params={name: NETWORK[name] for name in ("prior", *owned)}, factors=declare))


def fixed_prior(sign: float = -1.0) -> Problem:
    """One latent with a standard normal prior, q normal: sigma points m ± s."""

    def declare(params: Params) -> Declaration:
        m, weight, step = params["m"], params["weight"], jnp.exp(params["log_std"])
        z = jnp.stack([m - step, m + step], axis=1)
        family, beta = Normal(weight * z, jnp.exp(params["log_variance"])), {"log_variance": -jnp.ones(())}
        prior = Factor("z", Normal(jnp.zeros((1, 1)), jnp.ones((1, 1))), z, rescaling={"weight": sign * weight})
        x = Factor("x", family, jnp.asarray(X[:4])[:, None], ("weight", "log_variance"), beta)
        entropy, tangent = 0.5 * (LOG_2PI + 1.0) + params["log_std"], {"m": m, "log_std": jnp.ones(4)}
        return Declaration((prior, x), jnp.full((4, 2), 0.5), entropy, jnp.full(4, 0.25), tangent)

    params = {"weight": np.array(0.8), "log_variance": np.array(-0.2), "m": X[:4] / 3, "log_std": -X[1:] / 4}
    return itself(Problem(params=params, factors=declare))


def broken(family: type, **methods: Callable[..., Any]) -> Any:
    return type(f"Broken{family.__name__}", (family,), methods)


def components_with(theorem: str | None, **methods: Callable[..., Any]) -> Any:
    """A mixture whose components are a broken Normal."""
    return partial(mixture_problem, component=broken(Normal, **methods)), X_PART, theorem


TERMS, TOTAL, X_PART = "ELBO against its declared terms", "ELBO minus entropy sum", "factor x["
ORIGINAL = mixture_problem()
CORRECT: dict[str, Callable[[], Problem]] = {
    "mixture": lambda: ORIGINAL,
    "mixture with its own ELBO": valued,
    "network": network,
    "network without declared beta": partial(network, declared=False),
    "fixed prior": fixed_prior,
}
CANCELLING = broken(Normal, entropy=lambda d: Normal.entropy(d) + 1e-9 * jnp.array([1.0, -1.0]) / SHARES)
ONES_ONLY = broken(Bernoulli, entropy=lambda d: -jax.nn.sigmoid(d.logits) * jax.nn.log_sigmoid(d.logits))
UNNORMALISED = broken(Categorical, log_density=lambda d, u: (u * d.logits).sum(-1))
# fault -> (problem, what `every_point` names, what `stationary` names: None to save a compilation)
FAULTS: dict[str, tuple[Callable[[], Problem], str, str | None]] = {
    "entropy without 1/2": components_with(X_PART, entropy=lambda d: Normal.entropy(d) - 0.5),
    "no log 2 pi": components_with(X_PART, log_density=lambda d, u: Normal.log_density(d, u) + 0.5 * LOG_2PI),
    "variance for its root": components_with(
        None, log_density=lambda d, u: Normal(d.mean, d.variance**2).log_density(u)
    ),
    "sign of the log density": components_with(None, log_density=lambda d, u: -Normal.log_density(d, u)),
    "pseudo-entropy": components_with(None, pseudo_entropy=lambda d: Normal.entropy(d) + 1e-9),
    "prior without normaliser": (partial(mixture_problem, prior=UNNORMALISED), "factor c", None),
    "components whose faults cancel in total": (partial(mixture_problem, component=CANCELLING), X_PART, X_PART),
    "twice beta": (partial(mixture_problem, beta=-2.0), X_PART, None),
    "entropy of the ones only": (partial(network, unit=ONES_ONLY), "factor x", "factor x"),
    "another factor's parameters": (partial(network, borrowing), "factor ", None),
    "wrong tangent": (partial(fixed_prior, +1.0), "factor z", None),
    "KL times 0.9": (partial(valued, kl=0.9), TERMS, TOTAL),
    "entropy of q dropped": (partial(valued, entropy=0.0), TERMS, TOTAL),
    "sum in place of the mean": (partial(valued, scale=5.0), TERMS, TOTAL),
    "value off by one part in 1e9": (partial(valued, scale=1 + 1e-9), TERMS, TOTAL),
    "sign of the squares in the value": (partial(valued, sign=1.0), TERMS, None),
}
OUT_OF_SCOPE: dict[str, Callable[..., Problem]] = {
    "bounded logits": cache(partial(network, lambda params: 2 * jnp.tanh(linear(params)))),
    "fixed offset": cache(partial(network, lambda params: jnp.asarray(STATES) @ params["weights"] + 0.5, ("weights",))),
}


def assert_rejected(result: Result, named: str) -> None:
    assert result.outcome is Outcome.VIOLATED
    assert named in result.message


@pytest.mark.parametrize("name", CORRECT)
def test_correct_models_pass(name: str) -> None:
    problem = CORRECT[name]()
    for result in (every_point(problem), stationary(problem), criterion_holds(problem)):
        assert result.outcome is Outcome.HOLDS, result.message
        assert result.points == 1


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_rejected_and_named(name: str) -> None:
    make, named, theorem = FAULTS[name]
    problem = make()
    assert_rejected(every_point(problem), named)
    if theorem is not None:
        assert_rejected(stationary(problem), theorem)


def test_cancelling_faults_are_invisible_in_the_total() -> None:
    decomposition = decompose(mixture_problem(component=CANCELLING))
    assert abs(sum(term.residual for term in decomposition.factors)) <= decomposition.rounding


def test_a_sign_inside_the_density_needs_a_second_value() -> None:
    """It agrees with its own gradient, so the identity holds (THEORY section 8); the recomputed ELBO does not."""
    added = broken(Normal, log_density=lambda d, u: Normal.log_density(d, u) + (u - d.mean) ** 2 / d.variance)
    assert every_point(mixture_problem(component=added)).outcome is Outcome.HOLDS
    assert_rejected(every_point(valued(component=added)), TERMS)


def test_a_message_names_the_factor_behind_a_wrong_value() -> None:
    assert_rejected(every_point(valued(kl=0.9)), "factor c")


@pytest.mark.parametrize("wrong", [False, True])
def test_expected_base_measure(wrong: bool) -> None:
    family = broken(Poisson, expected_log_base_measure=lambda d: 0.0 * d.log_rate) if wrong else Poisson

    def declare(params: Params) -> Declaration:
        rates = params["log_rates"]
        factor = components(family(rates[None]), np.round(np.abs(X)), ("log_rates",), log_rates=rates)
        return replace(mixture(MIXTURE), factors=(factor,))

    result = every_point(itself(Problem(params={"log_rates": np.array([0.2, 1.0])}, factors=declare)))
    assert result.outcome is (Outcome.VIOLATED if wrong else Outcome.HOLDS)
    assert (X_PART in result.message) == wrong


@pytest.mark.parametrize(("name", "named"), [("twice beta", "factor x"), ("wrong tangent", "factor z")])
def test_criterion_rejects_a_wrong_beta(name: str, named: str) -> None:
    assert_rejected(criterion_holds(FAULTS[name][0]()), named)


def test_criterion_refuses_shared_parameters() -> None:
    with pytest.raises(DeclarationError, match=r"factor 'x'.*another factor owns"):
        criterion_holds(network(borrowing))


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("name", OUT_OF_SCOPE)
def test_models_without_beta_are_out_of_scope(name: str, declared: bool) -> None:
    result = criterion_holds(OUT_OF_SCOPE[name](declared=declared))
    assert result.outcome is Outcome.OUT_OF_SCOPE
    assert "'x'" in result.message


@pytest.mark.parametrize("check", [every_point, stationary])
@pytest.mark.parametrize("name", OUT_OF_SCOPE)
def test_no_check_calls_a_model_out_of_scope_wrong(name: str, check: Callable[[Problem], Result]) -> None:
    assert check(OUT_OF_SCOPE[name](declared=False)).outcome is Outcome.OUT_OF_SCOPE


def test_equivalence_rejects_one_changed_datum() -> None:
    order = np.array([3, 0, 4, 1, 2])
    moved = {"q": Q[order], "weights": WEIGHTS[order]}
    assert equivalent(ORIGINAL, mixture_problem(x=X[order], **moved), check="permuted").outcome is Outcome.HOLDS
    changed = X[order] + 1e-9 * (order == 2)
    assert_rejected(equivalent(ORIGINAL, mixture_problem(x=changed, **moved), check="permuted"), "permuted: the ELBO")


def test_control_rejects_a_zero_gap_and_a_missed_prediction() -> None:
    away, at = decompose(ORIGINAL), find_stationary_point(ORIGINAL).decomposition
    gap = away.elbo - away.entropy_sum
    assert control("planted", "p", away, gap).outcome is Outcome.HOLDS
    assert control("planted", "p", away, gap, certified=False).outcome is Outcome.INCONCLUSIVE
    for decomposition, predicted in ((away, gap * (1 + 1e-8)), (away, -gap), (at, 0.0), (at, gap)):
        assert_rejected(control("planted", "p", decomposition, predicted), "control: planted")


def trained(squares: float = 1.0) -> dict[str, np.ndarray]:
    """Where training must stop; with `squares` ≠ 1, a training step with a wrong fixed point."""
    means = (WEIGHTS * X) @ Q / SHARES
    variances = (WEIGHTS[:, None] * Q * (X[:, None] - means) ** 2).sum(0) / SHARES
    return {"logits": np.log(SHARES), "means": means, "log_variances": np.log(squares * variances)}


def test_only_stationary_points_are_certified() -> None:
    optimum = certify(ORIGINAL.at(ORIGINAL.layout.pack(trained())))
    assert (optimum.reason, optimum.kind) == ("", "maximum")
    for params in ({**trained(), "means": trained()["means"] + 1e-6}, trained(squares=5 / 4)):
        point = certify(ORIGINAL.at(ORIGINAL.layout.pack(params)))
        assert point.reason.startswith("gradient too large")
        result = stationary(ORIGINAL, [point])
        assert result.outcome is Outcome.INCONCLUSIVE
        assert "gradient too large" in result.message


@cache
def separable() -> Problem:
    def declare(params: Params) -> Declaration:
        logits = params["slope"] * jnp.array([-2.0, -1.0, 1.0, 2.0])[:, None]
        y = Factor("y", Bernoulli(logits), jnp.array([0.0, 0.0, 1.0, 1.0])[:, None], ("slope",), dict(params))
        return Declaration((y,), jnp.ones((4, 1)), jnp.zeros(4), jnp.full(4, 0.25))

    return Problem(params={"slope": np.array(0.0)}, factors=declare)


@pytest.mark.parametrize("start", [0.5, 5.0, 20.0, 30.0, 40.0])
def test_separable_logistic_regression_is_at_its_boundary_at_infinity(start: float) -> None:
    problem = separable().at(np.array([start]))
    assert "infinity" in find_stationary_point(problem).reason
    assert stationary(problem).outcome is Outcome.INCONCLUSIVE
    assert not certify(problem).certified
