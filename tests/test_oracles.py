"""Every cell against NumPy, SciPy and scikit-learn: evidence, F, S, δ and stationary points known in closed form.

Nothing below uses elbocheck's factors, families or posteriors: parameters are read from a sample and everything else
is computed anew. For discrete latents log p(x, z) is a table (N, M) over enumerated states, for PPCA a Gaussian.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest
import scipy.special
import scipy.stats

from elbocheck import decompose
from elbocheck.models import CELLS, find_cell
from elbocheck.models.sample import Cell, Sample, random_sample
from elbocheck.solver import certify

NATS_2PIE = float(np.log(2 * np.pi * np.e))
COUNTS = np.arange(2000)[:, None, None]  # rates stay far below
SIZES = ((7, 3, 2), (1, 1, 1), (3, 2, 2), (8, 3, 1))
"""(N, D, K): all below capacity, so that padding is always present; a single datum and one latent among them."""
terms = functools.partial(
    decompose,
)  # values only, so no Hessian to compile
KINDS = ("full", "tied", "diagonal", "spherical")
by_cell = pytest.mark.parametrize(
    "cell", [pytest.param(c, id=c.name, marks=pytest.mark.xdist_group(f"oracles-{c.model.name}")) for c in CELLS]
)


def draw(cell: Cell, sizes: tuple[int, int, int], seed: int = 0) -> Sample:
    """Unequal weights (one of them zero), parameters as drawn."""
    data, observed, latents = sizes
    rng = np.random.default_rng((seed, *sizes))
    weights = rng.exponential(size=data)
    weights[1:2] = 0.0
    return random_sample(cell, cell.model.simulate(rng, data, observed, latents), latents, seed, weights)


def close(value: float, oracle: float) -> bool:
    """Both sides are sums of a few hundred terms, of which the largest are about as large as the sum."""
    return abs(value - oracle) <= 1e-13 * (10.0 + abs(oracle))


def states(sample: Sample) -> np.ndarray:
    """(M, K): binary vectors with the first unit running fastest, or one row per component."""
    count = sample.latents
    if sample.cell.model.name != "sbn":
        return np.eye(count)
    return np.array(list(itertools.product((0.0, 1.0), repeat=count)))[:, ::-1]


def log_prior(sample: Sample) -> np.ndarray:
    """log p(z) of every state (M,)."""
    if sample.cell.model.name != "sbn":
        return scipy.special.log_softmax(sample.params["logits"])
    p = scipy.special.expit(sample.params["prior_logits"])
    return scipy.stats.bernoulli.logpmf(states(sample), p).sum(-1)


def covariances(sample: Sample) -> np.ndarray:
    """Σ_c of a Gaussian mixture, (K, D, D)."""
    params, (_, observed, count) = sample.params, sample.sizes
    if "log_variances" in params:
        return np.exp(params["log_variances"]).reshape(count, -1, 1) * np.eye(observed)
    diagonal = np.exp(params["precision_log_diagonal"])[..., None] * np.eye(observed)
    factors = diagonal + np.tril(params["precision_lower"], -1)
    result = np.linalg.inv(factors @ np.swapaxes(factors, -1, -2))
    return np.broadcast_to(result, (count, observed, observed))


def observed_probabilities(sample: Sample) -> np.ndarray:
    """p(x_d = 1 | z) of a belief network, (M, D)."""
    return scipy.special.expit(states(sample) @ sample.params["weights"].T + sample.params["bias"])


def log_likelihood(sample: Sample) -> np.ndarray:
    """log p(x_n | z_m), (N, M)."""
    x, params, name = sample.x, sample.params, sample.cell.model.name
    if name == "sbn":
        return scipy.stats.bernoulli.logpmf(x[:, None], observed_probabilities(sample)).sum(-1)
    if name == "poisson-mixture":
        return scipy.stats.poisson.logpmf(x[:, None], np.exp(params["log_rates"])).sum(-1)
    pairs = zip(params["means"], covariances(sample), strict=True)
    columns = [scipy.stats.multivariate_normal(m, c).logpdf(x).reshape(-1) for m, c in pairs]
    return np.stack(columns, axis=1)


def observation_entropy(sample: Sample) -> np.ndarray:
    """H[p(x | z_m)], (M,)."""
    name, params = sample.cell.model.name, sample.params
    if name == "sbn":
        p = observed_probabilities(sample)
        return (scipy.special.entr(p) + scipy.special.entr(1 - p)).sum(-1)
    if name == "poisson-mixture":
        return scipy.special.entr(scipy.stats.poisson.pmf(COUNTS, np.exp(params["log_rates"]))).sum((0, 2))
    return 0.5 * (sample.sizes[1] * NATS_2PIE + np.linalg.slogdet(covariances(sample))[1])


def base_measure(sample: Sample) -> np.ndarray:
    """log h(x_n) − E log h(x) under p(x | z_m), (N, M): zero but for counts, where h(x) = 1 / x! (THEORY section 2)."""
    if sample.cell.model.name != "poisson-mixture":
        return np.zeros((1, 1))
    expected = scipy.stats.poisson.pmf(COUNTS, np.exp(sample.params["log_rates"])) * scipy.special.gammaln(COUNTS + 1)
    return expected.sum((0, 2)) - scipy.special.gammaln(sample.x + 1).sum(1, keepdims=True)


def table(sample: Sample) -> np.ndarray:
    """q_n(z_m), (N, M)."""
    name, params = sample.cell.variational.name, sample.params
    if name == "exact":
        return scipy.special.softmax(log_prior(sample) + log_likelihood(sample), axis=1)
    if name == "mean-field":
        p = scipy.special.expit(params["q_logits"])[:, None]
        return np.prod(np.where(states(sample) > 0, p, 1 - p), axis=-1)
    return scipy.special.softmax(params["q_logits"], axis=1)


def discrete(sample: Sample) -> np.ndarray:
    joint, q = log_prior(sample) + log_likelihood(sample), table(sample)
    log_evidence = scipy.special.logsumexp(joint, axis=1)
    entropy_q = scipy.special.entr(q).sum(1)
    divergence = (q * (log_evidence[:, None] - joint)).sum(1) - entropy_q
    entropies = scipy.special.entr(np.exp(log_prior(sample))).sum() + q @ observation_entropy(sample)
    delta = (q * base_measure(sample)).sum(1)
    each = (log_evidence, log_evidence - divergence, entropy_q - entropies, delta)
    return sample.data_weights @ np.stack(each, axis=1)


def posterior(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Mean (N, K) and covariance (K, K) of z given x, by conditioning the joint Gaussian of (z, x)."""
    loadings, covariance = sample.params["loadings"], evidence_covariance(sample)
    gain = np.linalg.solve(covariance, loadings).T
    return (sample.x - sample.params["mean"]) @ gain.T, np.eye(sample.latents) - gain @ loadings


def evidence_covariance(sample: Sample) -> np.ndarray:
    loadings = sample.params["loadings"]
    return loadings @ loadings.T + np.exp(sample.params["log_variance"]) * np.eye(len(loadings))


def gaussian_q(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Means (N, K) and covariances (N, K, K)."""
    params = sample.params
    if sample.cell.variational.name == "exact":
        mean, covariance = posterior(sample)
        return mean, np.broadcast_to(covariance, (len(mean), *covariance.shape))
    scale = np.exp(params.get("q_log_scale", 0.0))
    root = np.exp(params["q_log_diagonal"])[..., None] * np.eye(sample.latents)
    root = scale * (root + np.tril(params.get("q_lower", np.zeros_like(root)), -1))
    return scale * params["q_mean"], root @ np.swapaxes(root, -1, -2)


def linear_gaussian(sample: Sample) -> np.ndarray:
    _, observed, latents = sample.sizes
    evidence = scipy.stats.multivariate_normal(sample.params["mean"], evidence_covariance(sample))
    log_evidence = np.atleast_1d(evidence.logpdf(sample.x))
    (mean, covariance), (exact_mean, exact_covariance) = gaussian_q(sample), posterior(sample)
    shift, ratio = mean - exact_mean, np.linalg.solve(exact_covariance, covariance)
    quadratic = (shift * np.linalg.solve(exact_covariance, shift.T).T).sum(1)
    divergence = 0.5 * (np.trace(ratio, axis1=1, axis2=2) + quadratic - latents - np.linalg.slogdet(ratio)[1])
    entropy_q = 0.5 * (latents * NATS_2PIE + np.linalg.slogdet(covariance)[1])
    entropies = 0.5 * latents * NATS_2PIE + 0.5 * observed * (NATS_2PIE + sample.params["log_variance"])
    each = (log_evidence, log_evidence - divergence, entropy_q - entropies, 0.0 * log_evidence)
    return sample.data_weights @ np.stack(each, axis=1)


def oracle(sample: Sample) -> np.ndarray:
    """(log evidence, F, S, δ)."""
    return linear_gaussian(sample) if sample.cell.model.name == "ppca" else discrete(sample)


def at_exact_posterior(sample: Sample) -> Sample | None:
    """The same model with q at its best; None where the family does not contain the posterior."""
    name = sample.cell.variational.name
    if sample.cell.model.name != "ppca":
        joint = log_prior(sample) + log_likelihood(sample)
        if name == "mean-field":
            return sample.with_params({"q_logits": joint[:, 1:] - joint[:, :1]}) if sample.latents == 1 else None
        return sample.with_params({"q_logits": joint})
    mean, covariance = posterior(sample)
    if name == "diagonal" and sample.latents > 1:
        return None
    scale = 0.4 if name == "scaled" else 0.0
    root = np.exp(-scale) * np.broadcast_to(np.linalg.cholesky(covariance), (len(mean), *covariance.shape))
    params = {
        "q_mean": np.exp(-scale) * mean, "q_log_diagonal": np.log(np.diagonal(root, axis1=1, axis2=2)),
        "q_lower": np.tril(root, -1), "q_log_scale": np.asarray(scale),
    }  # fmt: skip
    return sample.with_params({name: params[name] for name in sample.params.keys() & params.keys()})


@by_cell
def test_elbo_entropy_sum_and_delta(cell: Cell) -> None:
    for seed, sizes in enumerate(SIZES):
        sample = draw(cell, sizes, seed)
        decomposition = terms(sample.problem())
        _, elbo, entropy_sum, delta = oracle(sample)
        assert close(decomposition.elbo, elbo), sizes
        assert close(decomposition.entropy_sum, entropy_sum), sizes
        assert close(decomposition.delta, delta), sizes


@by_cell
def test_exact_posterior_attains_the_evidence_and_no_other_q_exceeds_it(cell: Cell) -> None:
    exact = find_cell(f"{cell.model.name}/exact")
    tight = 0
    for seed, sizes in enumerate(SIZES):
        sample = draw(cell, sizes, seed)
        log_evidence = terms(replace(sample, cell=exact).problem()).elbo
        assert close(log_evidence, oracle(sample)[0])
        if cell is exact:
            continue
        excess = terms(sample.problem()).elbo - log_evidence
        # a mixture of one component leaves q no choice
        assert excess < -1e-3 or (sizes[2] == 1 and "logits" in sample.params and abs(excess) < 1e-13), excess
        best = at_exact_posterior(sample)
        if best is not None:
            tight += 1
            assert close(terms(best.problem()).elbo, log_evidence)
    assert cell is exact or tight >= 2


def ppca_stationary_points(sample: Sample, rng: np.random.Generator) -> list[tuple[tuple[int, ...], bool, Sample, int]]:
    """(subset, whether it is the top one, sample there, number of uphill directions) for every admissible subset."""
    mean = sample.params["mean"] if "mean" in sample.frozen else sample.data_weights @ sample.x
    deviation = sample.x - mean
    values, vectors = np.linalg.eigh((sample.data_weights[:, None] * deviation).T @ deviation)
    values, vectors = values[::-1], vectors[:, ::-1]
    result, observed, latents = [], len(values), sample.latents
    for size in range(latents + 1):
        for subset in itertools.combinations(range(observed), size):
            inside, outside = list(subset), [d for d in range(observed) if d not in subset]
            variance = values[outside].mean()
            if not np.all(values[inside] > variance):
                continue
            rotation = np.linalg.qr(rng.normal(size=(latents, latents)))[0][:size]
            loadings = vectors[:, inside] * np.sqrt(values[inside] - variance) @ rotation
            # a left-out direction goes uphill on an unused latent if it exceeds σ², and in place of a smaller one
            unused = (latents - size) * int(np.sum(values[outside] > variance))
            uphill = unused + int(np.sum(values[outside] > values[inside, None]))
            params = {"loadings": loadings, "mean": mean, "log_variance": np.log(variance)}
            result.append((subset, subset == tuple(range(latents)), sample.with_params(params), uphill))
    return result


@pytest.mark.xdist_group("oracles-ppca")
@pytest.mark.parametrize("frozen", [(), ("mean",)], ids=["free mean", "frozen mean"])
@pytest.mark.parametrize(
    ("name", "sizes"),
    [("exact", (14, 4, 2)), ("exact", (12, 5, 3)), ("exact", (9, 3, 1)), ("exact", (14, 4, 3)), ("full", (7, 4, 2))],
)
def test_all_stationary_points_of_ppca(name: str, sizes: tuple[int, int, int], frozen: tuple[str, ...]) -> None:
    sample = replace(draw(find_cell(f"ppca/{name}"), sizes, 3), frozen=frozen)
    points = ppca_stationary_points(sample, np.random.default_rng(1))
    assert sum(top for _, top, _, _ in points) == 1
    assert len(points) >= 2
    # q of the datum without weight may be anything
    idle = sum(int(np.prod(block.shape({"N": 1, "K": sizes[2]}))) for block in sample.cell.variational.blocks)
    idle -= sizes[2] * (sizes[2] + 1) // 2 * (name == "full")  # of q_lower only what is below the diagonal
    for subset, top, at, uphill in points:
        best = at_exact_posterior(at)
        assert best is not None
        point = certify(best.problem())
        assert point.reason == "", subset
        assert abs(point.decomposition.gap) <= point.decomposition.bound < 1e-9, subset
        assert point.kind == ("maximum" if top else "saddle"), (subset, point.inertia)
        assert point.inertia.positive == uphill, (subset, point.inertia)
        # rotations of the latents: the dimension of the set of |S| orthonormal rows in K dimensions
        assert point.inertia.zero - idle == len(subset) * sizes[2] - len(subset) * (len(subset) + 1) // 2, subset


@pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.xdist_group(f"oracles-gmm-{k}")) for k in KINDS])
def test_scikit_learn_converges_to_the_entropy_sum(kind: str) -> None:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(5)
    x = rng.normal(size=(22, 2)) @ np.array([[1.0, 0.4], [0.0, 0.7]])
    x[::2] += [2.0, -1.0]
    options = {"tol": 0.0, "reg_covar": 0.0, "max_iter": 3000, "random_state": 0}
    fit = GaussianMixture(2, covariance_type=kind.removesuffix("onal"), **options)
    with warnings.catch_warnings():  # tol = 0 never counts as converged
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit.fit(x)
    params = {"logits": np.log(fit.weights_), "means": fit.means_}
    if kind in ("full", "tied"):
        factor = np.linalg.cholesky(fit.precisions_)
        params["precision_log_diagonal"] = np.log(np.diagonal(factor, axis1=-2, axis2=-1))
        params["precision_lower"] = np.tril(factor, -1)
    else:
        params["log_variances"] = np.log(fit.covariances_)
    decomposition = terms(Sample.checked(find_cell(f"gmm-{kind}/exact"), x, 2, params).problem())
    assert decomposition.elbo == pytest.approx(fit.score(x), rel=1e-10)
    assert abs(decomposition.gap) <= decomposition.bound < 1e-10
