"""Drawn members of every family and drawn data: valid, in the support, and of the distribution that they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, settings
from scipy import stats

from elbocheck.drawing import draw_many
from elbocheck.errors import InputError
from elbocheck.families import FAMILIES, Bernoulli, Categorical, Dirichlet, MultivariateNormal, Normal, Wishart
from elbocheck.strategies import datasets, distributions, responsibilities
from elbocheck.strategies.members import RECIPES
from elbocheck.strategies.numbers import LEVEL, LIMIT, DrawnGenerator
from support.oracles import CASES

PLAN = settings(max_examples=400, derandomize=True, database=None, phases=[Phase.generate, Phase.shrink], deadline=None)
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.family)
LEVELS = LEVEL * np.arange(1, 2 * LIMIT + 2)


def test_every_family_has_a_recipe() -> None:
    assert set(RECIPES) == set(FAMILIES)


@every_family
@pytest.mark.parametrize("shape", [(), (3,), (2, 1)], ids=str)
def test_members_have_the_shape_that_was_asked_for(family: Any, shape: tuple[int, ...]) -> None:
    members = draw_many(distributions(family=family, shape=shape), 15)
    assert all(type(one) is family for one in members)
    for one in members:
        assert np.shape(one.log_partition()) == shape
        assert np.all(np.isfinite(one.entropy()))
        for eta in one.natural_parameters():
            assert np.all(np.isfinite(eta))
            assert np.shape(eta)[: len(shape)] == shape
    assert len({str(one) for one in members}) > 8


@every_family
def test_data_are_in_the_support(family: Any) -> None:
    """log p is finite by elbocheck and by scipy.stats, which gives −∞ outside the support."""
    for one in draw_many(datasets(family=family, min_dims=2), 15):
        assert one.name == family.family
        batch, length = ((), one.x.shape[-1]) if family.event_ndim else ((one.x.shape[1],), 0)
        member = RECIPES[family].member(np.random.default_rng(0), batch, length)
        if hasattr(member, "trials"):
            member = type(member)(member.logits, 12)
        if family.family == "Pareto":
            member = type(member)(member.shape, 0.1)
        if family.family == "multinomial":
            member = type(member)(member.logits, int(one.x[0].sum()))
        assert np.all(np.isfinite(member.log_density(one.x)))
        if family.event_ndim == 0 and family.family != "Pareto":
            assert np.all(np.isfinite(logarithm(CASES[family].scipy(member), one.x)))


def logarithm(frozen: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(frozen.logpmf(x) if hasattr(frozen, "logpmf") else frozen.logpdf(x))


SCALARS = [family for family in FAMILIES if family.event_ndim == 0]


@pytest.mark.parametrize("family", SCALARS, ids=lambda one: one.family)
def test_values_have_the_distribution_of_their_member(family: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all levels the shares of values between five points are those of scipy.stats (angles begin anywhere)."""
    monkeypatch.setattr(DrawnGenerator, "_levels", lambda self, size, *parameters: LEVELS)
    rng: Any = DrawnGenerator(None)  # type: ignore[arg-type]
    count = len(LEVELS)
    if family.family in ("inverse Gaussian", "Laplace"):  # which take two numbers each, of which all pairs count
        rng, count = np.random.default_rng(0), 20_000
    member = RECIPES[family].member(np.random.default_rng(1), (1,), 0)
    values, frozen = RECIPES[family].values(rng, member, (count, 1)), CASES[family].scipy(member)
    points = np.quantile(values, [0.1, 0.3, 0.5, 0.7, 0.9])
    below = np.mean(np.ravel(values)[:, None] <= points, axis=0)
    np.testing.assert_allclose(np.diff(below), np.diff(np.ravel(frozen.cdf(points))), atol=0.015)


def test_rows_of_vectors_are_values() -> None:
    for one in draw_many(datasets(family=Categorical), 15):
        assert np.all(np.sort(one.x, axis=1)[:, :-1] == 0.0)
        assert np.all(one.x.sum(axis=1) == 1.0)
    for one in draw_many(datasets(family=Dirichlet), 15):
        assert np.all(one.x > 0.0)
        np.testing.assert_allclose(one.x.sum(axis=1), 1.0, rtol=1e-14)
    for one in draw_many(datasets(family="multinomial"), 15):
        assert len(np.unique(one.x.sum(axis=1))) == 1
        assert np.all((one.x >= 0.0) & (one.x == np.floor(one.x)))


def test_multivariate_normal_data_have_the_precision_of_their_member() -> None:
    member = RECIPES[MultivariateNormal].member(np.random.default_rng(1), (), 3)
    x = RECIPES[MultivariateNormal].values(np.random.default_rng(2), member, (20_000,))
    precision = member.precision_cholesky @ member.precision_cholesky.T
    np.testing.assert_allclose(np.cov(x.T) @ precision, np.eye(3), atol=0.15)
    assert not np.allclose(np.cov(x.T) @ precision.T @ precision, np.eye(3), atol=0.15)


def test_matrices_have_the_mean_statistics_of_their_member() -> None:
    member = RECIPES[Wishart].member(np.random.default_rng(1), (), 3)
    values = RECIPES[Wishart].values(np.random.default_rng(2), member, (20_000,))
    for several, mean in zip(member.sufficient_statistics(values), member.mean_statistics(), strict=True):
        error = np.std(several, axis=0) / np.sqrt(len(values))
        assert np.all(np.abs(several.mean(axis=0) - mean) <= 4.0 * error)
        assert np.all(np.abs(several.mean(axis=0) - 1.05 * mean).max() > 4.0 * error)


def test_data_are_matrices_only_where_those_are_asked_for() -> None:
    assert all(one.x.ndim == 2 for one in draw_many(datasets(), 150))
    for one in draw_many(datasets(family=Wishart, min_data=2, min_dims=2, max_dims=3), 15):
        assert one.x.ndim == 3
        assert one.x.shape[1] == one.x.shape[2] in (2, 3)


def test_simple_ends() -> None:
    first = draw_many(distributions(), 1)[0]
    assert type(first) is Bernoulli
    assert first.logits == 0.0
    found = find(distributions(family="normal", shape=(3,)), lambda one: one.variance[2] > 1.5, settings=PLAN)  # type: ignore[attr-defined]
    assert isinstance(found, Normal)
    assert np.all(found.mean == 0.0)
    assert np.all(found.variance == found.variance[2])
    data = find(datasets(family="normal"), lambda one: len(one.x) > 2 and bool(one.x[2, 0] < -1.0), settings=PLAN)
    assert data.x.shape == (3, 1)
    assert len(np.unique(data.x)) == 1
    assert np.ptp(data.data_weights) == 0.0
    assert find(datasets(), lambda one: True, settings=PLAN).x.shape == (1, 1)


def test_sizes_and_weights_of_data() -> None:
    drawn = draw_many(datasets(min_data=2, max_data=5, min_dims=2, max_dims=3), 80)
    shapes = {one.x.shape for one in drawn}
    assert shapes <= {(n, d) for n in range(2, 6) for d in (2, 3)}
    assert {n for n, _ in shapes} == {2, 3, 4, 5}
    assert {d for _, d in shapes} == {2, 3}
    for one in drawn:
        assert one.data_weights.shape == (len(one.x),)
        assert one.data_weights.sum() == pytest.approx(1.0, rel=1e-14)
    assert any(np.any(one.data_weights == 0.0) for one in drawn)
    assert any(np.ptp(one.data_weights) == 0.0 for one in drawn)
    assert len({one.name for one in drawn}) > 10
    assert all(np.ptp(one.data_weights) > 0.0 for one in draw_many(datasets(min_data=2, weighted=True), 30))
    assert all(np.ptp(one.data_weights) == 0.0 for one in draw_many(datasets(weighted=False), 30))


@pytest.mark.parametrize("name", ["gmm-full", "dirichlet-mixture", "sbn", "hmm-poisson", "vae-symbols"])
def test_data_of_a_model_are_in_its_support(name: str) -> None:
    from elbocheck.models import find_model

    model = find_model(name)
    drawn = draw_many(datasets(model=name), 20)
    assert [one.x.tolist() for one in drawn] == [one.x.tolist() for one in draw_many(datasets(model=model), 20)]
    for one in drawn:
        model.data.check(one.x)
        assert one.x.shape[1] >= model.data.least_observed
    assert len({one.x.shape for one in drawn}) > 8


def test_responsibilities_are_on_the_simplex_and_some_nearly_one_hot() -> None:
    drawn = draw_many(responsibilities(data=4, components=3), 40)
    for rows in drawn:
        assert rows.shape == (4, 3)
        assert np.all(rows > 0.0)
        np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=1e-14)
    assert np.all(drawn[0] == 1.0 / 3.0)
    assert min(rows.min() for rows in drawn) < 1e-20
    assert any(rows.min() > 0.05 and np.ptp(rows) > 0.1 for rows in drawn)
    with_zeros = draw_many(responsibilities(data=4, components=3, zeros=True), 40)
    assert any(np.any(rows == 0.0) for rows in with_zeros)
    assert all(np.allclose(rows.sum(axis=1), 1.0, rtol=1e-14) for rows in with_zeros)


REFUSED = [
    (lambda: distributions(family="gaussian"), r"distributions: family must be one of .*got 'gaussian'"),
    (lambda: distributions(family=stats.norm), "family must be one of"),
    (lambda: distributions(shape=3), "shape must be a tuple of integers; got 3"),
    (lambda: distributions(shape=(2, -1)), "every size of shape must be an integer, 0 at least; got -1"),
    (lambda: distributions(max_length=1), "max_length must be an integer, 2 at least; got 1"),
    (lambda: datasets(family="normal", model="sbn"), "either a family or a model; got 'normal' and 'sbn'"),
    (lambda: datasets(model="gmm"), "unknown model 'gmm'"),
    (lambda: datasets(model=3), "model must be a Model of the catalogue or its name; got 3"),
    (lambda: datasets(min_data=0), "min_data must be a positive integer; got 0"),
    (lambda: datasets(min_data=5, max_data=4), "max_data must be an integer, 5 at least; got 4"),
    (lambda: datasets(max_data=True), "max_data must be a positive integer; got True"),
    (lambda: datasets(min_dims=3, max_dims=2), "max_dims must be an integer, 3 at least; got 2"),
    (lambda: datasets(family="Dirichlet", max_dims=1), "max_dims must be an integer, 2 at least; got 1"),
    (lambda: datasets(weighted="yes"), "weighted must be True, False or None; got 'yes'"),
    (lambda: responsibilities(data=0, components=2), "data must be a positive integer; got 0"),
    (lambda: responsibilities(data=2, components=1.5), "components must be a positive integer; got 1.5"),
    (lambda: responsibilities(data=2, components=2, zeros=None), "zeros must be True or False; got None"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_bad_arguments_are_refused_before_anything_is_drawn(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("strategy", [distributions, datasets, responsibilities])
def test_arguments_have_names(strategy: Any) -> None:
    with pytest.raises(TypeError, match="positional"):
        strategy("normal")
