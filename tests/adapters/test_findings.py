"""What docs/findings.md says of libraries without an adapter, against computations that share nothing with them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy import stats

from support.adapters_data import shipped

FAITHFUL = shipped("old_faithful")
SCALED = (FAITHFUL - FAITHFUL.mean(0)) / FAITHFUL.std(0)


def dynamax_model(mean: tuple[float, float]) -> tuple[Any, Any, Any]:
    """(model, parameters, properties) of a linear Gaussian system whose first state is somewhere else than at 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports
        models = pytest.importorskip("dynamax.linear_gaussian_ssm", reason="dynamax is not installed")
        import jax

        system = models.LinearGaussianSSM(2, 2)
        return system, *system.initialize(jax.random.PRNGKey(0), initial_mean=jax.numpy.asarray(mean))


def dense_log_likelihood(params: Any, y: np.ndarray) -> float:
    """log p(y) of one sequence as one multivariate normal density of SciPy."""
    dynamics, emissions = params.dynamics, params.emissions
    a, b, q = (np.asarray(one) for one in (dynamics.weights, dynamics.bias, dynamics.cov))
    c, d, r = (np.asarray(one) for one in (emissions.weights, emissions.bias, emissions.cov))
    means, covariances = [np.asarray(params.initial.mean)], [np.asarray(params.initial.cov)]
    for _ in range(1, len(y)):
        means.append(a @ means[-1] + b)
        covariances.append(a @ covariances[-1] @ a.T + q)
    steps, size = len(y), len(b)
    states = np.zeros((steps, size, steps, size))
    for t in range(steps):
        block = covariances[t]
        for s in range(t, steps):
            states[s, :, t], states[t, :, s] = block, block.T
            block = a @ block
    observe, whole = np.kron(np.eye(steps), c), states.reshape(steps * size, -1)
    covariance = observe @ whole @ observe.T + np.kron(np.eye(steps), r)
    mean = np.concatenate([c @ one + d for one in means])
    return float(stats.multivariate_normal(mean, covariance).logpdf(y.ravel()))


def double_precision() -> Any:
    jax = pytest.importorskip("jax")
    return jax.enable_x64(True)


def test_dynamax_has_a_wrong_initial_covariance_for_several_sequences() -> None:
    """Σ E x xᵀ − (Σ E x)(Σ E x)ᵀ over N, for E x xᵀ averaged minus the product of the means."""
    with double_precision():
        system, params, props = dynamax_model((0.3, -0.2))
        import jax

        sequences = SCALED[:240].reshape(8, 30, 2) + 1.0

        def likelihood(at: Any) -> float:
            return sum(dense_log_likelihood(at, one) for one in sequences)

        found, _ = jax.vmap(lambda y: system.e_step(params, y))(jax.numpy.asarray(sequences))
        trained, _ = system.m_step(params, props, found, None)
        total, squares, count = (np.asarray(one).sum(0) for one in found[0])
        mean = total / count
        right = squares / count - np.outer(mean, mean)
        wrong = np.asarray(trained.initial.cov)
        if np.allclose(wrong, right, rtol=1e-9):
            pytest.skip("this dynamax has the initial covariance right")
        assert np.allclose(wrong, (squares - np.outer(total, total)) / count, rtol=1e-9)
        assert np.linalg.eigvalsh(right).min() > 0.0 > np.linalg.eigvalsh(wrong).min()
        corrected = trained._replace(initial=trained.initial._replace(cov=right))
        assert likelihood(corrected) > likelihood(params) + 1.0
        gap = 0.5 * (2.0 - np.trace(np.linalg.solve(right, squares / count - np.outer(mean, mean))))
        assert abs(gap) < 1e-13  # E log p(x₁) + H[p(x₁)] after the corrected step
        one = found[0][0][:1], found[0][1][:1], found[0][2][:1]
        single, _ = system.m_step(params, props, (one, *jax.tree.map(lambda leaf: leaf[:1], found[1:])), None)
        assert np.allclose(single.initial.cov, one[1][0] - np.outer(one[0][0], one[0][0]), rtol=1e-9)


def test_dynamax_adds_1e_9_to_what_it_inverts() -> None:
    """The filter's gain, and so the likelihood: off by far more than rounding, and right without the addition."""
    with double_precision():
        system, params, _ = dynamax_model((2.0, -1.0))
        import jax.numpy as jnp
        from dynamax.utils.utils import psd_solve

        a = np.array([[2.0, 0.3], [0.3, 1e-3]])
        a[1, 1] += 0.3**2 / 2.0
        b = np.array([0.0, 1.0])
        relative = np.abs(np.asarray(psd_solve(jnp.asarray(a), jnp.asarray(b))) / np.linalg.solve(a, b) - 1.0).max()
        if relative < 1e-12:
            pytest.skip("this dynamax adds nothing")
        assert relative == pytest.approx(1e-9 / 1e-3, rel=0.1)
        boosted = np.linalg.solve(a + 1e-9 * np.eye(2), b)
        assert np.asarray(psd_solve(jnp.asarray(a), jnp.asarray(b))) == pytest.approx(boosted, rel=1e-12)
        y = SCALED[:30] + 3.0
        off = float(system.marginal_log_prob(params, jnp.asarray(y))) - dense_log_likelihood(params, y)
        assert 1e-9 < abs(off) < 1e-4


def test_scipy_has_a_wrong_entropy_of_the_inverse_wishart_distribution() -> None:
    """Against its own density at its own draws: off by ½ (D² − 1) log 2, so right for numbers only."""
    for size in (1, 2, 3):
        frozen = stats.invwishart(size + 6.0, np.eye(size))
        draws = np.reshape(frozen.rvs(20_000, random_state=0), (-1, size, size))
        sampled = -frozen.logpdf(np.moveaxis(draws, 0, -1))
        off, known = float(frozen.entropy() - sampled.mean()), 0.5 * (size**2 - 1.0) * np.log(2.0)
        error = 5.0 * sampled.std() / np.sqrt(len(sampled))
        if size > 1 and abs(off) < error < known:
            pytest.skip("this SciPy has the entropy right")
        assert abs(off - known) < error < 0.2


def test_pomegranate_accumulates_mixtures_of_doubles_in_single_precision() -> None:
    """Against SciPy: eight digits are right, of parameters and data that are all float64."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    mixtures = pytest.importorskip("pomegranate.gmm", reason="pomegranate is not installed")
    from pomegranate.distributions import Normal

    means, variances = np.array([[2.0, 50.0], [4.3, 80.0]]), np.array([[0.1, 30.0], [0.2, 36.0]])
    components = [
        Normal(torch.as_tensor(mean), torch.as_tensor(variance), covariance_type="diag")
        for mean, variance in zip(means, variances, strict=True)
    ]
    mixture = mixtures.GeneralMixtureModel(components, priors=torch.tensor([0.35, 0.65], dtype=torch.float64))
    found = mixture.log_probability(torch.as_tensor(FAITHFUL)).numpy()
    each = [
        np.log(weight) + stats.norm(mean, np.sqrt(variance)).logpdf(FAITHFUL).sum(1)
        for weight, mean, variance in zip((0.35, 0.65), means, variances, strict=True)
    ]
    off = np.abs(found - np.logaddexp(*each)).max()
    if off < 1e-12:
        pytest.skip("this pomegranate keeps double precision")
    alone = components[0].log_probability(torch.as_tensor(FAITHFUL)).numpy()
    assert alone + np.log(0.35) == pytest.approx(each[0], abs=1e-12)  # a component alone is right
    assert 1e-8 < off < 1e-5
