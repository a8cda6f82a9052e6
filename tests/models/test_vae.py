"""Variational autoencoders and sparse coding: points of q, F, S and evidence, computed anew."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

from elbocheck import decompose
from elbocheck.models.sample import Cell, Sample
from support.oracle_tools import NATS_2PIE, assert_elbo, assert_entropy_sum, by_cell_on_numpy, draw, models, moderate

Params = Mapping[str, np.ndarray]
CELLS = [cell for cell in models("") if cell.model.name.startswith(("vae", "sparse-coding"))]
LINEAR = [cell for cell in CELLS if cell.model.name in ("vae-1", "vae-2") and cell.variational.name.endswith("encoder")]
SPARSE = [cell for cell in CELLS if cell.model.name.startswith("sparse-coding")]
NODES = {"encoder": 5, "mlp-encoder": 5, "hermite": 5, "arbitrary": 5, "mixture": 3}


def standardised(sample: Sample) -> np.ndarray:
    """What encoders see; columns without variance are zero."""
    deviation = sample.x - sample.data_weights @ sample.x
    scale = np.sqrt(sample.data_weights @ deviation**2)
    return deviation / np.where(scale > 0, scale, 1.0)


def gaussians(sample: Sample, params: Params) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """q as a mixture of J diagonal Gaussians: shares (N, J), means and standard deviations (N, J, K)."""
    if "q_means" in params:
        shares = scipy.special.softmax(params["q_logits"], axis=1)
        return shares, params["q_means"], np.exp(params["q_log_deviations"])
    if "q_mean" in params:
        mean, spread = params["q_mean"], params["q_log_diagonal"]
    else:
        features = standardised(sample)
        if "encoder_hidden" in params:
            features = np.tanh(features @ params["encoder_hidden"].T + params["encoder_hidden_bias"])
        mean = features @ params["encoder_mean"].T + params["encoder_mean_bias"]
        spread = features @ params["encoder_spread"].T + params["encoder_spread_bias"]
    return np.ones((len(mean), 1)), mean[:, None], np.exp(spread)[:, None]


def points(sample: Sample, params: Params) -> tuple[np.ndarray, np.ndarray]:
    """(z (N, M, K), weights (N, M)): physicists' Gauss–Hermite nodes, or the samples that the cell holds fixed."""
    shares, means, deviations = gaussians(sample, params)
    if "q_noise" in params:
        z = means + deviations * params["q_noise"]
        return z, np.full(z.shape[:2], 1 / z.shape[1])
    nodes, weights = np.polynomial.hermite.hermgauss(NODES[sample.cell.variational.name])
    grid = np.array(list(itertools.product(np.sqrt(2) * nodes, repeat=sample.latents)))
    each = np.array(list(itertools.product(weights / np.sqrt(np.pi), repeat=sample.latents))).prod(1)
    z = means[:, :, None] + deviations[:, :, None] * grid
    return z.reshape(len(z), -1, sample.latents), (shares[..., None] * each).reshape(len(z), -1)


def entropy_q(sample: Sample, params: Params) -> np.ndarray:
    """(N,): closed form of a Gaussian, or −E log q at the points of a mixture."""
    shares, means, deviations = gaussians(sample, params)
    if shares.shape[1] == 1:
        return (0.5 * NATS_2PIE + np.log(deviations[:, 0])).sum(-1)
    z, weights = points(sample, params)
    log_each = scipy.stats.norm.logpdf(z[:, :, None], means[:, None], deviations[:, None]).sum(-1)
    return -(weights * scipy.special.logsumexp(log_each, b=shares[:, None], axis=2)).sum(1)


def expected_prior(sample: Sample, params: Params) -> tuple[np.ndarray, float]:
    """(E_q log p(z) (N,), H[p(z)])."""
    _, means, deviations = gaussians(sample, params)
    if sample.cell.model.theory.row == "sparse coding":
        scale = np.exp(params.get("prior_log_scales", np.zeros(sample.latents)))
        absolute = scipy.stats.foldnorm(np.abs(means / deviations), scale=deviations).mean()[:, 0]
        return (-np.log(2 * scale) - absolute / scale).sum(-1), float(np.log(2 * np.e * scale).sum())
    variance = np.exp(params.get("prior_log_variances", np.zeros(sample.latents)))
    z, weights = points(sample, params)
    expected = (weights * scipy.stats.norm.logpdf(z, 0, np.sqrt(variance)).sum(-1)).sum(1)
    return expected, float(0.5 * (NATS_2PIE + np.log(variance)).sum())


def observation(sample: Sample, params: Params) -> tuple[np.ndarray, np.ndarray]:
    """(log p(x_n | z), H[p(x | z)]) at the points, (N, M)."""
    features = points(sample, params)[0]
    if "hidden_weights" in params:
        gain = np.exp(params["hidden_gain"])
        features = np.tanh(gain * features @ params["hidden_weights"].T + params["hidden_bias"])
    head = np.tensordot(features, params["loadings"], axes=([-1], [-1])) + params["mean"]
    x = sample.x[:, None]
    if sample.cell.model.theory.families[1] == "Bernoulli":
        p = scipy.special.expit(head)
        log_p = np.where(x > 0, scipy.special.log_expit(head), scipy.special.log_expit(-head))
        return log_p.sum(-1), (scipy.special.entr(p) + scipy.special.entr(1 - p)).sum(-1)
    if sample.cell.model.theory.families[1] == "categorical":
        log_p = scipy.special.log_softmax(head, axis=-1)
        chosen = np.take_along_axis(log_p, x[..., None].astype(int), axis=-1)[..., 0]
        return chosen.sum(-1), scipy.special.entr(np.exp(log_p)).sum((-1, -2))
    log_variance = params["log_variance"] + 0.0 * head
    if "variance_weights" in params:
        log_variance = log_variance + features @ params["variance_weights"].T
    log_p = scipy.stats.norm.logpdf(x, head, np.exp(0.5 * log_variance))
    return log_p.sum(-1), 0.5 * (NATS_2PIE + log_variance).sum(-1)


@by_cell_on_numpy(CELLS)
def test_elbo_and_entropy_sum(cell: Cell) -> None:
    for sample in moderate(cell):
        problem = sample.problem()
        decomposition, params = decompose(problem), sample.unpadded(problem.params)
        (prior, entropy_prior), (log_x, entropy_x) = expected_prior(sample, params), observation(sample, params)
        weights, entropy = points(sample, params)[1], entropy_q(sample, params)
        elbo = sample.data_weights @ (prior + (weights * log_x).sum(1) + entropy)
        assert_elbo(decomposition, float(elbo), sample)
        entropy_sum = sample.data_weights @ (entropy - (weights * entropy_x).sum(1)) - entropy_prior
        assert_entropy_sum(decomposition, float(entropy_sum), sample)
        assert decomposition.delta == 0.0


@by_cell_on_numpy(CELLS)
def test_points_of_q_have_its_moments(cell: Cell) -> None:
    for sample in moderate(cell):
        problem = sample.problem()
        params, (data, _, latents) = sample.unpadded(problem.params), sample.sizes
        found = cell.variational.points(cell.model, problem.params, problem.fixed)
        z, weights = np.asarray(found.latents["z"])[:data], np.asarray(found.weights)[:data]
        assert not z[..., latents:].any()
        # an encoder sees data without weight in a unit of its own where the others are constant
        counts = sample.data_weights > 0
        z, weights = z[counts][..., :latents], weights[counts]
        shares, means, deviations = gaussians(sample, params)
        noise = params.get("q_noise", np.array([-1.0, 1.0])[:, None])  # mean 0, variance 1, unless it was sampled
        mean = (shares[..., None] * means).sum(1) + deviations[:, 0] * noise.mean(-2)
        second = (shares[..., None] * (means**2 + deviations**2)).sum(1)
        if "q_noise" in params:
            second = ((means + deviations * noise) ** 2).mean(1)
        np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-14)
        np.testing.assert_allclose((weights[..., None] * z).sum(1), mean[counts], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose((weights[..., None] * z**2).sum(1), second[counts], rtol=1e-12)
        entropy = np.asarray(found.entropy)[:data][counts]
        np.testing.assert_allclose(entropy, entropy_q(sample, params)[counts], rtol=1e-12, atol=1e-13)


@by_cell_on_numpy(SPARSE)
def test_expected_absolute_values(cell: Cell) -> None:
    """Folded normal distribution, and quadrature, also far from and at zero."""
    sample = draw(cell, (4, 3, 2))
    problem = sample.problem()
    found = cell.variational.points(cell.model, problem.params, problem.fixed)
    _, means, deviations = gaussians(sample, sample.unpadded(problem.params))
    absolute = np.asarray(found.latents["absolute"])[:4]
    assert absolute.shape == (4, 1, 2)
    np.testing.assert_allclose(absolute, scipy.stats.foldnorm(np.abs(means / deviations), scale=deviations).mean())
    for (n, j, k), value in np.ndenumerate(absolute):
        mean, deviation = means[n, j, k], deviations[n, j, k]
        ends = {"a": mean - 12 * deviation, "b": mean + 12 * deviation, "points": [0.0]}
        exact = scipy.integrate.quad(lambda z, m=mean, s=deviation: abs(z) * scipy.stats.norm.pdf(z, m, s), **ends)[0]
        assert value == pytest.approx(exact, rel=1e-9)
    if "q_mean" not in sample.params:
        return
    for mean in (0.0, 1e-12, -3.0, 1e4, -1e4):
        at = sample.with_params({"q_mean": np.full((4, 2), mean)}).problem()
        found = cell.variational.points(cell.model, at.params, at.fixed)
        ratio = abs(mean) / np.exp(sample.params["q_log_diagonal"])
        oracle = scipy.stats.foldnorm(ratio, scale=np.exp(sample.params["q_log_diagonal"])).mean()
        np.testing.assert_allclose(np.asarray(found.latents["absolute"])[:4, 0], oracle, rtol=1e-14)


def evidence(sample: Sample, params: Params) -> tuple[np.ndarray, np.ndarray]:
    """(covariance of x, loadings times prior variances) of a linear Gaussian model."""
    variance = np.exp(params.get("prior_log_variances", np.zeros(sample.latents)))
    cross = params["loadings"] * variance
    noise = np.exp(params["log_variance"]) * np.eye(sample.sizes[1])
    return cross @ params["loadings"].T + noise, cross


@by_cell_on_numpy(LINEAR)
def test_elbo_of_linear_decoders_stays_below_the_evidence(cell: Cell) -> None:
    """Quadrature is exact for them."""
    for sample in moderate(cell):
        params = sample.params
        covariance = evidence(sample, params)[0]
        log_evidence = np.atleast_1d(scipy.stats.multivariate_normal(params["mean"], covariance).logpdf(sample.x))
        assert decompose(sample.problem()).elbo < sample.data_weights @ log_evidence - 1e-3


@by_cell_on_numpy([cell for cell in LINEAR if cell.variational.name == "encoder"])
def test_a_linear_encoder_at_the_exact_posterior_attains_the_evidence(cell: Cell) -> None:
    """One latent: the posterior has a mean linear in x and a constant variance."""
    for sizes in ((9, 3, 1), (6, 2, 1)):
        sample = draw(cell, sizes)
        params = sample.params
        covariance, cross = evidence(sample, params)
        gain = np.linalg.solve(covariance, cross).T
        variance = np.exp(params.get("prior_log_variances", np.zeros(1))) - np.diag(gain @ cross)
        centre = sample.data_weights @ sample.x
        scale = np.sqrt(sample.data_weights @ (sample.x - centre) ** 2)
        best = {
            "encoder_mean": gain * scale,
            "encoder_mean_bias": gain @ (centre - params["mean"]),
            "encoder_spread": np.zeros((1, sizes[1])),
            "encoder_spread_bias": 0.5 * np.log(variance),
        }
        log_evidence = scipy.stats.multivariate_normal(params["mean"], covariance).logpdf(sample.x)
        decomposition = decompose(sample.with_params(best).problem())
        assert_elbo(decomposition, float(sample.data_weights @ log_evidence), sample)


def log_evidence_of_one_latent(x: np.ndarray, params: Params) -> float:
    """log ∫ Laplace(z; λ) N(x; W z + μ, σ² I) dz."""
    scale = float(np.exp(params.get("prior_log_scales", np.zeros(1)))[0])

    def log_joint(z: float) -> float:
        mean = params["loadings"][:, 0] * z + params["mean"]
        log_x = scipy.stats.norm.logpdf(x, mean, np.exp(0.5 * params["log_variance"])).sum()
        return float(log_x - abs(z) / scale - np.log(2 * scale))

    top = max(log_joint(z) for z in np.linspace(-10, 10, 401))
    ends = {"a": -40 * scale, "b": 40 * scale, "points": [-3, -1, 0, 1, 3]}
    return float(top + np.log(scipy.integrate.quad(lambda z: np.exp(log_joint(z) - top), **ends, limit=200)[0]))


@by_cell_on_numpy(SPARSE)
def test_elbo_of_sparse_coding_stays_below_the_evidence(cell: Cell) -> None:
    """Exact expectations of z, z² and |z|; one latent, so that the evidence is an integral over a line."""
    for seed in range(3):
        sample = draw(cell, (4, 2, 1), seed)
        log_evidence = [log_evidence_of_one_latent(x, sample.params) for x in sample.x]
        assert decompose(sample.problem()).elbo < sample.data_weights @ log_evidence - 1e-4
