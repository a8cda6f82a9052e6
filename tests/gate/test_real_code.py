"""What real code is made of: global latents, averages, log densities, penalties, bounds below their ELBO, jitter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from elbocheck import Declaration, Departure, Factor, Latents, LogDensity, Problem, Target, check_target, decompose
from elbocheck.errors import DeclarationError, InputError, TargetError
from elbocheck.families import Bernoulli, Categorical, Dirichlet, Gamma, Normal, expected_log_density
from support.real_code import CASES, FEATURES, TARGETS, iwae, jitter, lower_bound
from support.real_models import MODELS


@pytest.mark.parametrize("name", [*CASES, *MODELS])
def test_right_code_holds_and_the_fault_is_named(name: str) -> None:
    make, covered, said = (CASES | MODELS)[name]
    right = check_target(Target(name, [make(False)]), on_fail="report")
    assert right.exit_code == 0, [one.message for one in right.results]
    assert {claim.label for claim in decompose(make(False)).claims if claim.covered} == covered
    broken = check_target(Target(name, [make(True)]), on_fail="report")
    (value, *_) = broken.failures
    assert value.check == "value"
    assert value.result is not None
    assert value.result.diagnosis is not None
    assert said in value.result.diagnosis.sentence


def test_the_evidence_of_a_bayesian_regression() -> None:
    """With the exact q of the weights F is the log evidence, as SciPy's multivariate normal has it; N data, one q."""
    noise, scale, data = 0.3, 1.7, len(TARGETS)
    precision = FEATURES.T @ FEATURES / noise + np.eye(3) / scale
    covariance = np.linalg.inv(precision)
    mean = covariance @ FEATURES.T @ TARGETS / noise
    spread = np.linalg.cholesky(covariance)
    points = np.concatenate([mean + np.sqrt(3.0) * spread.T, mean - np.sqrt(3.0) * spread.T])  # exact for quadratics
    fitted = (points @ FEATURES.T).T

    def factors(p: Any) -> Declaration:
        prior = Factor("w", Normal(np.zeros(3), np.full(3, scale)), points[None])
        likelihood = Factor("y", Normal(fitted, p["noise"]), TARGETS[:, None])
        entropy = stats.multivariate_normal(mean, covariance).entropy()
        return Declaration((prior, likelihood), q=Latents("w", points[None], entropy=np.array(entropy), plate=None))

    evidence = stats.multivariate_normal(np.zeros(data), noise * np.eye(data) + scale * FEATURES @ FEATURES.T)
    terms = decompose(Problem({"noise": np.array(noise)}, None, factors))
    assert terms.elbo == pytest.approx(evidence.logpdf(TARGETS) / data, abs=1e-12)


def test_points_of_two_groups_are_joint_or_combined() -> None:
    """E under q(a) q(b) from all combinations of points, and from pairs, against sums by hand."""
    a, b = np.array([[0.2, -0.5, 0.9]]), np.array([[0.1, 0.4], [1.0, -1.0]])
    of_a, of_b = np.array([[0.2, 0.5, 0.3]]), np.array([[0.5, 0.5], [0.25, 0.75]])
    every = (a[:, :, None] + b[:, None, :]).reshape(2, 6)
    q = (Latents("a", weights=of_a, plate=None), Latents("b", weights=of_b))
    declared = Declaration((Factor("x", LogDensity(every), under=("a", "b")),), q=q).resolved()
    expected = [(of_a[0] @ a[0]) + of_b[n] @ b[n] for n in range(2)]
    entropies = [0.5 * stats.entropy(of_a[0]) + stats.entropy(of_b[n]) for n in range(2)]
    terms = decompose(Problem({"unused": np.array(0.0)}, None, lambda p: declared))
    assert terms.elbo == pytest.approx(np.mean(expected) + np.mean(entropies), abs=1e-14)
    pairs = (Latents("a", points=a[:, :2], entropy=0.0), Latents("b", points=b, entropy=0.0))
    jointly = Declaration((Factor("x", LogDensity(a[:, :2] + b), under=("a", "b")),), q=pairs).resolved()
    assert decompose(Problem({"unused": np.array(0.0)}, None, lambda p: jointly)).elbo == pytest.approx(
        np.mean([a[0, :2].mean() + b[n].mean() for n in range(2)]), abs=1e-14
    )
    weighted = (Latents("a", weights=of_a[:, :2]), Latents("b", weights=of_b))
    unlike = Declaration((Factor("x", LogDensity(np.zeros((2, 2))), under=("a", "b")),), q=weighted)
    with pytest.raises(DeclarationError, match="drawn jointly must have the same weights"):
        unlike.resolved()
    with pytest.raises(DeclarationError, match="has 4 points"):
        Declaration((Factor("x", LogDensity(np.zeros((2, 4))), under=("a", "b")),), q=q).resolved()


def test_expected_log_densities() -> None:
    """Against averages over many draws of θ, in units of their own error."""
    rng = np.random.default_rng(0)
    a, b = 3.0, 2.0
    rates = rng.gamma(a, 1.0 / b, size=400_000)
    q = Gamma(np.array(a), np.array(b))
    for x in (0.0, 4.0):
        drawn = stats.poisson.logpmf(x, rates)
        found = expected_log_density(q, (np.array(x), np.array(-1.0)), -float(np.sum(np.log(np.arange(1, x + 1)))))
        assert abs(float(found) - drawn.mean()) < 5.0 * drawn.std() / np.sqrt(len(drawn))
    drawn = stats.norm.logpdf(1.3, scale=rates**-0.5)
    found = expected_log_density(q, (np.array(0.5), np.array(-0.5 * 1.3**2)), -0.5 * np.log(2 * np.pi))
    assert abs(float(found) - drawn.mean()) < 5.0 * drawn.std() / np.sqrt(len(drawn))
    shares = rng.dirichlet([0.7, 2.0], size=400_000)
    drawn = np.log(shares[:, 1])
    found = expected_log_density(Dirichlet(np.array([0.7, 2.0])), (np.array([0.0, 1.0]),))
    assert abs(float(found) - drawn.mean()) < 5.0 * drawn.std() / np.sqrt(len(drawn))
    with pytest.raises(InputError, match="Gamma has 2 statistics; got 1"):
        expected_log_density(q, (np.array(1.0),))


def test_what_is_known_is_said() -> None:
    """Notes of a value that holds although the reported bound is another one."""
    results = {one.check: one for one in check_target(Target("jitter", [jitter(False)]), on_fail="report").results}
    assert results["value"].note == "jitter 1e-4, +6.4e-05 nats per datum, is subtracted"
    results = {one.check: one for one in check_target(Target("below", [lower_bound(False)]), on_fail="report").results}
    assert results["value"].note.startswith("a bound below the declared one, by 0.00741")


def test_a_departure_that_cannot_be_computed_is_a_bad_target() -> None:
    right = iwae(False)
    lost = Departure("jitter", value=lambda p: p["nowhere"])
    with pytest.raises(TargetError, match="departure 'jitter': value"):
        check_target(Target("jitter", [Problem(right.params, right.elbo, right.factors, departures=(lost,))]))


X = np.array([-1.2, 0.4, 2.0, 0.1, -0.3, 1.1])
R = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1], [0.3, 0.7], [0.6, 0.4], [0.1, 0.9]])


def mixture(**given: Any) -> Problem:
    """A mixture whose declaration is wrong in what is given."""
    parts = {"weights": R, "entropy": stats.entropy(R, axis=1), "data_weights": None, "z": np.eye(2)[None], **given}
    x = given.get("x", X[:, None])

    def factors(p: Any) -> Declaration:
        z = Factor("z", Categorical(p["u"]), parts["z"])
        return Declaration(
            (z, Factor("x", Normal(p["m"], np.ones(2)), x)), parts["weights"], parts["entropy"], parts["data_weights"]
        )

    return Problem({"u": np.zeros(2), "m": np.array([-1.0, 1.0])}, None, factors)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"weights": 0.9 * R}, r"must sum to 1 for every datum; in row \d they sum to 0\.9$"),
        ({"weights": R - [[0.3, -0.3]]}, "must not be negative; the smallest is -0.2"),
        ({"weights": R.T}, "seem to be transposed"),
        ({"weights": R[:0], "entropy": np.zeros(0)}, "is empty"),
        (
            {"entropy": stats.entropy(R, axis=1)[:, None]},
            r"must have the shape \(6,\).*got \(6, 1\) \(drop the last axis",
        ),
        ({"entropy": np.zeros(5)}, r"must have the shape \(6,\)"),
        ({"data_weights": np.ones(6)}, "sum to 6"),
        ({"z": np.array([[0, 1]])}, "one-hot rows, not integers"),
        ({"z": np.array([[[0.5, 0.5], [0.0, 1.0]]])}, "needs one-hot rows"),
        ({"x": np.stack([X, X, X], 1)}, "factor 'x': its log density raised ValueError"),
        ({"x": X[:0, None]}, "is empty"),
    ],
)
def test_wrong_declarations_are_told_as_such(given: dict[str, Any], said: str) -> None:
    assert check_target(Target("right", [mixture()]), on_fail="report").exit_code == 0
    with pytest.raises(DeclarationError, match=said):
        check_target(Target("wrong", [mixture(**given)]))


def bernoulli(x: np.ndarray, value: np.ndarray) -> Problem:
    def factors(p: Any) -> Declaration:
        return Declaration((Factor("x", Bernoulli(p["t"]), value),), np.ones((len(x), 1)), np.zeros(len(x)))

    return Problem({"t": np.array([0.2, 0.4, -0.1])}, None, factors)


def test_values_outside_the_support_and_elements_in_the_place_of_points() -> None:
    x = np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    assert check_target(Target("right", [bernoulli(x, x[:, None])]), on_fail="report").exit_code == 0
    with pytest.raises(DeclarationError, match=r"Bernoulli, needs 0 or 1; got 0.5 at \(0, 0, 1\)"):
        check_target(Target("grey", [bernoulli(x, np.where(x == 0.0, x, 1.0)[:, None] * [[[1.0, 0.5, 1.0]]])]))
    with pytest.raises(DeclarationError, match="elements need an axis of their own"):
        check_target(Target("elements", [bernoulli(x, x)]))


def test_groups_that_do_not_fit() -> None:
    values = Factor("x", LogDensity(np.zeros((6, 1))))
    states = Latents("z", weights=R)
    for wrong, said in (
        ({"factors": (values,), "q": (states, states)}, "two groups of latents are called 'z'"),
        ({"factors": (Factor("x", LogDensity(np.zeros((6, 1))), under="y"),), "q": (states,)}, r"is under \['y'\]"),
        ({"factors": (values,), "q": (states, Latents("w", entropy=0.0))}, "must say under which groups"),
        ({"factors": (replace(values, weights=np.ones((1, 1))),), "q": (states,)}, "has weights of its own"),
        ({"factors": (values,), "q": (Latents("w", entropy=np.zeros(6), plate=None),)}, "once for all data"),
        ({"factors": (values,), "q": states, "weights": R}, "not both"),
        ({"factors": (values,)}, "says nothing of q"),
        ({"factors": (values,), "q": states, "penalties": {"decay": np.zeros(6)}}, "must be a scalar"),
        ({"factors": (Factor("x", Normal(np.zeros(1), np.ones(1))),), "q": states}, "has no value"),
    ):
        with pytest.raises(DeclarationError, match=said):
            Declaration(**wrong).resolved()  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match='must be "data" or None'):
        Latents("z", entropy=0.0, plate="rows")
    with pytest.raises(DeclarationError, match="neither an entropy nor weights"):
        Latents("z")
