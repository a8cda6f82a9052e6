"""Pyro models and guides with Pyro's own losses: the identity at random parameters, with one particle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from elbocheck import Target, check_target, decompose
from elbocheck.adapters import pyro as adapter
from elbocheck.checks import gradient, scale, value
from elbocheck.errors import InputError
from elbocheck.outcome import Outcome
from support.adapters_data import assert_identity, moved, shipped

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pyro = pytest.importorskip("pyro", reason="Pyro is not installed")
dist, poutine, infer = pyro.distributions, pyro.poutine, pyro.infer
enumerated = infer.config_enumerate

X = torch.tensor(shipped("iris")[::12])
N, D, H = *X.shape, 2
POSITIVE, SIMPLEX = dist.constraints.positive, dist.constraints.simplex
Program = Callable[..., Any]


def standard_normal() -> Any:
    return pyro.sample("z", dist.Normal(0.0, 1.0).expand([H]).to_event(1))


def ppca(x: Any) -> None:
    loadings, mean = pyro.param("loadings", 0.3 * torch.ones(H, D)), pyro.param("mean", torch.zeros(D))
    noise = pyro.param("noise", torch.tensor(1.0), constraint=POSITIVE)
    with pyro.plate("data", N):
        pyro.sample("x", dist.Normal(standard_normal() @ loadings + mean, noise).to_event(1), obs=x)


def mean_field(x: Any) -> None:
    mean = pyro.param("q_mean", torch.zeros(N, H))
    spread = pyro.param("q_spread", torch.ones(N, H), constraint=POSITIVE)
    with pyro.plate("data", N):
        pyro.sample("z", dist.Normal(mean, spread).to_event(1))


def mixture(x: Any) -> None:
    weights = pyro.param("weights", torch.ones(3) / 3, constraint=SIMPLEX)
    means = pyro.param("means", torch.zeros(3, D))
    spreads = pyro.param("spreads", torch.ones(3, D), constraint=POSITIVE)
    with pyro.plate("data", N):
        c = pyro.sample("c", dist.Categorical(weights))
        pyro.sample("x", dist.Normal(means[c], spreads[c]).to_event(1), obs=x)


def classes(x: Any) -> None:
    logits = pyro.param("q_logits", torch.zeros(N, 3))
    with pyro.plate("data", N):
        pyro.sample("c", dist.Categorical(logits=logits))


def nothing(x: Any) -> None:
    """The guide of a model that enumerates all its latents."""


DECODER = torch.nn.Sequential(torch.nn.Linear(H, 3), torch.nn.Tanh(), torch.nn.Linear(3, D))
ENCODER = torch.nn.Sequential(torch.nn.Linear(D, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2 * H))


def vae(x: Any) -> None:
    pyro.module("decoder", DECODER)
    noise = pyro.param("noise", torch.tensor(1.0), constraint=POSITIVE)
    with pyro.plate("data", N):
        pyro.sample("x", dist.Normal(DECODER(standard_normal()), noise).to_event(1), obs=x)


def encoder(x: Any) -> None:
    pyro.module("encoder", ENCODER)
    with pyro.plate("data", N):
        heads = ENCODER(x)
        pyro.sample("z", dist.Normal(heads[:, :H], heads[:, H:].exp()).to_event(1))


def with_offset(x: Any) -> None:
    """A mixture with a latent of all data, a local one with a fixed prior, and enumerated classes."""
    loadings = pyro.param("loadings", torch.ones(D))
    width = pyro.param("width", torch.tensor(1.0), constraint=POSITIVE)
    weights = pyro.param("weights", torch.ones(3) / 3, constraint=SIMPLEX)
    means = pyro.param("means", torch.zeros(3, D))
    spreads = pyro.param("spreads", torch.ones(3, D), constraint=POSITIVE)
    offset = pyro.sample("offset", dist.Normal(pyro.param("location", torch.tensor(0.3)), width))
    with pyro.plate("data", N):
        c = pyro.sample("c", dist.Categorical(weights))
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(means[c] + offset + z.unsqueeze(-1) * loadings, spreads[c]).to_event(1), obs=x)


def offset_guide(x: Any) -> None:
    spread = pyro.param("q_spread", torch.ones(N), constraint=POSITIVE)
    wide = pyro.param("q_wide", torch.tensor(1.0), constraint=POSITIVE)
    pyro.sample("offset", dist.Normal(pyro.param("q_offset", torch.tensor(0.1)), wide))
    with pyro.plate("data", N):
        pyro.sample("z", dist.Normal(pyro.param("q_mean", torch.zeros(N)), spread))


def nested(x: Any) -> None:
    """A bit that the guide enumerates, and classes given the bit that the model does."""
    table = pyro.param("table", torch.tensor([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]]), constraint=SIMPLEX)
    means = pyro.param("means", torch.linspace(0.0, 1.0, 6 * D).reshape(2, 3, D))
    noise = pyro.param("noise", torch.tensor(1.0), constraint=POSITIVE)
    rate = pyro.param("rate", torch.tensor(0.3), constraint=dist.constraints.unit_interval)
    with pyro.plate("data", N):
        bit = pyro.sample("bit", dist.Bernoulli(rate)).long()
        c = pyro.sample("c", dist.Categorical(table[bit]))
        pyro.sample("x", dist.Normal(means[bit, c], noise).to_event(1), obs=x)


def bits(x: Any) -> None:
    logits = pyro.param("q_logits", torch.zeros(N))
    with pyro.plate("data", N):
        pyro.sample("bit", dist.Bernoulli(logits=logits))


CASES: dict[str, tuple[Program, Program, Callable[[], Any]]] = {
    "PPCA": (ppca, mean_field, infer.Trace_ELBO),
    "PPCA, 3 particles": (ppca, mean_field, lambda: infer.Trace_ELBO(num_particles=3)),
    "PPCA, analytic KL": (ppca, mean_field, infer.TraceMeanField_ELBO),
    "mixture": (mixture, classes, infer.Trace_ELBO),
    "mixture, enumerated by the model": (enumerated(mixture), nothing, infer.TraceEnum_ELBO),
    "mixture, enumerated by the guide": (mixture, enumerated(classes), infer.TraceEnum_ELBO),
    "two enumerations": (enumerated(nested), enumerated(bits), infer.TraceEnum_ELBO),
    "classes and latents": (enumerated(with_offset), offset_guide, lambda: infer.TraceEnum_ELBO(num_particles=2)),
    "VAE": (vae, encoder, infer.Trace_ELBO),
    "VAE, analytic KL": (vae, encoder, infer.TraceMeanField_ELBO),
}


@pytest.mark.parametrize("name", CASES)
def test_identity_at_random_parameters(name: str) -> None:
    model, guide, loss = CASES[name]
    problem = adapter.problem(model, guide, X, data=N, loss=loss())
    for seed in (1, 2, 3):
        assert_identity(moved(problem, seed))
    result = gradient(moved(problem, 4))
    assert result is not None
    assert result.outcome is Outcome.HOLDS, result.message


def test_particles_average_to_the_bound() -> None:
    problem = moved(adapter.problem(ppca, mean_field, X, data=N, loss=infer.Trace_ELBO(num_particles=4)), 1)
    result = scale(problem)
    assert len(problem.particles) == 4
    assert result is not None
    assert result.outcome is Outcome.HOLDS, result.message


def test_the_process_is_left_alone() -> None:
    """Parameter store, random state and default dtype are as before, and networks keep their parameters."""
    pyro.clear_param_store()
    torch.manual_seed(3)
    before, weights = torch.get_rng_state(), DECODER[0].weight.clone()
    decompose(moved(adapter.problem(vae, encoder, X, data=N), 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(DECODER[0].weight, weights)
    assert torch.get_default_dtype() == torch.float32
    assert dict(pyro.get_param_store().items()) == {}


def test_trained_parameters_come_from_the_store() -> None:
    pyro.clear_param_store()
    svi = infer.SVI(ppca, mean_field, pyro.optim.Adam({"lr": 0.1}), infer.Trace_ELBO())
    for _ in range(3):
        svi.step(X.float())
    trained = pyro.param("mean").detach().double().numpy()
    problem = adapter.problem(ppca, mean_field, X, data=N)
    pyro.clear_param_store()
    np.testing.assert_array_equal(problem.arrays["mean"], trained)
    assert np.any(trained != 0.0)


def subsampled(x: Any) -> None:
    shared = pyro.sample(
        "shared",
        dist.Normal(
            pyro.param("location", torch.tensor(0.3)), pyro.param("width", torch.tensor(1.5), constraint=POSITIVE)
        ),
    )
    spread = pyro.param("spread", torch.ones(D), constraint=POSITIVE)
    with pyro.plate("data", N, subsample_size=5) as rows:
        pyro.sample("x", dist.Normal(shared, spread).to_event(1), obs=x[rows])


def shared_guide(x: Any) -> None:
    spread = pyro.param("q_spread", torch.tensor(0.7), constraint=POSITIVE)
    pyro.sample("shared", dist.Normal(pyro.param("q_mean", torch.tensor(0.2)), spread))


@pytest.mark.parametrize("loss", [infer.Trace_ELBO, infer.TraceMeanField_ELBO])
def test_subsampled_plates_are_scaled(loss: Any) -> None:
    assert_identity(moved(adapter.problem(subsampled, shared_guide, X, data=N, loss=loss()), 1))


def weighed(program: Program, by: float, sites: tuple[str, ...]) -> Program:
    """The program with the log densities of some sites multiplied."""

    class Scale(poutine.messenger.Messenger):
        def _pyro_sample(self, message: Any) -> None:
            if message["name"] in sites:
                message["scale"] = by * message["scale"]

    def run(x: Any) -> None:
        with Scale():
            program(x)

    return run


def test_equal_scales_of_a_latent_are_a_kl_weight() -> None:
    model, guide = weighed(ppca, 0.7, ("z",)), weighed(mean_field, 0.7, ("z",))
    problem = moved(adapter.problem(model, guide, X, data=N), 1)
    assert problem.label.endswith("KL × 0.7")
    result = value(problem)
    assert result is not None
    assert result.outcome is Outcome.HOLDS, result.message


def test_masked_data_do_not_count() -> None:
    mask = torch.arange(N) > 2
    model, guide = poutine.mask(ppca, mask=mask), poutine.mask(mean_field, mask=mask)
    assert_identity(moved(adapter.problem(model, guide, X, data=N), 1))


class Ninety(infer.Trace_ELBO):
    """A loss that weighs the KL divergence by 0.9 and says nothing about it."""

    def _get_trace(self, model: Any, guide: Any, args: Any, kwargs: Any) -> Any:
        traces = super()._get_trace(model, guide, args, kwargs)
        for trace in traces:
            site = trace.nodes["z"]
            site["log_prob_sum"] = 0.9 * site["log_prob_sum"]
            if "score_parts" in site:
                site["score_parts"] = site["score_parts"].scale_and_mask(0.9, None)
        return traces


FAULTS = {
    "loss": (ppca, mean_field, Ninety, "β ≠ 1: KL × 0.9"),
    "handler on the model only": (
        weighed(ppca, 0.9, ("z",)),
        mean_field,
        infer.Trace_ELBO,
        "multiple 0.9: E log p of z",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_kl_scale_is_named_with_its_size(name: str) -> None:
    model, guide, loss, suspect = FAULTS[name]
    problem = moved(adapter.problem(model, guide, X, data=N, loss=loss()), 1)
    report = check_target(Target("planted", [problem]), on_fail="report")
    diagnosis = next(one.result.diagnosis for one in report.failures if one.check == "value" and one.result)
    assert diagnosis is not None
    assert (diagnosis.factor, diagnosis.suspect) == ("z", suspect)


def observed(make: Callable[[Any], Any], data: list[Any]) -> Program:
    """One parameter a, positive, and data of a distribution made of it."""

    def model() -> None:
        a = pyro.param("a", torch.tensor([0.7, 1.3]), constraint=POSITIVE)
        with pyro.plate("data", len(data)):
            pyro.sample("x", make(a), obs=torch.tensor(data))

    return model


ONES, COUNTS, REALS, UNIT = [0.0, 1.0, 1.0], [0.0, 2.0, 3.0], [0.5, 1.2, 2.5], [0.2, 0.5, 0.9]
PAIRS, ROWS = [[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]], [[2.0, 1.0], [0.0, 3.0], [1.0, 2.0]]
SYMMETRIC = [[2.0, 0.3], [0.3, 1.0]]
DISTRIBUTIONS: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "Normal": (lambda a: dist.Normal(a[0], a[1]), REALS),
    "Normal, known variance": (lambda a: dist.Normal(a[0], 1.5), REALS),
    "MultivariateNormal": (lambda a: dist.MultivariateNormal(torch.zeros(2), a[0] * torch.tensor(SYMMETRIC)), PAIRS),
    "LogNormal": (lambda a: dist.LogNormal(a[0], a[1]), REALS),
    "Laplace": (lambda a: dist.Laplace(0.3, a[0]), REALS),
    "Gamma, known shape": (lambda a: dist.Gamma(2.5, a[1]), REALS),
    "Exponential": (lambda a: dist.Exponential(a[0]), REALS),
    "Beta": (lambda a: dist.Beta(1.0 + a[0], 1.0 + a[1]), UNIT),
    "Dirichlet": (lambda a: dist.Dirichlet(1.0 + a), PAIRS),
    "Weibull": (lambda a: dist.Weibull(a[0], 1.7), REALS),
    "Bernoulli": (lambda a: dist.Bernoulli(logits=a[0]), ONES),
    "Bernoulli, probabilities": (lambda a: dist.Bernoulli(a[0] / (1 + a[0])), ONES),
    "Categorical": (lambda a: dist.Categorical(a / a.sum()), ONES),
    "OneHotCategorical": (lambda a: dist.OneHotCategorical(logits=a), [[1.0, 0.0], [0.0, 1.0]]),
    "Geometric": (lambda a: dist.Geometric(logits=a[0]), COUNTS),
    "Binomial": (lambda a: dist.Binomial(4, logits=a[0]), COUNTS),
    "Multinomial": (lambda a: dist.Multinomial(3, logits=a), ROWS),
    "NegativeBinomial": (lambda a: dist.NegativeBinomial(2.5, logits=a[0]), COUNTS),
    "Poisson": (lambda a: dist.Poisson(a[0].exp()), COUNTS),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name: str) -> None:
    """Log densities agree with PyTorch's own, and the identity holds with the base measure of what is learned."""
    make, data = DISTRIBUTIONS[name]
    assert_identity(moved(adapter.problem(observed(make, data), lambda: None, data=len(data)), 1), 1e-11)


def test_von_mises_of_pytorch_is_approximate() -> None:
    """Its log I₀ is a polynomial: wrong by 1e-9 to 1e-6 nats, which a comparison to eight digits does not see."""
    model = observed(lambda a: dist.VonMises(a[0], 20.0 * a[1]), REALS)
    terms = decompose(moved(adapter.problem(model, lambda: None, data=len(REALS)), 1))
    if abs(terms.elbo - terms.declared) < 1e-12:
        pytest.skip("this PyTorch computes log I₀ to double precision")
    assert 1e-10 < abs(terms.elbo - terms.declared) < 1e-5
    assert all(abs(term.gap - term.predicted) < 1e-5 for term in terms.factors)


def potential(x: Any) -> None:
    pyro.factor("penalty", -(pyro.param("s", torch.tensor(1.0)) ** 2))


def sharing(x: Any) -> None:
    pyro.param("mean", torch.zeros(D))
    mean_field(x)


def chain(x: Any) -> None:
    table, state = pyro.param("table", torch.tensor([[0.8, 0.2], [0.4, 0.6]]), constraint=SIMPLEX), 0
    for t in pyro.markov(range(4)):
        state = pyro.sample(f"state_{t}", dist.Categorical(table[state]))
        pyro.sample(f"x_{t}", dist.Normal(1.0 * state, 1.0), obs=x[t, 0])


@pytest.mark.parametrize(
    ("model", "guide", "loss", "message"),
    [
        (potential, nothing, None, r"nothing of the model can be judged, first of all: a factor statement is a number"),
        (ppca, sharing, None, r"parameters \['mean'\] are in the model and in the guide"),
        (ppca, nothing, None, r"site 'z' is a latent of the model only"),
        (ppca, mean_field, infer.RenyiELBO(), r"RenyiELBO is not supported"),
        (ppca, mean_field, infer.Trace_ELBO(num_particles=2, vectorize_particles=True), r"vectorize_particles=True"),
        (enumerated(chain), nothing, infer.TraceEnum_ELBO(max_plate_nesting=0), r"share axes \(pyro.markov\)"),
        (mixture, enumerated(classes, "sequential"), infer.TraceEnum_ELBO(), r"sequential enumeration"),
    ],
)
def test_what_has_no_place_is_refused_by_name(model: Program, guide: Program, loss: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        adapter.problem(model, guide, X, data=N, loss=loss)
