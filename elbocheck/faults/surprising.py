"""Correct targets that surprise: everything that looks like a fault and is none. No check may reject them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from elbocheck.bound.departures import Departure
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.families import Categorical, Normal
from elbocheck.faults.fault import code
from elbocheck.faults.numerics import Array, Params, converge, inverse_softplus, softplus
from elbocheck.faults.problems import made, problem, sample


@dataclass(frozen=True)
class Surprise:
    """A correct target that could be taken for a broken one."""

    name: str
    """In tables."""

    sentence: str
    """Why one could take it for a broken one."""

    make: Callable[[], Problem]
    """Makes the target anew."""


def on(model: str, x: Array, params: Params, **changes: Any) -> Problem:
    """A model's code on other data."""
    module = code(model)
    whole = made(module, x, params, label=model, log_evidence=partial(module.log_evidence, x=x))
    return replace(whole, **changes)


def in_units(scale: float) -> Problem:
    """The Gaussian mixture with data in other units."""
    x, module = sample("gaussian_mixture"), code("gaussian_mixture")
    params = module.begin(x)
    moved = {"means": scale * params["means"], "log_variances": params["log_variances"] + 2 * np.log(scale)}
    return on("gaussian_mixture", scale * x, {**params, **moved}, units={"means": np.full((2, 2), scale)})


def with_offset(offset: float) -> Problem:
    """PPCA of data far from the origin."""
    x, module = sample("ppca"), code("ppca")
    params = module.begin(x)
    return on("ppca", x + offset, {**params, "mean": params["mean"] + offset})


def in_chart(
    model: str,
    block: str,
    new: str,
    chart: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    inverse: Callable[[Array], Array],
) -> Problem:
    """The model's code with the parameter `block` = chart(new); slope is the chart's derivative."""
    old = problem(model)
    assert old.elbo is not None
    assert old.factors is not None
    assert old.grad is not None
    assert old.fit is not None
    elbo, factors, grad, fit, subset, evidence = (
        old.elbo,
        old.factors,
        old.grad,
        old.fit,
        old.subset,
        old.log_evidence,
    )

    def moved(params: Params) -> Params:
        return {block if name == new else name: chart(v) if name == new else v for name, v in params.items()}

    def back(params: Params) -> Params:
        return {new if name == block else name: inverse(v) if name == block else v for name, v in params.items()}

    def declare(params: Params) -> Declaration:
        declaration = factors(moved(params))
        renamed = [
            replace(f, parameters=tuple(new if name == block else name for name in f.parameters), beta=None)
            for f in declaration.factors
        ]
        return replace(declaration, factors=tuple(renamed))

    def gradient(params: Params) -> Params:
        slopes = grad(moved(params))
        return {new if k == block else k: v * slope(params[new]) if k == block else v for k, v in slopes.items()}

    assert subset is not None
    assert callable(evidence)
    return replace(
        old,
        params=back(old.params),
        elbo=lambda p: elbo(moved(p)),
        factors=declare,
        grad=gradient,
        fit=lambda p: back(fit(moved(p))),
        subset=lambda p, rows: subset(moved(p), rows),
        log_evidence=lambda p: evidence(moved(p)),
        particles=tuple(partial(lambda p, one: one(moved(p)), one=one) for one in old.particles),
    )


def tied() -> Problem:
    """One covariance for both components."""
    module, x = code("gaussian_mixture"), sample("gaussian_mixture")

    def full(params: Params) -> Params:
        return {**params, "log_variances": params["log_variances"] + np.zeros((2, 1))}

    def step(params: Params) -> Params:
        new = module.step(full(params), x)
        shares = np.exp(new["logits"])
        return {**new, "log_variances": np.log(shares @ np.exp(new["log_variances"]))}

    def declare(params: Params) -> Declaration:
        z, f = module.declare(full(params), x).factors
        observed = Normal(params["means"], np.exp(params["log_variances"]))
        f = replace(f, distribution=observed, beta={"log_variances": -np.ones(2)}, groups=None)
        return replace(module.declare(full(params), x), factors=(z, f))

    def gradient(params: Params) -> Params:
        slopes = module.grad(full(params), x)
        return {**slopes, "log_variances": np.sum(slopes["log_variances"], axis=0)}

    begin = module.begin(x)
    return Problem(
        {**begin, "log_variances": begin["log_variances"][0]},
        elbo=lambda p: module.elbo(full(p), x, len(x)),
        factors=declare,
        grad=gradient,
        fit=lambda p: converge(step, p),
        library="numpy",
        label="tied",
        log_evidence=lambda p: module.log_evidence(full(p), x),
    )


def uniform_weights() -> Problem:
    """Mixture weights that are fixed and equal: a factor without parameters."""
    module, x = code("gaussian_mixture"), sample("gaussian_mixture")
    equal = {"logits": np.zeros(2)}

    def without(params: Params) -> Params:
        return {name: value for name, value in params.items() if name != "logits"}

    def declare(params: Params) -> Declaration:
        declaration = module.declare({**params, **equal}, x)
        z = Factor("z", Categorical(np.zeros(2)), np.eye(2)[None])
        return replace(declaration, factors=(z, declaration.factors[1]))

    return Problem(
        without(module.begin(x)),
        elbo=lambda p: module.elbo({**p, **equal}, x, len(x)),
        factors=declare,
        grad=lambda p: without(module.grad({**p, **equal}, x)),
        library="numpy",
        label="uniform weights",
        fit=lambda p: converge(lambda q: without(module.step({**q, **equal}, x)), p),
        log_evidence=lambda p: module.log_evidence({**p, **equal}, x),
    )


def weighted(counts: Array) -> Problem:
    """Data that count several times, or never: the code repeats them, the declaration has weights."""
    module, x = code("gaussian_mixture"), sample("gaussian_mixture")[: len(counts)]
    repeated = np.repeat(x, counts, axis=0)

    def declare(params: Params) -> Declaration:
        return replace(module.declare(params, x), data_weights=counts / np.sum(counts))

    def subset(params: Params, rows: Array) -> Array:
        some = np.repeat(x[rows], counts[rows], axis=0)
        return module.elbo(params, some, len(some))

    whole = on("gaussian_mixture", repeated, module.begin(repeated))
    return replace(whole, factors=declare, subset=subset)


def poisson(x: Array) -> Problem:
    """The Poisson mixture on a handful of counts."""
    rows = np.array([[0.3], [-0.3]]) * np.linspace(1, -1, x.shape[1])
    return on("poisson_mixture", x, {"logits": np.array([0.3, -0.2]), "log_rates": np.log(np.mean(x, axis=0)) + rows})


def unused(latents: tuple[int, ...]) -> Problem:
    """PPCA with latents that explain nothing and have q = prior: a saddle, where training stays."""
    x, module = sample("ppca"), code("ppca")
    params = module.begin(x)
    for h in latents:
        params["weights"][:, h], params["q_means"][:, h], params["q_log_stds"][:, h] = 0.0, 0.0, 0.0
    return on("ppca", x, params)


def far_q() -> Problem:
    """PPCA with a q that nobody optimises; the model is trained for it, in one step."""
    x, module = sample("ppca"), code("ppca")
    rng, params = np.random.default_rng(3), module.begin(x)
    q = {"q_means": 3 * rng.normal(size=(len(x), 2)), "q_log_stds": rng.normal(size=(len(x), 2))}

    def fit(params: Params) -> Params:
        z, spreads = params["q_means"], np.exp(2 * params["q_log_stds"])
        centred = z - np.mean(z, axis=0)
        second = centred.T @ centred + np.diag(np.sum(spreads, axis=0))
        weights = (x - np.mean(x, axis=0)).T @ centred @ np.linalg.inv(second)
        mean = np.mean(x, axis=0) - weights @ np.mean(z, axis=0)
        squares = np.sum((x - mean - z @ weights.T) ** 2) + np.sum(spreads @ weights.T**2)
        return {**params, "weights": weights, "mean": mean, "log_variance": np.log(squares / x.size)}

    return on("ppca", x, {**params, **q}, fit=fit, free={"q_means": False, "q_log_stds": False})


def mixture_at(params: Params, *, fit: bool = True) -> Problem:
    """The Gaussian mixture at special parameters."""
    changes: dict[str, Any] = {} if fit else {"fit": None}
    return on("gaussian_mixture", sample("gaussian_mixture"), params, **changes)


def collapsing() -> Problem:
    """A component on one datum, with a standard deviation of 1e-4, on its way to a singularity."""
    x = sample("gaussian_mixture")
    means, log_variances = np.stack([x[0] + 1e-5, np.mean(x, axis=0)]), np.log([[1e-8, 1e-8], [3.0, 2.0]])
    return mixture_at({"logits": np.array([-3.0, 0.0]), "means": means, "log_variances": log_variances}, fit=False)


def twins() -> Problem:
    """Two components that are equal, and stay equal: a ridge."""
    x = sample("gaussian_mixture")
    same = {"means": np.tile(np.mean(x, axis=0) + 0.3, (2, 1)), "log_variances": np.zeros((2, 2))}
    return mixture_at({"logits": np.array([0.5, -0.5]), **same})


def lonely() -> Problem:
    """A mixture of one: the KL term is zero for all parameters."""
    params = {"logits": np.zeros(1), "means": np.ones((1, 2)), "log_variances": np.full((1, 2), 0.5)}
    return mixture_at(params)


def certain() -> Problem:
    """Components so far apart that responsibilities are 0 and 1 to the last bit."""
    x, module = sample("gaussian_mixture"), code("gaussian_mixture")
    right = x[:, 0] > 0
    apart = x + 1e3 * np.where(right, 1.0, -1.0)[:, None]
    params = module.begin(x)
    return on("gaussian_mixture", apart, {**params, "means": np.array([[-1e3, -1e3], [1e3, 1e3]])})


def annealed(weight: float) -> Problem:
    """PPCA with a KL weight that is declared."""
    x, module = sample("ppca"), code("ppca")

    def elbo(params: Params) -> Array:
        return np.mean(module.reconstruction(params, x) - weight * module.divergence(params))

    def declare(params: Params) -> Declaration:
        declaration = module.declare(params, x)
        z, observed = declaration.factors
        return replace(declaration, factors=(replace(z, weight=weight), observed), entropy_weight=weight)

    params = module.begin(x)
    return Problem(params, elbo=elbo, factors=declare, library="numpy", label="annealed")


def regularised(size: float) -> Problem:
    """Full covariances with a declared regulariser on their diagonals."""
    module, x = code("full_mixture"), sample("full_mixture")

    def step(params: Params) -> Params:
        new = module.step(params, x)
        c = module.factors(new)
        c = np.linalg.cholesky(np.linalg.inv(np.linalg.inv(c @ np.swapaxes(c, 1, 2)) + size * np.eye(2)))
        return {**new, "log_diagonals": np.log(np.diagonal(c, axis1=1, axis2=2)), "lower": c[:, 1, 0]}

    def gaps(params: Params) -> dict[str, float]:
        r = np.exp(module.log_responsibilities(params, x))
        return {"x": float(0.5 * size * np.mean(r, axis=0) @ np.sum(module.factors(params) ** 2, axis=(1, 2)))}

    departures = (Departure(f"regulariser {size:g}", gaps),)
    return on("full_mixture", x, module.begin(x), fit=lambda p: converge(step, p), departures=departures)


SURPRISING = (
    Surprise("tiny units", "data of size 1e-6: log densities and the ELBO are positive, entropies negative",
             partial(in_units, 1e-6)),
    Surprise("huge units", "data of size 1e6: the ELBO is far below any other", partial(in_units, 1e6)),
    Surprise("offset 1e6", "data far from the origin lose ten digits of their squares", partial(with_offset, 1e6)),
    Surprise("tied variances", "both components share their variances: one β for all", tied),
    Surprise("uniform weights", "mixture weights that are fixed have no β, but equal ones need none", uniform_weights),
    Surprise("more dimensions than data", "three data in five dimensions",
             lambda: poisson(np.array([[1.0, 4, 2, 7, 3], [2, 1, 5, 3, 1], [0, 3, 1, 9, 4]]))),
    Surprise("single datum", "N = 1: both components end at the datum", lambda: poisson(np.array([[3.0, 5.0]]))),
    Surprise("posterior collapse", "the KL divergence is 0, and every latent redundant", partial(unused, (0, 1))),
    Surprise("redundant latent", "one latent is not used: training stays at a saddle", partial(unused, (1,))),
    Surprise("nearly collapsed component", "a standard deviation of 1e-4 on one datum", collapsing),
    Surprise("duplicated components", "a ridge of equal components, with a singular Hessian", twins),
    Surprise("one component", "a mixture of one: KL and the entropy of q are 0 at all parameters", lonely),
    Surprise("certain responsibilities", "q is 0 or 1 to the last bit: 0 · log 0", certain),
    Surprise("weights of data", "data count one to three times",
             lambda: weighted(np.array([1, 3, 2, 1, 1, 2, 3, 1, 2, 1, 1, 2, 1, 3, 1, 2]))),
    Surprise("datum of weight 0", "data that never count are declared, and the code has not seen them",
             lambda: weighted(np.array([1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1]))),
    Surprise("precisions", "parameters are precisions themselves, not log variances",
             lambda: in_chart("gaussian_mixture", "log_variances", "precisions",
                              lambda p: -np.log(p), lambda p: -1 / p, lambda v: np.exp(-v))),
    Surprise("Cholesky factor", "parameters are the elements of a Cholesky factor themselves",
             lambda: in_chart("full_mixture", "log_diagonals", "diagonals", np.log, lambda d: 1 / d, np.exp)),
    Surprise("probabilities", "parameters are probabilities, which the criterion must see through",
             lambda: in_chart("bernoulli_mixture", "log_odds", "probabilities",
                              lambda p: np.log(p) - np.log(1 - p), lambda p: 1 / (p * (1 - p)),
                              lambda v: 1 / (1 + np.exp(-v)))),
    Surprise("softplus of σ²", "the noise of a VAE is softplus(ρ), without z in it: in scope",
             lambda: in_chart("vae", "log_variance", "rho", lambda r: np.log(softplus(r)),
                              lambda r: 1 / (1 + np.exp(-r)) / softplus(r), lambda v: inverse_softplus(np.exp(v)))),
    Surprise("q far from its optimum", "a random q that stays: the ELBO is far below the log evidence", far_q),
    Surprise("annealed KL", "a declared KL weight of ½", partial(annealed, 0.5)),
    Surprise("declared regulariser", "training stops beside the stationary point, as declared",
             partial(regularised, 1e-3)),
)  # fmt: skip
