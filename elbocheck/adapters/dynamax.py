"""dynamax: `LinearGaussianSSM` and `GaussianHMM`, sequences of one length, no inputs.

The ELBO under test is the mean of `marginal_log_prob` over the sequences, at any parameters in the chart that the
library's own `fit_sgd` trains (`to_unconstrained`). With the exact posterior over paths, which elbocheck computes by
itself, it is the log likelihood, and where `fit_em`, the training under test, stops, it has to be the sum of entropies.

`psd_solve` adds 1e-9 to the diagonal of what it solves. What this adds to the likelihood, and to each gap where EM
stops, is the difference of two filters and smoothers of elbocheck's own, one with it and one without: named and
subtracted. The priors of a `GaussianHMM` move its M-step; the gaps that they leave are named and subtracted, too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbocheck.adapters.chains import pseudo_counts
from elbocheck.adapters.dynamax_linear import Beta, Params, boosts, linear, linear_evidence
from elbocheck.adapters.settling import until_settled
from elbocheck.backends import require
from elbocheck.backends.namespace import Array, double_precision
from elbocheck.bound.departures import Departure
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.bound.trees import leaves, rebuilt
from elbocheck.errors import InputError
from elbocheck.families import Categorical, MultivariateNormal
from elbocheck.models.variational.chain import pairs, path_posterior

MOST = 600
"""Times by states of a linear system: its posterior is one Gaussian, at twice as many points."""
STEPS = 2000
"""Steps of EM between two looks at whether the parameters still move: each call of `fit_em` compiles it again."""


@dataclass(frozen=True)
class Kind:
    """What is particular to one class of models."""

    factors: Callable[[Any, Array, Beta], Declaration]
    """(the library's parameters, sequences (N, T, D), β of a block) -> what the bound is made of."""

    evidence: Callable[[Any, Array], Array]
    """The same -> (1/N) log p(y), by a computation of its own."""

    departures: Callable[[Any, Array, Callable[[Params], Any], Callable[[Params], Params]], tuple[Departure, ...]]
    """(model, sequences, parameters of the problem -> the library's, one step of EM) -> what is known of it."""


def problem(
    model: Any, params: Any, properties: Any, emissions: Any, *, iterations: int = 20000, label: str = ""
) -> Problem:
    """The problem of a model at `params` with `properties`, as `initialize` returns them, and `emissions` (N, T, D).

    One sequence may be (T, D); a datum is one sequence. What is not trainable by its properties is not trained here.
    `iterations`: most EM steps of `fit`. Model and parameters are copied, and everything is computed in double
    precision. Raises `InputError` for other classes, inputs, parameters that change with time, diagonals as emission
    covariances, and sequences that do not fit or are too long for one Gaussian over all states.
    """
    require("dynamax", "the dynamax adapter needs dynamax", "dynamax")
    with double_precision():
        import jax
        import jax.numpy as jnp

        kind, model = _kind(model), _in_double_precision(model)
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=float), params)
        y = np.asarray(emissions, dtype=float)
        y = y[None] if y.ndim == 2 else y
        _check(model, params, y)
        each = _each(properties)
        charts = {name: each[name].constrainer for name, leaf in leaves(params).items() if leaf.size}
        start = {name: np.asarray(value) for name, value in _unconstrained(params, charts).items()}

    def own(given: Params) -> Any:
        """The library's parameters."""
        return rebuilt(
            params, {name: value if (to := charts[name]) is None else to(value) for name, value in given.items()}
        )

    def of_rows(given: Params, rows: Any) -> Any:
        return jax.vmap(lambda one: model.marginal_log_prob(own(given), one))(jnp.asarray(y[rows])).mean()

    def train(given: Params, steps: int = STEPS) -> Params:
        trained, _ = model.fit_em(own(given), properties, jnp.asarray(y), num_iters=steps, verbose=False)
        return _unconstrained(trained, charts)

    return Problem(
        params=start,
        elbo=lambda given: of_rows(given, slice(None)),
        factors=lambda given: kind.factors(own(given), jnp.asarray(y), lambda name: _beta(given, name, charts)),
        fit=lambda given: until_settled(train, given, iterations, STEPS),
        log_evidence=lambda given: kind.evidence(own(given), jnp.asarray(y)),
        free={name: each[name].trainable for name in start},
        subset=of_rows,
        departures=kind.departures(model, y, own, lambda given: train(given, 1)),
        library="jax",
        label=label or f"{type(model).__name__} on {len(y)} sequences of {y.shape[1]}",
    )


def _kind(model: Any) -> Kind:
    from dynamax.hidden_markov_model import GaussianHMM
    from dynamax.linear_gaussian_ssm import LinearGaussianConjugateSSM, LinearGaussianSSM

    if isinstance(model, LinearGaussianSSM) and not isinstance(model, LinearGaussianConjugateSSM):
        return Kind(linear, linear_evidence, boosts)
    if isinstance(model, GaussianHMM):
        return Kind(_hidden, _hidden_evidence, _priors)
    raise InputError(f"no adapter for {type(model).__name__}; LinearGaussianSSM and GaussianHMM are supported")


def _check(model: Any, params: Any, y: np.ndarray) -> None:
    if y.ndim != 3 or y.shape[1] < 2 or not len(y) or y.shape[2:] != model.emission_shape:
        raise InputError(
            f"emissions must be (N, T, D) or (T, D) with T ≥ 2 and D = {model.emission_shape[0]}; got {y.shape}"
        )
    if not np.isfinite(y).all():
        raise InputError("emissions must be finite: dynamax has no missing values")
    if not hasattr(params, "dynamics"):
        return
    if model.input_dim:
        raise InputError(f"inputs are not supported; got a model with input_dim = {model.input_dim}")
    shapes = {name: leaf.ndim for name, leaf in leaves(params).items() if leaf.size}
    wrong = [name for name, axes in shapes.items() if axes != (1 if name.endswith(("mean", "bias")) else 2)]
    if wrong:
        raise InputError(f"parameters that change with time and diagonals as covariances are not supported: {wrong}")
    if y.shape[1] * model.state_dim > MOST:
        raise InputError(f"T × state_dim may be {MOST} at most; got {y.shape[1]} × {model.state_dim}")


def _each(properties: Any) -> dict[str, Any]:
    """Path -> properties of a block."""
    found = dict[str, Any]()
    for part, inside in properties._asdict().items():
        found |= {f"{part}.{name}": one for name, one in inside._asdict().items()}
    return found


def _unconstrained(params: Any, charts: Mapping[str, Any]) -> dict[str, Array]:
    """Path -> value in the chart of a block; `to_unconstrained` of the library does not know missing biases."""
    found = leaves(params)
    return {name: found[name] if chart is None else chart.inverse(found[name]) for name, chart in charts.items()}


def _in_double_precision(model: Any) -> Any:
    """A copy whose priors are arrays of float64: models are usually made in single precision."""
    import jax

    model = copy.deepcopy(model)
    for part in vars(model).values():
        for name, value in getattr(part, "__dict__", {}).items():
            if isinstance(value, jax.Array):
                setattr(part, name, value.astype(float))
    return model


def _beta(given: Params, name: str, charts: Mapping[str, Any]) -> dict[str, Array] | None:
    """The direction that multiplies the natural parameters made of a block, or None for a chart of someone's own.

    Logits themselves; for covariances L Lᵀ −½ for the log diagonal of L and −½ L below. A row of a block belongs to
    its own state.
    """
    import jax.numpy as jnp
    from dynamax.utils.bijectors import RealToPSDBijector
    from tensorflow_probability.substrates.jax.bijectors import FillTriangular, SoftmaxCentered

    value, chart = given[name], charts[name]
    if isinstance(chart, SoftmaxCentered):
        return {name: value}
    if not isinstance(chart, RealToPSDBijector):
        return None
    diagonal = FillTriangular().inverse(jnp.eye(int(np.sqrt(2 * value.shape[-1]))))
    return {name: -0.5 * jnp.where(diagonal == 1.0, 1.0, value)}


def _hidden(at: Any, y: Array, beta: Beta) -> Declaration:
    """The exact posterior over paths; its points are the pairs of neighbouring states."""
    import jax.numpy as jnp

    count, length = len(at.initial.probs), y.shape[1]
    fixed = {"x": y[..., 0], "exists_D": jnp.ones(length), "exists_K": jnp.ones(count)}
    latents = pairs(fixed)
    before, after = latents["before"], latents["z"]
    first = jnp.arange(length) == 0
    start, table = jnp.log(at.initial.probs), jnp.log(at.transitions.transition_matrix)
    emissions = _emissions(at)
    log_y = emissions.log_density(y[:, :, None])  # (N, T, K)
    potentials = jnp.where(first[:, None, None], start, table) + log_y[:, :, None, :]
    weights, entropy = path_posterior(potentials, fixed)
    chosen = jnp.einsum("...k,kij->...ij", after, emissions.precision_cholesky)
    return Declaration(
        (
            Factor(
                "start",
                Categorical(start[None, None, None]),
                after,
                ("initial",),
                beta("initial.probs"),
                where=first,
            ),
            Factor(
                "transition",
                Categorical(before @ table),
                after,
                ("transitions",),
                beta("transitions.transition_matrix"),
                where=~first,
                groups=before[:, :, 0],
            ),
            Factor(
                "y",
                MultivariateNormal(after @ emissions.mean, chosen),
                y[:, None],
                ("emissions",),
                beta("emissions.covs"),
                groups=after[:, :, 0],
            ),
        ),
        weights=weights,
        entropy=entropy,
        optimal=True,
    )


def _emissions(at: Any) -> MultivariateNormal:
    """One for each state, (K,)."""
    return MultivariateNormal.from_covariance(at.emissions.means, at.emissions.covs)


def _hidden_evidence(at: Any, y: Array) -> Array:
    """(1/N) Σ log p(y_n), nats per sequence, by the forward algorithm in logarithms."""
    import jax
    import jax.numpy as jnp

    log_y, table = _emissions(at).log_density(y[:, :, None]), jnp.log(at.transitions.transition_matrix)
    ahead = jnp.log(at.initial.probs) + log_y[:, 0]
    for t in range(1, y.shape[1]):
        ahead = jax.nn.logsumexp(ahead[:, :, None] + table, axis=1) + log_y[:, t]
    return jax.nn.logsumexp(ahead, axis=1).mean()


def _priors(
    model: Any, y: np.ndarray, own: Callable[[Params], Any], step: Callable[[Params], Params]
) -> tuple[Departure, ...]:
    """Dirichlet priors of the start and the transitions, and a normal inverse Wishart one of the emissions.

    Its M-step has (n_k + w) Σ_k = Ψ + κ (μ_k − μ₀)(μ_k − μ₀)ᵀ + the scatter about μ_k, w = ν + D + 2: gap_y is
    (1/2N) Σ_k [tr Σ_k⁻¹ (Ψ + κ (μ_k − μ₀)(μ_k − μ₀)ᵀ) − w D].
    """
    prior, data = model.emission_component, len(y)
    alphas = (model.initial_component.initial_probs_concentration, model.transition_component.concentration)

    def gaps(given: Params) -> dict[str, float]:
        found = own(given).emissions
        means, covariances = np.asarray(found.means), np.asarray(found.covs)
        offset, size = means - np.asarray(prior.emission_prior_mean), means.shape[1]
        pull = float(prior.emission_prior_conc) * offset[:, :, None] * offset[:, None, :]
        spread = np.asarray(prior.emission_prior_scale) + pull
        total = np.trace(np.linalg.solve(covariances, spread), axis1=1, axis2=2)
        return {"y": float((total - (float(prior.emission_prior_df) + size + 2.0) * size).sum() / (2.0 * data))}

    return (
        *pseudo_counts("initial_probs_concentration", alphas[0], "start", lambda p: _log(own(p).initial.probs), data),
        *pseudo_counts(
            "transition_matrix_concentration",
            alphas[1],
            "transition",
            lambda p: _log(own(p).transitions.transition_matrix),
            data,
        ),
        Departure("the normal inverse Wishart prior of the emissions", gaps),
    )


def _log(probabilities: Any) -> np.ndarray:
    return np.log(np.asarray(probabilities, dtype=float))
