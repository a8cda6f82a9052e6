"""NumPyro as people use it: automatic guides, priors on positive, bounded and simplex latents, counts, factors, masks.

Each case holds, and a neighbour with one planted fault is rejected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import gammaln

from elbocheck import Problem, decompose
from elbocheck.adapters import numpyro as adapter
from elbocheck.errors import InputError
from elbocheck.outcome import Outcome
from support.adapters_data import (
    COUNTS,
    FACTOR,
    FEATURES,
    REALS,
    TARGETS,
    WHOLE,
    apart,
    careless,
    moved,
    named,
    value_of,
)

numpyro = pytest.importorskip("numpyro", reason="NumPyro is not installed")
dist, handlers, infer = numpyro.distributions, numpyro.handlers, numpyro.infer
guides, transforms = infer.autoguide, dist.transforms
POSITIVE, UNIT = dist.constraints.positive, dist.constraints.unit_interval
X, Y, K = FEATURES, TARGETS, COUNTS
N = len(X)
Program = Callable[..., Any]


def problem(model: Program, guide: Program, loss: Any = None, move: float = 0.3) -> Problem:
    return moved(adapter.problem(model, guide, data=N, loss=loss), 1, move)


def learned(name: str, start: Any, constraint: Any = POSITIVE) -> Any:
    return numpyro.param(name, start, constraint=constraint)


def regression() -> None:
    """Linear regression: weights with a learned scale, and noise with a half-normal prior of a learned scale."""
    w = numpyro.sample("w", dist.Normal(0.0, learned("prior", 1.0)).expand([2]).to_event(1))
    s = numpyro.sample("s", dist.HalfNormal(learned("width", 1.0)))
    with numpyro.plate("data", N):
        numpyro.sample("y", dist.Normal(X @ w, s), obs=Y)


def guide_of(noise: Callable[[Any, Any], None]) -> Program:
    def guide() -> None:
        numpyro.sample("w", dist.Normal(0.0, learned("q_w", np.ones(2))).to_event(1))
        noise(learned("q_u", 0.1, dist.constraints.real), learned("q_s", 0.3))

    return guide


def careless_point(mean: Any, spread: Any) -> None:
    """Noise as e^u without the Jacobian of that."""
    u = numpyro.sample("u", dist.Normal(mean, spread), infer={"is_auxiliary": True})
    numpyro.sample("s", dist.Delta(jnp.exp(u)))


class FlatExp(transforms.ExpTransform):
    """e^u, said to have slope 1."""

    def log_abs_det_jacobian(self, x: Any, y: Any, intermediates: Any = None) -> Any:
        return 0.0 * x


def careless_map(mean: Any, spread: Any) -> None:
    numpyro.sample("s", dist.TransformedDistribution(dist.Normal(mean, spread), FlatExp()))


def test_regression_with_a_half_normal_scale() -> None:
    right = problem(regression, guides.AutoNormal(regression))
    assert named(right) == "holds"
    assert {one.label for one in decompose(right).claims if one.covered} == {"w", "s", "y"}
    assert "missing: the Jacobian of s" in named(problem(regression, guide_of(careless_point)))
    assert apart(problem(regression, guide_of(careless_map))) >= 1e-3


def everything() -> None:
    """Positive, bounded, simplex and correlation latents, and the priors that there are for them."""
    p = numpyro.sample("p", dist.Dirichlet(np.array([1.5, 2.0, 0.7])))
    u = numpyro.sample("u", dist.Uniform(-1.0, 3.0))
    c = numpyro.sample("c", dist.LKJCholesky(3, learned("eta", 1.3)))
    t = numpyro.sample("t", dist.TruncatedNormal(0.5, 2.0, low=0.1))
    h = numpyro.sample("h", dist.HalfCauchy(2.0))
    g = numpyro.sample("g", dist.InverseGamma(3.0, 2.0))
    b = numpyro.sample("b", dist.Beta(2.0, 3.0))
    with numpyro.plate("data", N):
        numpyro.sample("y", dist.StudentT(4.0, u + t * X[:, 0] + c[2, 1] * X[:, 1], h + g), obs=Y)
        mixing, means = dist.Categorical(p), np.array([-1.0, 0.0, 2.0])
        numpyro.sample("m", dist.MixtureSameFamily(mixing, dist.Normal(means, b + 0.1)), obs=Y)


AUTOMATIC = (
    "AutoNormal", "AutoDiagonalNormal", "AutoMultivariateNormal", "AutoLowRankMultivariateNormal", "AutoDelta",
)  # fmt: skip


@pytest.mark.parametrize("kind", AUTOMATIC)
def test_automatic_guides_on_every_support(kind: str) -> None:
    guide = getattr(guides, kind)(everything)
    assert apart(problem(everything, guide, move=0.1)) <= 1e-13
    assert apart(problem(everything, guide, TwiceThePrior(), move=0.1)) >= 1e-3


class TwiceThePrior(infer.Trace_ELBO):
    """A loss that counts the prior of one latent twice."""

    def loss(self, *arguments: Any, **options: Any) -> Any:
        parts = infer.Trace_ELBO(sum_sites=False).loss(*arguments, **options)
        return sum(parts.values()) + 0.5 * parts["b"]


def scores(make: Callable[[Any], Any], data: Any, wrong: Callable[[Any, Any], Any] | None = None) -> Program:
    """One distribution of two positive parameters; `wrong`: what is added to its log density, a planted fault."""

    def model() -> None:
        a = learned("a", np.array([0.7, 1.3]))
        with numpyro.plate("data", len(data)):
            made = make(a)
            numpyro.sample("x", made if wrong is None else careless(made, wrong), obs=jnp.array(data))

    return model


# distribution -> (how it is made of a, data, a mistake in its log density)
DENSITIES: dict[str, tuple[Callable[[Any], Any], Any, Callable[[Any, Any], Any]]] = {
    "HalfNormal, as a normal": (lambda a: dist.HalfNormal(a[0]), REALS, lambda d, u: -np.log(2.0)),
    "HalfCauchy, as Cauchy": (lambda a: dist.HalfCauchy(a[0]), REALS, lambda d, u: -np.log(2.0)),
    "InverseGamma without its Jacobian": (lambda a: dist.InverseGamma(a[0], a[1]), REALS, lambda d, u: 2 * jnp.log(u)),
    "Uniform, not normalised": (
        lambda a: dist.Uniform(-a[0], 2.0 + a[1]), REALS, lambda d, u: jnp.log(d.high - d.low),
    ),
    "TruncatedNormal, not normalised": (
        lambda a: dist.TruncatedNormal(a[0], a[1], low=0.2), REALS,
        lambda d, u: d.base_dist.log_prob(u) - type(d).__mro__[1].log_prob(d, u),
    ),
    "TruncatedNormal on both sides": (
        lambda a: dist.TruncatedNormal(a[0], a[1], low=0.2, high=3.0), REALS, lambda d, u: -np.log(2.0),
    ),
    "StudentT without its scale": (lambda a: dist.StudentT(3.0, a[0], a[1]), REALS, lambda d, u: jnp.log(d.scale)),
    "NegativeBinomial2, u! lost": (lambda a: dist.NegativeBinomial2(a[0], a[1]), WHOLE, lambda d, u: gammaln(u + 1.0)),
    "ZeroInflatedPoisson, its zeros": (
        lambda a: dist.ZeroInflatedPoisson(a[1] / 3.0, a[0]), WHOLE, lambda d, u: -0.1 * (u == 0),
    ),
    "MixtureSameFamily, means of densities": (
        lambda a: dist.MixtureSameFamily(dist.Categorical(a / a.sum()), dist.Normal(np.array([0.0, 2.0]), a)),
        REALS, lambda d, u: -np.log(2.0),
    ),
    "LKJCholesky, its order": (
        lambda a: dist.LKJCholesky(3, a[0]), FACTOR,
        lambda d, u: jnp.log(u[..., 2, 2]),
    ),
    "Weibull with a learned shape": (lambda a: dist.Weibull(a[0], a[1]), REALS, lambda d, u: u),
    "mapped": (
        lambda a: dist.TransformedDistribution(dist.Normal(a[0], a[1]), transforms.SigmoidTransform()),
        [0.2, 0.5, 0.9], lambda d, u: jnp.log(u) + jnp.log1p(-u),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DENSITIES)
def test_densities(name: str) -> None:
    make, data, wrong = DENSITIES[name]

    def off(model: Program) -> float:
        return apart(moved(adapter.problem(model, lambda: None, data=len(data)), 1))

    assert off(scores(make, data)) <= 1e-13
    assert off(scores(make, data, wrong)) >= 1e-3


def counts(gate: bool = True) -> Program:
    """Counts with zeros of another kind; without the gate for them the loss is that of a Poisson distribution."""

    def model() -> None:
        w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        share = learned("share", 0.3, UNIT)
        with numpyro.plate("data", N):
            made = dist.ZeroInflatedPoisson(share, jnp.exp(X @ w))
            numpyro.sample("k", made if gate else careless(made, no_gate), obs=K)

    return model


def no_gate(d: Any, u: Any) -> Any:
    return d.base_dist.log_prob(u) - type(d).__mro__[1].log_prob(d, u)


def test_zero_inflated_counts() -> None:
    right = problem(counts(), guides.AutoNormal(counts()))
    assert apart(right) <= 1e-13
    assert {one.label: one.reason for one in decompose(right).claims}["k"].startswith("zero-inflated counts")
    assert "factor k" in named(problem(counts(False), guides.AutoNormal(counts())))


def local(model_mask: bool, guide_mask: bool, batch: int | None = None) -> tuple[Program, Program]:
    """A global and a positive local latent; the first three data may be masked."""
    mask = np.arange(N) > 2

    def model() -> None:
        w = numpyro.sample("w", dist.Normal(learned("location", 0.2, dist.constraints.real), learned("width", 1.0)))
        noise = learned("noise", 0.5)
        with numpyro.plate("data", N, subsample_size=batch) as rows, handlers.mask(mask=mask if model_mask else True):
            z = numpyro.sample("z", dist.Gamma(2.0, learned("rate", 1.0)))
            numpyro.sample("y", dist.Normal(w * z, noise), obs=jnp.asarray(Y)[rows])

    def guide() -> None:
        numpyro.sample("w", dist.Normal(learned("q_m", 0.1, dist.constraints.real), learned("q_s", 0.4)))
        m, s = numpyro.param("q_z", np.zeros(N)), learned("q_w", 0.5 * np.ones(N))
        with numpyro.plate("data", N, subsample_size=batch) as rows, handlers.mask(mask=mask if guide_mask else True):
            numpyro.sample("z", dist.LogNormal(m[rows], s[rows]))

    return model, guide


def test_a_mask_that_the_guide_forgets() -> None:
    assert apart(problem(*local(True, True))) <= 1e-13
    assert apart(problem(*local(True, False))) >= 1e-3


def test_global_and_local_latents_of_subsampled_plates() -> None:
    """Local latents count N / batch times, the global one once; broken: a handler scales its prior."""
    model, guide = local(False, False, batch=4)
    assert apart(problem(model, guide)) <= 1e-13

    class Scale(numpyro.primitives.Messenger):
        def process_message(self, message: Any) -> None:
            if message["type"] == "sample" and message["name"] == "w":
                message["scale"] = N * (1.0 if message["scale"] is None else message["scale"])

    def scaled() -> None:
        with Scale():
            model()

    assert "E log p of w" in named(problem(scaled, guide))


def test_factor_statements() -> None:
    def model() -> None:
        regression()
        numpyro.factor("f", -0.1 * learned("prior", 1.0) ** 2)

    class Forgetful(infer.Trace_ELBO):
        def loss(self, *arguments: Any, **options: Any) -> Any:
            parts = infer.Trace_ELBO(sum_sites=False).loss(*arguments, **options)
            return sum(part for name, part in parts.items() if name != "f")

    assert apart(problem(model, guides.AutoNormal(regression))) <= 1e-13
    assert "missing: E log p of f" in named(problem(model, guides.AutoNormal(regression), Forgetful()))


def test_what_is_not_known_is_named_and_the_rest_is_judged() -> None:
    def model(prior: Callable[[Any], Any]) -> Program:
        def run() -> None:
            s = numpyro.sample("s", prior(dist.HalfNormal(learned("width", 1.0))))
            with numpyro.plate("data", N):
                numpyro.sample("y", dist.Gumbel(0.0, s), obs=Y)
                with handlers.scale(scale=2.0 * np.ones(N)):
                    numpyro.sample("x", dist.Normal(0.0, learned("noise", 1.0)), obs=X[:, 0])

        return run

    guide = guides.AutoNormal(model(lambda prior: prior))
    judged = problem(model(lambda prior: prior), guide)
    assert value_of(judged) is Outcome.HOLDS
    assert "site 'x': a scale of shape (10,); only numbers are declared weights" in judged.label
    claims = {one.label: one for one in decompose(judged).claims}
    assert "Gumbel is no family or density that is known here" in claims["y"].reason
    as_normal = model(lambda prior: careless(prior, lambda d, u: -np.log(2.0)))
    assert apart(problem(as_normal, guide)) >= 1e-3


@pytest.mark.parametrize(
    ("flow", "map_"),
    [("AutoIAFNormal", "InverseAutoregressiveTransform"), ("AutoBNAFNormal", "BlockNeuralAutoregressiveTransform")],
)
def test_a_flow_is_named_and_the_rest_is_judged(flow: str, map_: str) -> None:
    def model(prior: Callable[[Any], Any]) -> Program:
        def run() -> None:
            scale = learned("width", 1.0)
            w = numpyro.sample("w", dist.Normal(jnp.zeros(2), scale).to_event(1))
            noise = numpyro.sample("noise", prior(dist.HalfNormal(scale)))
            with numpyro.plate("data", N):
                numpyro.sample("y", dist.Normal(X @ w, noise), obs=Y)

        return run

    guide = getattr(guides, flow)(model(lambda prior: prior))
    judged = problem(model(lambda prior: prior), guide)
    assert f"not judged: site '_auto_latent (guide)': the Jacobian of {map_} is not known here" in judged.label
    assert value_of(judged) is Outcome.HOLDS
    assert apart(problem(model(lambda prior: careless(prior, lambda d, u: -np.log(2.0))), guide)) >= 1e-6


def test_a_model_of_unknown_densities_is_an_error() -> None:
    def unknown() -> None:
        numpyro.sample("x", dist.Gumbel(0.0, learned("a", 1.0)), obs=np.array(0.3))

    with pytest.raises(InputError, match=r"nothing of the model can be judged, first of all: site 'x': Gumbel is no"):
        adapter.problem(unknown, lambda: None, data=1)
