"""Linear Gaussian models and fits by scikit-learn: evidence, F, S and stationary points known in closed form.

Nothing below uses elbocheck's factors, families or posteriors: parameters are read from a sample and everything else
is computed anew. The other files of this folder do the same for the rest of the catalogue.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import scipy.special
import scipy.stats

from elbocheck import decompose
from elbocheck.backends import get_backend
from elbocheck.models import find_cell
from elbocheck.models.sample import Cell, Sample
from elbocheck.solver import certify
from support.oracle_tools import NATS_2PIE, assert_elbo, assert_entropy_sum, by_cell_on_numpy, draw, models, moderate

Params = Mapping[str, np.ndarray]
LINEAR = [
    cell
    for cell in models("ppca", "factor-analysis")
    if cell.variational.optimal or "q_log_diagonal" in {block.name for block in cell.variational.blocks}
]
"""Those whose q this oracle can tell."""
KINDS = ("full", "tied", "diagonal", "spherical")


def noise(params: Params) -> np.ndarray:
    """Variances of x given z, (D,)."""
    return np.exp(params["log_variance"]) + np.zeros(len(params["loadings"]))


def evidence_covariance(params: Params) -> np.ndarray:
    return params["loadings"] @ params["loadings"].T + np.diag(noise(params))


def posterior(x: np.ndarray, params: Params) -> tuple[np.ndarray, np.ndarray]:
    """Mean (N, K) and covariance (K, K) of z given x, by conditioning the joint Gaussian of (z, x)."""
    loadings = params["loadings"]
    gain = np.linalg.solve(evidence_covariance(params), loadings).T
    return (x - params["mean"]) @ gain.T, np.eye(loadings.shape[1]) - gain @ loadings


def gaussian_q(sample: Sample, params: Params) -> tuple[np.ndarray, np.ndarray]:
    """Means (N, K) and covariances (N, K, K)."""
    if sample.cell.variational.name == "exact":
        mean, covariance = posterior(sample.x, params)
        return mean, np.broadcast_to(covariance, (len(mean), *covariance.shape))
    scale = np.exp(params.get("q_log_scale", 0.0))
    root = np.exp(params["q_log_diagonal"])[..., None] * np.eye(sample.latents)
    root = scale * (root + np.tril(params.get("q_lower", np.zeros_like(root)), -1))
    return scale * params["q_mean"], root @ np.swapaxes(root, -1, -2)


def linear_gaussian(sample: Sample, params: Params) -> np.ndarray:
    """(log evidence, F, S)."""
    evidence = scipy.stats.multivariate_normal(params["mean"], evidence_covariance(params))
    log_evidence = np.atleast_1d(evidence.logpdf(sample.x))
    (mean, covariance), (exact_mean, exact_covariance) = gaussian_q(sample, params), posterior(sample.x, params)
    shift, ratio = mean - exact_mean, np.linalg.solve(exact_covariance, covariance)
    quadratic = (shift * np.linalg.solve(exact_covariance, shift.T).T).sum(1)
    divergence = 0.5 * (np.trace(ratio, axis1=1, axis2=2) + quadratic - sample.latents - np.linalg.slogdet(ratio)[1])
    entropy_q = 0.5 * (sample.latents * NATS_2PIE + np.linalg.slogdet(covariance)[1])
    entropies = 0.5 * sample.latents * NATS_2PIE + 0.5 * (NATS_2PIE + np.log(noise(params))).sum()
    return sample.data_weights @ np.stack((log_evidence, log_evidence - divergence, entropy_q - entropies), axis=1)


def at_exact_posterior(sample: Sample) -> Sample | None:
    """The same model with q at its best; None where the family does not contain the posterior."""
    name, (mean, covariance) = sample.cell.variational.name, posterior(sample.x, sample.params)
    if name == "diagonal" and sample.latents > 1:
        return None
    scale = 0.4 if name == "scaled" else 0.0
    root = np.exp(-scale) * np.broadcast_to(np.linalg.cholesky(covariance), (len(mean), *covariance.shape))
    params = {
        "q_mean": np.exp(-scale) * mean,
        "q_log_diagonal": np.log(np.diagonal(root, axis1=1, axis2=2)),
        "q_lower": np.tril(root, -1),
        "q_log_scale": np.asarray(scale),
    }
    return sample.with_params({name: params[name] for name in sample.params.keys() & params.keys()})


@by_cell_on_numpy(LINEAR)
def test_linear_gaussian_models(cell: Cell) -> None:
    tight = 0
    for sample in moderate(cell):
        problem = sample.problem()
        decomposition = decompose(problem)
        log_evidence, elbo, entropy_sum = linear_gaussian(sample, sample.unpadded(problem.params))
        assert_elbo(decomposition, elbo, sample)
        assert_entropy_sum(decomposition, entropy_sum, sample)
        assert decomposition.delta == 0.0
        best = at_exact_posterior(sample)
        if best is not None:
            tight += 1
            assert_elbo(decompose(best.problem()), log_evidence, sample)
        if not cell.variational.optimal:
            assert decomposition.elbo < log_evidence - 1e-3
    assert tight >= 1


@by_cell_on_numpy(models("mfa"))
def test_mixture_of_factor_analysers(cell: Cell) -> None:
    for sample in moderate(cell):
        problem = sample.problem()
        decomposition, params = decompose(problem), sample.unpadded(problem.params)
        columns, entropies = [], []
        for mean, loadings, log_variance in zip(
            params["means"], params["loadings"], params["log_variances"], strict=True
        ):
            one = {"loadings": loadings, "mean": mean, "log_variance": log_variance}
            columns.append(
                np.atleast_1d(scipy.stats.multivariate_normal(mean, evidence_covariance(one)).logpdf(sample.x))
            )
            prior, observed = loadings.shape[1] * NATS_2PIE, (NATS_2PIE + log_variance).sum()
            entropy_z = prior + np.linalg.slogdet(posterior(sample.x, one)[1])[1]
            entropies.append(0.5 * (entropy_z - prior - observed))
        joint = scipy.special.log_softmax(params["logits"]) + np.stack(columns, axis=1)
        r, prior = scipy.special.softmax(joint, axis=1), scipy.special.softmax(params["logits"])
        evidence = float(sample.data_weights @ scipy.special.logsumexp(joint, axis=1))
        entropy_sum = sample.data_weights @ (scipy.special.entr(r).sum(1) + r @ np.array(entropies))
        assert_elbo(decomposition, evidence, sample)
        assert_entropy_sum(decomposition, float(entropy_sum - scipy.special.entr(prior).sum()), sample)


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


@pytest.mark.parametrize("kind", KINDS)
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
    cell = find_cell(f"gmm-{kind}/exact").on(get_backend("numpy"))
    decomposition = decompose(Sample.checked(cell, x, 2, params).problem())
    assert decomposition.elbo == pytest.approx(fit.score(x), rel=1e-10)
    assert abs(decomposition.gap) <= decomposition.bound < 1e-10
