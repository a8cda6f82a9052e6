"""GPyTorch: `ExactGP` with `ExactMarginalLogLikelihood`, `ApproximateGP` with `VariationalELBO`.

The ELBO under test is what the objective returns, nats per datum, at any parameters of the model and the likelihood in
the charts that optimisers see (`raw_noise`, …). Mean and kernel are the model's; everything that is made of them (q,
marginals of f, divergences, entropies, expected likelihoods) is elbocheck's own.

Exact regression: f at the inputs is latent, with its exact posterior, so that F is the log evidence. A kernel matrix
that is singular to rounding (close inputs) has no density of f; then y is one factor, with no latents.
Sparse: the inducing values u are latent, and q(f_n | u) = p(f_n | u). `jitter_val` on K_uu is part of the declared
prior: the values at the inducing points have that much noise of their own. What it adds to the variance of each f_n is
named and subtracted (`Departure`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbocheck.backends import require
from elbocheck.bound.departures import Departure
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.log_density import LogDensity
from elbocheck.bound.problem import Problem
from elbocheck.errors import InputError
from elbocheck.families import Average, MultivariateNormal, Normal

MOST = 800
"""Data of exact regression: beyond, GPyTorch's log determinants are stochastic (`max_cholesky_size`)."""
SINGULAR = 1e-8
"""Smallest eigenvalue of a kernel matrix over its largest, below which f has no density to work with."""
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Declared:
    """What the declaration needs of the modules at given parameters.

    `mean` and `covariance` of the prior: of f at the inputs (N,) or, sparse, at inducing points and inputs (M + N,);
    `noise`: σ², or None for Bernoulli observations; `q`: mean (M,) and Cholesky factor (M, M) of the whitened inducing
    values; `penalties`: name -> log prior of hyperparameters over the number of data; `nodes`: of quadrature.
    """

    mean: Any
    covariance: Any
    noise: Any
    q: tuple[Any, Any] | None
    penalties: dict[str, Any]
    nodes: int


def problem(objective: Any, x: Any, y: Any, *, label: str = "") -> Problem:
    """The problem of an objective (with its model and likelihood) on inputs `x` (N, D) or (N,) and observations (N,).

    Everything is copied, and computed in double precision. Parameters: those of `named_parameters`, by name; what needs
    no gradient is not trained. Priors of hyperparameters are penalties, and `beta` is a weight of the divergence.
    Raises `InputError` for other objectives, likelihoods, variational distributions and strategies, batches of models,
    added loss terms, shapes that do not fit, and more than 800 data of exact regression.
    """
    require("gpytorch", "the GPyTorch adapter needs gpytorch", "gpytorch")
    import torch

    objective = copy.deepcopy(objective)
    exact = _kind(objective)
    x, y = (torch.as_tensor(np.asarray(one), dtype=torch.float64) for one in (x, y))
    x = x[:, None] if x.ndim == 1 else x
    _check_shapes(x, y)
    objective.double().train()
    _nodes_in_double_precision(objective.likelihood)
    if exact:
        objective.model.set_train_data(x, y, strict=False)
    else:
        objective.model.variational_strategy.variational_params_initialized.fill_(1)
    called = _called(objective)
    own = dict(called.named_parameters())
    params = {name: value.detach().numpy().copy() for name, value in own.items()}
    free = {name: value.requires_grad for name, value in own.items()}

    def run(params: Params, what: str, *arguments: Any) -> Any:
        given = {name: torch.as_tensor(value) for name, value in params.items()}
        return torch.func.functional_call(called, given, (what, *arguments))

    def declared(params: Params) -> Declared:
        found: Declared = run(params, "declared", x)
        return found

    with torch.no_grad():
        at = declared(params)
    _check_prior(at, exact, len(x))
    count = len(x) if exact else int(objective.num_data)
    latent = exact and _regular(at.covariance)
    make: Callable[[Declared], Declaration]
    if not exact:
        jitter = float(objective.model.variational_strategy.jitter_val)
        beta = float(objective.beta)
        departures: tuple[Departure, ...] = (
            Departure(
                f"jitter_val = {jitter:g} on the variance of f",
                value=lambda params: _jitter(declared(params), y, jitter),
            ),
        )
        make = lambda at: _sparse(at, y, jitter, beta, count)  # noqa: E731
    else:
        departures, make = (), lambda at: _exact(at, y) if latent else _marginal(at, y)
    return Problem(
        params=params,
        elbo=lambda params: run(params, "value", x, y),
        factors=lambda params: make(declared(params)),
        log_evidence=(lambda params: _evidence(declared(params), y)) if exact and not at.penalties else None,
        subset=None if exact else lambda params, rows: run(params, "value", x[rows], y[rows]),
        free=free,
        departures=departures,
        library="torch",
        label=label or f"{type(objective).__name__} of {type(objective.model).__name__} on {len(x)} data",
    )


def _kind(objective: Any) -> bool:
    """Whether regression is exact; raises `InputError` for what is not supported."""
    import gpytorch
    from gpytorch.variational import CholeskyVariationalDistribution, MeanFieldVariationalDistribution

    exact = isinstance(objective, gpytorch.mlls.ExactMarginalLogLikelihood)
    if not exact and not isinstance(objective, gpytorch.mlls.VariationalELBO):
        raise InputError(
            f"no adapter for {type(objective).__name__}; ExactMarginalLogLikelihood and VariationalELBO are supported"
        )
    known = (gpytorch.likelihoods.GaussianLikelihood,) if exact else _likelihoods()
    if not isinstance(objective.likelihood, known):
        names = " and ".join(one.__name__ for one in known)
        raise InputError(f"{type(objective.likelihood).__name__} is not supported; {names} {'is' if exact else 'are'}")
    if any(True for _ in objective.model.named_added_loss_terms()):
        raise InputError("added loss terms (learned inducing points of SGPR, heteroskedastic noise) are not supported")
    if exact:
        return True
    strategy = objective.model.variational_strategy
    if type(strategy).__name__ != "VariationalStrategy":
        raise InputError(f"{type(strategy).__name__} is not supported; VariationalStrategy is")
    q = strategy._variational_distribution
    if not isinstance(q, (CholeskyVariationalDistribution, MeanFieldVariationalDistribution)):
        raise InputError(
            f"{type(q).__name__} is not supported; CholeskyVariationalDistribution and "
            "MeanFieldVariationalDistribution are"
        )
    if not objective.combine_terms:
        raise InputError("VariationalELBO(combine_terms=False) returns the terms; use True, which adds them")
    return False


def _likelihoods() -> tuple[type, ...]:
    from gpytorch.likelihoods import BernoulliLikelihood, GaussianLikelihood

    return GaussianLikelihood, BernoulliLikelihood


def _check_shapes(x: Any, y: Any) -> None:
    import torch

    if x.ndim != 2 or y.ndim != 1 or len(x) != len(y) or not len(x):
        raise InputError(f"x must be (N, D) or (N,) and y (N,), N ≥ 1; got {tuple(x.shape)} and {tuple(y.shape)}")
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise InputError("x and y must be finite")


def _check_prior(at: Declared, exact: bool, data: int) -> None:
    if at.covariance.ndim != 2:
        raise InputError(f"batches of models are not supported; the kernel matrix is {tuple(at.covariance.shape)}")
    if exact and data > MOST:
        raise InputError(
            f"exact regression on {data} data is stochastic in GPyTorch (conjugate gradients); at most {MOST}"
        )


def _called(objective: Any) -> Any:
    """The objective as one module whose parameters `functional_call` can replace, also inside the model."""
    import torch

    class Called(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.objective = objective

        def forward(self, what: str, x: Any, y: Any = None) -> Any:
            return objective(objective.model(x), y) if what == "value" else _read(objective, x)

    return Called()


def _nodes(count: int) -> tuple[Any, Any]:
    """Nodes and weights of Gauss–Hermite quadrature with the weight exp(−t²)."""
    import torch

    nodes, weights = np.polynomial.hermite.hermgauss(count)
    return torch.as_tensor(nodes), torch.as_tensor(weights)


def _nodes_in_double_precision(likelihood: Any) -> None:
    """`double()` keeps the digits that quadrature has lost in single precision, in which models are usually made."""
    quadrature = getattr(likelihood, "quadrature", None)
    if quadrature is not None:
        quadrature.locations, quadrature.weights = _nodes(quadrature.num_locs)


def _read(objective: Any, x: Any) -> Declared:
    """Prior, noise, q and priors of hyperparameters at the parameters that the modules have now."""
    import gpytorch
    import torch

    model, strategy, inputs, data = objective.model, None, x, len(x)
    if hasattr(model, "variational_strategy"):
        strategy = model.variational_strategy
        inputs, data = torch.cat([strategy.inducing_points, x], dim=-2), objective.num_data
    with gpytorch.settings.trace_mode():  # kernels without their own backward passes, which know no forward mode
        prior = model.forward(inputs)
        mean, covariance = prior.mean, prior.covariance_matrix
    q = None
    if strategy is not None:
        given = strategy._variational_distribution
        root = getattr(given, "chol_variational_covar", None)
        root = torch.diag(given.variational_stddev) if root is None else torch.tril(root)
        q = given.variational_mean, root
    owner = objective.model if strategy is None else objective
    penalties = {
        f"log prior of {name}": prior_of.log_prob(closure(module)).sum().reshape(1) / data
        for name, module, prior_of, closure, _ in owner.named_priors()
    }
    noise = objective.likelihood.noise.reshape(()) if hasattr(objective.likelihood, "noise") else None
    quadrature = getattr(objective.likelihood, "quadrature", None)
    nodes = 0 if quadrature is None else int(quadrature.num_locs)
    return Declared(mean, covariance, noise, q, penalties, nodes)


def _regular(covariance: Any) -> bool:
    import torch

    eigenvalues = torch.linalg.eigvalsh(covariance)
    return bool(eigenvalues[0] > SINGULAR * eigenvalues[-1])


def _of_all(covariance: Any, noise: Any) -> Any:
    import torch

    return covariance + noise * torch.eye(len(covariance), dtype=covariance.dtype)


def _exact(at: Declared, y: Any) -> Declaration:
    """f with its exact posterior N(m + K A⁻¹ (y − m), K − K A⁻¹ K), A = K + σ²I; y_n at f_n ± its deviation."""
    import torch

    whitened = torch.linalg.solve_triangular(
        torch.linalg.cholesky(_of_all(at.covariance, at.noise)), at.covariance, upper=False
    )
    gain = torch.cholesky_solve((y - at.mean)[:, None], torch.linalg.cholesky(_of_all(at.covariance, at.noise)))
    mean = at.mean + (at.covariance @ gain)[:, 0]
    covariance = at.covariance - whitened.mT @ whitened
    prior = MultivariateNormal.from_covariance(at.mean, at.covariance)
    q = MultivariateNormal.from_covariance(mean, covariance)
    deviation = torch.sqrt(torch.diagonal(covariance))
    points = torch.stack([mean + deviation, mean - deviation], dim=1)
    average: Any = Average
    return Declaration(
        (
            Factor("f", average(_first(prior, 2), _first(q, 2))),
            Factor("y", *_residuals(at, y, points)),
        ),
        q=Latents("f", weights=torch.full((1, 2), 0.5, dtype=y.dtype), entropy=_first(q, 1), plate=None),
        penalties=at.penalties,
        optimal=True,
    )


def _marginal(at: Declared, y: Any) -> Declaration:
    """y alone, one value of a multivariate normal distribution for all data."""
    import torch

    prior = MultivariateNormal.from_covariance(at.mean, _of_all(at.covariance, at.noise))
    one = torch.ones((1, 1), dtype=y.dtype)
    return Declaration(
        (Factor("y", _first(prior, 2), y[None, None], under="nothing"),),
        q=Latents("nothing", weights=one, entropy=0.0 * one[0], plate=None),
        penalties=at.penalties,
        optimal=True,
        data=len(y),
    )


def _evidence(at: Declared, y: Any) -> Any:
    """(1/N) log N(y; m, K + σ²I)."""
    import torch

    root = torch.linalg.cholesky(_of_all(at.covariance, at.noise))
    whitened = torch.linalg.solve_triangular(root, (y - at.mean)[:, None], upper=False)
    log_determinant = 2.0 * torch.log(torch.diagonal(root)).sum()
    return -0.5 * (len(y) * np.log(2.0 * np.pi) + log_determinant + (whitened**2).sum()) / len(y)


def _marginals(at: Declared, y: Any, jitter: float) -> tuple[Any, Any, Any, Any]:
    """(root of K_uu + jitter, mean (M,) and root (M, M) of u − m_u under q, mean (N,) and variance (N,) of f)."""
    import torch

    assert at.q is not None
    whitened_mean, whitened_root = at.q
    count = len(whitened_mean)
    root = torch.linalg.cholesky(_of_all(at.covariance[:count, :count], torch.as_tensor(jitter, dtype=y.dtype)))
    across = torch.linalg.solve_triangular(root, at.covariance[:count, count:], upper=False)  # L⁻¹ K_uf
    mean = at.mean[count:] + across.mT @ whitened_mean
    own = torch.diagonal(at.covariance)[count:]
    variance = own - (across**2).sum(0) + ((whitened_root.mT @ across) ** 2).sum(0)
    return root, whitened_root, mean, variance


def _sparse(at: Declared, y: Any, jitter: float, beta: float, count: int) -> Declaration:
    """u ~ N(m_u, K_uu + jitter), q(u) of the whitened q, and y_n at points of q(f_n)."""
    root, whitened_root, mean, variance = _marginals(at, y, jitter)
    inducing = len(root)
    prior = MultivariateNormal(at.mean[:inducing], _inverse(root))
    assert at.q is not None
    q = MultivariateNormal(at.mean[:inducing] + root @ at.q[0], _inverse(root @ whitened_root))
    average: Any = Average
    weights, observed = _observed(at, y, mean, variance)
    return Declaration(
        (
            Factor("u", average(_first(prior, 2), _first(q, 2)), under="u", weight=beta),
            Factor("y", *observed, under="u"),
        ),
        q=Latents("u", weights=weights, entropy=_first(q, 1), plate=None),
        entropy_weight=beta,
        penalties=at.penalties,
        data=count,
    )


def _observed(at: Declared, y: Any, mean: Any, variance: Any) -> tuple[Any, tuple[Any, Any]]:
    """(weights (1, S) of points of q(f_n), two or those of quadrature; the distribution of y and its value there)."""
    import torch

    deviation = torch.sqrt(variance)
    if at.noise is not None:
        points = torch.stack([mean + deviation, mean - deviation], dim=1)
        return torch.full((1, 2), 0.5, dtype=y.dtype), _residuals(at, y, points)
    nodes, weights = _nodes(at.nodes)
    points = mean[:, None] + np.sqrt(2.0) * deviation[:, None] * nodes
    density = torch.special.log_ndtr((2.0 * y - 1.0)[:, None] * points)
    return (weights / weights.sum())[None], (LogDensity(density), None)


def _residuals(at: Declared, y: Any, points: Any) -> tuple[Any, Any]:
    """N(y; f, σ²) as N(y − f; 0, σ²), whose natural parameters are those of the noise alone."""
    return Normal(0.0 * points[:1, :1], at.noise + 0.0 * points[:1, :1]), y[:, None] - points


def _jitter(at: Declared, y: Any, jitter: float) -> Any:
    """What the jitter on the variance of f adds to the bound, nats per datum."""
    _, _, mean, variance = _marginals(at, y, jitter)
    if at.noise is not None:
        return -0.5 * jitter / at.noise
    found = []
    for each in (variance + jitter, variance):
        weights, (density, _) = _observed(at, y, mean, each)
        found.append((weights * density.values).sum() / len(y))
    return found[0] - found[1]


def _inverse(root: Any) -> Any:
    """C with C Cᵀ = (L Lᵀ)⁻¹: the transposed inverse of L."""
    import torch

    return torch.linalg.inv(root).mT


def _first(normal: MultivariateNormal, axes: int) -> MultivariateNormal:
    """With so many leading axes of size 1."""
    mean, root = normal.mean, normal.precision_cholesky
    return MultivariateNormal(mean.reshape((1,) * axes + mean.shape), root.reshape((1,) * axes + root.shape))
