"""NumPyro models and guides with NumPyro's own losses: the identity at random parameters, with one particle."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax.example_libraries import stax

from elbocheck import Target, check_target, decompose
from elbocheck.adapters import numpyro as adapter
from elbocheck.checks import every_point, gradient, scale, value
from elbocheck.errors import InputError
from elbocheck.outcome import Outcome
from support.adapters_data import assert_identity, moved, shipped

numpyro = pytest.importorskip("numpyro", reason="NumPyro is not installed")

dist, handlers, infer = numpyro.distributions, numpyro.handlers, numpyro.infer
Trace_ELBO, TraceMeanField_ELBO, TraceGraph_ELBO = infer.Trace_ELBO, infer.TraceMeanField_ELBO, infer.TraceGraph_ELBO

X = shipped("iris")[::8]
N, D, H = *X.shape, 2
POSITIVE = dist.constraints.positive
Program = Callable[..., Any]


def standard_normal() -> Any:
    return numpyro.sample("z", dist.Normal(0.0, 1.0).expand([H]).to_event(1))


def ppca(x: Any) -> None:
    loadings = numpyro.param("loadings", 0.3 * np.ones((H, D)))
    mean, noise = numpyro.param("mean", np.zeros(D)), numpyro.param("noise", 1.0, constraint=POSITIVE)
    with numpyro.plate("data", N):
        numpyro.sample("x", dist.Normal(standard_normal() @ loadings + mean, noise).to_event(1), obs=x)


def mean_field(x: Any) -> None:
    mean = numpyro.param("q_mean", np.zeros((N, H)))
    spread = numpyro.param("q_spread", np.ones((N, H)), constraint=POSITIVE)
    with numpyro.plate("data", N):
        numpyro.sample("z", dist.Normal(mean, spread).to_event(1))


def mixture(x: Any) -> None:
    weights = numpyro.param("weights", np.ones(3) / 3, constraint=dist.constraints.simplex)
    means = numpyro.param("means", np.zeros((3, D)))
    spreads = numpyro.param("spreads", np.ones((3, D)), constraint=POSITIVE)
    with numpyro.plate("data", N):
        c = numpyro.sample("c", dist.Categorical(weights))
        numpyro.sample("x", dist.Normal(means[c], spreads[c]).to_event(1), obs=x)


def classes(x: Any) -> None:
    logits = numpyro.param("q_logits", np.zeros((N, 3)))
    with numpyro.plate("data", N):
        numpyro.sample("c", dist.Categorical(logits=logits))


def vae(x: Any) -> None:
    decoder = numpyro.module("decoder", stax.serial(stax.Dense(3), stax.Tanh, stax.Dense(D)), input_shape=(H,))
    noise = numpyro.param("noise", 1.0, constraint=POSITIVE)
    with numpyro.plate("data", N):
        numpyro.sample("x", dist.Normal(decoder(standard_normal()), noise).to_event(1), obs=x)


def encoder(x: Any) -> None:
    heads = stax.parallel(stax.Dense(H), stax.serial(stax.Dense(H), stax.Exp))
    network = numpyro.module("encoder", stax.serial(stax.Dense(3), stax.Tanh, stax.FanOut(2), heads), input_shape=(D,))
    with numpyro.plate("data", N):
        mean, spread = network(x)
        numpyro.sample("z", dist.Normal(mean, spread).to_event(1))


CASES: dict[str, tuple[Program, Program, Any]] = {
    "PPCA": (ppca, mean_field, Trace_ELBO()),
    "PPCA, 3 particles": (ppca, mean_field, Trace_ELBO(num_particles=3)),
    "PPCA, analytic KL": (ppca, mean_field, TraceMeanField_ELBO()),
    "PPCA, analytic KL, 2 particles in turn": (ppca, mean_field, TraceMeanField_ELBO(2, vectorize_particles=False)),
    "mixture": (mixture, classes, Trace_ELBO()),
    "mixture, graph": (mixture, classes, TraceGraph_ELBO()),
    "VAE": (vae, encoder, Trace_ELBO()),
    "VAE, analytic KL": (vae, encoder, TraceMeanField_ELBO()),
}


@pytest.mark.parametrize("name", CASES)
def test_identity_at_random_parameters(name: str) -> None:
    model, guide, loss = CASES[name]
    problem = adapter.problem(model, guide, X, data=N, loss=loss)
    for seed in (1, 2):
        assert_identity(moved(problem, seed))
    result = gradient(moved(problem, 3))
    assert result is not None
    assert result.outcome is Outcome.HOLDS, result.message


def test_particles_average_to_the_bound() -> None:
    problem = moved(adapter.problem(ppca, mean_field, X, data=N, loss=Trace_ELBO(num_particles=4)), 1)
    result = scale(problem)
    assert len(problem.particles) == 4
    assert result is not None
    assert result.outcome is Outcome.HOLDS, result.message


def test_noise_depends_on_the_seed_only() -> None:
    one, same, other = (moved(adapter.problem(ppca, mean_field, X, data=N, seed=seed), 1) for seed in (0, 0, 1))
    assert decompose(one).elbo == decompose(same).elbo != decompose(other).elbo


def hierarchical(x: Any, batch: int = 5) -> None:
    location, width = numpyro.param("location", 0.3), numpyro.param("width", 1.5, constraint=POSITIVE)
    spread = numpyro.param("spread", np.ones(D), constraint=POSITIVE)
    shared = numpyro.sample("shared", dist.Normal(location, width))
    with numpyro.plate("data", N, subsample_size=batch) as rows:
        numpyro.sample("x", dist.Normal(shared, spread).to_event(1), obs=jnp.asarray(x)[rows])


def shared_guide(x: Any) -> None:
    numpyro.sample(
        "shared", dist.Normal(numpyro.param("q_mean", 0.2), numpyro.param("q_spread", 0.7, constraint=POSITIVE))
    )


@pytest.mark.parametrize("loss", [Trace_ELBO(), TraceMeanField_ELBO(num_particles=2)], ids=["trace", "analytic"])
def test_subsampled_plates_are_scaled(loss: Any) -> None:
    problem = adapter.problem(hierarchical, shared_guide, X, data=N, loss=loss)
    assert_identity(moved(problem, 1))
    assert [one.parameters for one in problem.declaration.factors] == [
        ("location", "width"),
        ("spread",),
    ]


def masked(program: Program) -> Program:
    def run(x: Any) -> None:
        with handlers.mask(mask=jnp.arange(N) > 2):
            program(x)

    return run


def scaled(program: Program, by: float, sites: tuple[str, ...]) -> Program:
    """The program with the log densities of some sites multiplied."""

    class Scale(numpyro.primitives.Messenger):
        def process_message(self, message: Any) -> None:
            if message["type"] == "sample" and message["name"] in sites:
                message["scale"] = by * (1.0 if message["scale"] is None else message["scale"])

    def run(x: Any) -> None:
        with Scale():
            program(x)

    return run


def test_masked_data_do_not_count() -> None:
    model, guide = masked(ppca), masked(mean_field)
    assert_identity(moved(adapter.problem(model, guide, X, data=N), 1))


@pytest.mark.parametrize("loss", [Trace_ELBO(), TraceMeanField_ELBO()], ids=["trace", "analytic"])
def test_equal_scales_of_a_latent_are_a_kl_weight(loss: Any) -> None:
    model, guide = scaled(ppca, 0.7, ("z",)), scaled(mean_field, 0.7, ("z",))
    problem = moved(adapter.problem(model, guide, X, data=N, loss=loss), 1)
    assert problem.label.endswith("KL × 0.7")
    result = value(problem)
    assert result is not None
    assert result.outcome is Outcome.HOLDS, result.message
    assert all(abs(term.residual) <= 1e-10 * abs(term.log_density) for term in decompose(problem).factors)


def test_a_common_scale_is_none() -> None:
    model, guide = handlers.scale(ppca, scale=1 / N), handlers.scale(mean_field, scale=1 / N)
    of_all = adapter.problem(ppca, mean_field, X, data=N)
    per_datum = moved(adapter.problem(model, guide, X, data=1), 1)
    assert_identity(per_datum)
    assert decompose(per_datum).elbo == pytest.approx(decompose(moved(of_all, 1)).elbo, rel=1e-12)


class Ninety(Trace_ELBO):
    """A loss that weighs the KL divergence by 0.9 and says nothing about it."""

    def loss(self, *arguments: Any, **options: Any) -> Any:
        parts = Trace_ELBO(sum_sites=False).loss(*arguments, **options)
        return parts["x"] + 0.9 * parts["z"]


FAULTS = {
    "loss": (ppca, mean_field, Ninety(), "β ≠ 1: KL × 0.9"),
    "handler on the model only": (scaled(ppca, 0.9, ("z",)), mean_field, Trace_ELBO(), "multiple 0.9: E log p of z"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_kl_scale_is_named_with_its_size(name: str) -> None:
    model, guide, loss, suspect = FAULTS[name]
    problem = moved(adapter.problem(model, guide, X, data=N, loss=loss), 1)
    report = check_target(Target("planted", [problem]), on_fail="report")
    diagnosis = next(one.result.diagnosis for one in report.failures if one.check == "value" and one.result)
    assert diagnosis is not None
    assert (diagnosis.factor, diagnosis.suspect) == ("z", suspect)


def observed(make: Callable[[Any], Any], data: Any) -> Program:
    """One parameter a, positive, and data of a distribution made of it."""

    def model() -> None:
        a = numpyro.param("a", np.array([0.7, 1.3]), constraint=POSITIVE)
        with numpyro.plate("data", len(data)):
            numpyro.sample("x", make(a), obs=data)

    return model


ONES, COUNTS, REALS, UNIT = (
    np.array([0, 1, 1]),
    np.array([0, 2, 3]),
    np.array([0.5, 1.2, 2.5]),
    np.array([0.2, 0.5, 0.9]),
)
SIMPLEX = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
ROWS = np.array([[2, 1], [0, 3], [1, 2]])
PAIR, SYMMETRIC = np.array([0.1, 0.4]), np.array([[2.0, 0.3], [0.3, 1.0]])
# distribution -> (how it is made of a, data, whether a direction β exists)
DISTRIBUTIONS: dict[str, tuple[Callable[[Any], Any], Any, bool]] = {
    "Normal": (lambda a: dist.Normal(a[0], a[1]), REALS, True),
    "Normal, known variance": (lambda a: dist.Normal(a[0], 1.5), REALS, True),
    "MultivariateNormal": (lambda a: dist.MultivariateNormal(PAIR, a[0] * SYMMETRIC), SIMPLEX, True),
    "MultivariateNormal, precision": (
        lambda a: dist.MultivariateNormal(PAIR, precision_matrix=a[0] * SYMMETRIC),
        SIMPLEX,
        True,
    ),
    "LowRankMultivariateNormal": (
        lambda a: dist.LowRankMultivariateNormal(PAIR, PAIR[:, None] * a[1], a),
        SIMPLEX,
        False,
    ),
    "LogNormal": (lambda a: dist.LogNormal(a[0], a[1]), REALS, True),
    "Laplace": (lambda a: dist.Laplace(0.3, a[0]), REALS, True),
    "Gamma": (lambda a: dist.Gamma(a[0], a[1]), REALS, False),
    "Gamma, known shape": (lambda a: dist.Gamma(2.5, a[1]), REALS, True),
    "Exponential": (lambda a: dist.Exponential(a[0]), REALS, True),
    "Beta": (lambda a: dist.Beta(1.0 + a[0], 1.0 + a[1]), UNIT, True),
    "Dirichlet": (lambda a: dist.Dirichlet(1.0 + a), SIMPLEX, True),
    "Pareto": (lambda a: dist.Pareto(0.4, a[0] - 0.0), REALS, False),
    "VonMises": (lambda a: dist.VonMises(a[0], a[1]), REALS, True),
    "Weibull": (lambda a: dist.Weibull(a[0], 1.7), REALS, True),
    "Poisson": (lambda a: dist.Poisson(a[0] + 1.5), COUNTS, False),
    "Bernoulli": (lambda a: dist.Bernoulli(logits=a[0]), ONES, True),
    "Bernoulli, probabilities": (lambda a: dist.Bernoulli(a[0] / (1 + a[0])), ONES, True),
    "Categorical": (lambda a: dist.Categorical(a / a.sum()), ONES, True),
    "Geometric": (lambda a: dist.Geometric(logits=a[0]), COUNTS, True),
    "Geometric, probabilities": (lambda a: dist.Geometric(a[0] / (1 + a[0])), COUNTS, True),
    "Binomial": (lambda a: dist.Binomial(4, logits=a[0]), COUNTS, True),
    "Multinomial": (lambda a: dist.Multinomial(3, a / a.sum()), ROWS, True),
    "NegativeBinomial": (lambda a: dist.NegativeBinomialLogits(2.5, a[0]), COUNTS, True),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name: str) -> None:
    """Log densities agree with NumPyro's own, and the identity holds with the base measure of what is learned."""
    make, data, covered = DISTRIBUTIONS[name]
    problem = moved(adapter.problem(observed(make, data), lambda: None, data=len(data)), 1)
    terms = decompose(problem)
    (term,) = terms.factors
    assert terms.elbo == pytest.approx(terms.declared, rel=1e-12)
    if covered or term.scaling.residual == 0.0:
        assert abs(term.residual) <= 1e-10


def potential(x: Any) -> None:
    numpyro.factor("penalty", -(numpyro.param("s", 1.0) ** 2))


def sharing(x: Any) -> None:
    numpyro.param("mean", np.zeros(D))
    mean_field(x)


@pytest.mark.parametrize(
    ("model", "guide", "loss", "message"),
    [
        (potential, lambda x: None, None, r"nothing of the model can be judged, first of all: a factor statement is"),
        (ppca, sharing, None, r"parameters \['mean'\] are in the model and in the guide"),
        (ppca, lambda x: None, None, r"site 'z' is a latent of the model only"),
        (ppca, mean_field, infer.RenyiELBO(), r"RenyiELBO is not supported: its value is no expectation"),
        (ppca, mean_field, Trace_ELBO(sum_sites=False), r"sum_sites=False"),
    ],
)
def test_what_has_no_place_is_refused_by_name(model: Program, guide: Program, loss: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        adapter.problem(model, guide, X, data=N, loss=loss)


def test_initial_values_and_unknown_ones() -> None:
    problem = adapter.problem(ppca, mean_field, X, data=N, params={"noise": 2.0})
    assert problem.arrays["noise"] == pytest.approx(np.log(2.0))
    with pytest.raises(InputError, match=r"no param sites \['sigma'\]"):
        adapter.problem(ppca, mean_field, X, data=N, params={"sigma": 2.0})
    with pytest.raises(InputError, match="number of data"):
        adapter.problem(ppca, mean_field, X, data=0)


def test_training_at_fixed_noise() -> None:
    optim = numpyro.optim.Adam(0.05)
    problem = adapter.problem(partial(ppca), mean_field, X, data=N, optim=optim, steps=50)
    assert problem.fit is not None
    trained = problem.at(problem.vector_of(problem.fit(problem.params)))
    assert decompose(trained).elbo > decompose(problem).elbo


def two_levels(x: Any) -> None:
    location, width = numpyro.param("location", 0.3), numpyro.param("width", 1.5, constraint=POSITIVE)
    spread = numpyro.param("spread", 0.8, constraint=POSITIVE)
    noise = numpyro.param("noise", 0.5, constraint=POSITIVE)
    shared = numpyro.sample("shared", dist.Normal(location, width))
    with numpyro.plate("data", N):
        own = numpyro.sample("own", dist.Normal(shared, spread))
        numpyro.sample("x", dist.Normal(own, noise), obs=x[:, 0])


@pytest.mark.parametrize("kind", ["AutoNormal", "AutoDiagonalNormal", "AutoMultivariateNormal", "AutoDelta"])
def test_automatic_guides(kind: str) -> None:
    """Latents that are parts of one auxiliary site, and points."""
    guide = getattr(infer.autoguide, kind)(two_levels)
    assert_identity(moved(adapter.problem(two_levels, guide, X, data=N), 1))


def test_a_scale_that_is_shared_is_claimed_for_both() -> None:
    def tied(x: Any) -> None:
        spread = numpyro.param("spread", 0.8, constraint=POSITIVE)
        with numpyro.plate("data", N):
            z = numpyro.sample("z", dist.Normal(numpyro.param("location", 0.3), spread))
            numpyro.sample("x", dist.Normal(z, spread), obs=x[:, 0])

    guide = infer.autoguide.AutoNormal(tied)
    problem = moved(adapter.problem(tied, guide, X, data=N), 1)
    for check in (value, every_point):
        result = check(problem)
        assert result is not None
        assert result.outcome is Outcome.HOLDS, result.message
    assert [(claim.label, claim.covered) for claim in decompose(problem).claims] == [("z + x", True)]


def test_the_analytic_kl_takes_the_scale_of_the_guide() -> None:
    """NumPyro's `TraceMeanField_ELBO` does not see a scale around the model's latent."""
    plain, model = TraceMeanField_ELBO(), scaled(ppca, 0.5, ("z",))
    alone = moved(adapter.problem(model, mean_field, X, data=N, loss=plain), 1)
    without = moved(adapter.problem(ppca, mean_field, X, data=N, loss=plain), 1)
    assert decompose(alone).elbo == decompose(without).elbo
