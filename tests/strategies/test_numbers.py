"""Drawn numbers: the shapes of NumPy, the quantiles of scipy.stats, equal and plain numbers at the simple end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy import stats

from elbocheck.errors import InputError
from elbocheck.strategies.numbers import LEVEL, LIMIT, DrawnGenerator, generator, one_in

PLAN = settings(max_examples=60, derandomize=True, database=None, phases=[Phase.generate], deadline=None)
LEVELS = LEVEL * np.arange(1, 2 * LIMIT + 2)
A, B, P = np.array([0.5, 2.0, 7.0]), np.array([3.0, 1.0, 0.8]), np.array([0.1, 0.5, 0.9])


class EveryLevel:
    """In place of `draw`: all levels in turn, as columns of an array; no arrays are sparse."""

    def __call__(self, strategy: Any) -> Any:
        raise AssertionError(f"nothing is drawn here: {strategy}")


def at_every_level(method: Callable[[DrawnGenerator], np.ndarray], monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """What a method returns if the levels that it asks for, (999, 3), are all that there are."""
    levels = np.repeat(LEVELS[:, None], 3, axis=1)
    monkeypatch.setattr(DrawnGenerator, "_levels", lambda self, size, *parameters: levels)
    return method(DrawnGenerator(EveryLevel()))


CONTINUOUS: dict[str, tuple[Callable[[Any], Any], Any, float]] = {
    "uniform": (lambda rng: rng.uniform(A, A + B, size=(999, 3)), stats.uniform(A, B), 1e-12),
    "normal": (lambda rng: rng.normal(A, B, size=(999, 3)), stats.norm(A, B), 0.0051),
    "lognormal": (lambda rng: rng.lognormal(0.0, B, size=(999, 3)), stats.lognorm(B), 0.0051),
    "exponential": (lambda rng: rng.exponential(B, size=(999, 3)), stats.expon(scale=B), 0.0051),
    "gumbel": (lambda rng: rng.gumbel(A, B, size=(999, 3)), stats.gumbel_r(A, B), 0.0051),
    "gamma": (lambda rng: rng.gamma(A, B, size=(999, 3)), stats.gamma(A, scale=B), 0.0051),
    "beta": (lambda rng: rng.beta(A, B, size=(999, 3)), stats.beta(A, B), 1e-9),
    "pareto": (lambda rng: rng.pareto(A, size=(999, 3)), stats.lomax(A), 0.03),
    "rayleigh": (lambda rng: rng.rayleigh(B, size=(999, 3)), stats.rayleigh(scale=B), 0.0051),
    "weibull": (lambda rng: rng.weibull(A, size=(999, 3)), stats.weibull_min(A), 0.03),
    "vonmises": (lambda rng: rng.vonmises(0.0, A, size=(999, 3)), stats.vonmises(A), 0.0101),
}
"""Name -> (call, distribution, most that rounding changes, relative to what is larger: the number or 1)."""
DISCRETE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "poisson": (lambda rng: rng.poisson(A, size=(999, 3)), stats.poisson(A)),
    "binomial": (lambda rng: rng.binomial(6, P, size=(999, 3)), stats.binom(6, P)),
    "negative_binomial": (lambda rng: rng.negative_binomial(A, P, size=(999, 3)), stats.nbinom(A, P)),
    "geometric": (lambda rng: rng.geometric(P, size=(999, 3)), stats.geom(P)),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_quantiles_are_those_of_the_distribution(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, distribution, most = CONTINUOUS[name]
    some = slice(None, None, 37)
    drawn = at_every_level(call, monkeypatch)[some]
    exact, others = (distribution.ppf(LEVELS[some, None] + more) for more in (0.0, 0.02))
    if name == "lognormal":
        drawn, exact, others = np.log(drawn), np.log(exact), np.log(others)
    scale = most * np.maximum(np.maximum(np.abs(exact), 1.0), B)
    assert np.all(np.abs(drawn - exact) <= scale)
    assert not np.any(np.all(np.abs(drawn - others) <= scale, axis=0))


@pytest.mark.parametrize("name", DISCRETE)
def test_counts_are_the_quantiles(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, distribution = DISCRETE[name]
    np.testing.assert_array_equal(at_every_level(call, monkeypatch), distribution.ppf(LEVELS[:, None] - 1e-9))


METHODS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "integers": (lambda rng: rng.integers(2, 9, size=(3, 2)), lambda x: (x >= 2) & (x < 9)),
    "integers below": (lambda rng: rng.integers(4), lambda x: (x >= 0) & (x < 4)),
    "random": (lambda rng: rng.random((4, 2)), lambda x: (x > 0.0) & (x < 1.0)),
    "uniform": (lambda rng: rng.uniform(-1.0, 3.0, 5), lambda x: np.abs(x - 1.0) < 2.0),
    "normal": (lambda rng: rng.normal(size=()), lambda x: np.abs(x) < 3.1),
    "lognormal": (lambda rng: rng.lognormal(0.0, B), lambda x: x > 0.0),
    "exponential": (lambda rng: rng.exponential(B), lambda x: x > 0.0),
    "laplace": (lambda rng: rng.laplace(0.0, B), lambda x: x != 0.0),
    "laplace, one": (lambda rng: rng.laplace(), lambda x: x != 0.0),
    "gumbel": (lambda rng: rng.gumbel(size=7), lambda x: np.abs(x) < 7.0),
    "gamma": (lambda rng: rng.gamma(A, B), lambda x: x > 0.0),
    "standard_gamma": (lambda rng: rng.standard_gamma(A), lambda x: x > 0.0),
    "beta": (lambda rng: rng.beta(A, B), lambda x: (x > 0.0) & (x < 1.0)),
    "dirichlet": (lambda rng: rng.dirichlet(B, size=5), lambda x: np.abs(x.sum(-1) - 1.0) < 1e-14),
    "pareto": (lambda rng: rng.pareto(A), lambda x: x > 0.0),
    "rayleigh": (lambda rng: rng.rayleigh(B), lambda x: x > 0.0),
    "weibull": (lambda rng: rng.weibull(A), lambda x: x > 0.0),
    "wald": (lambda rng: rng.wald(A, B), lambda x: x > 0.0),
    "vonmises": (lambda rng: rng.vonmises(3.0, A), lambda x: np.abs(x) <= np.pi),
    "poisson": (lambda rng: rng.poisson(A), lambda x: x >= 0),
    "binomial": (lambda rng: rng.binomial(np.array([0, 3, 5]), P), lambda x: (x >= 0) & (x <= [0, 3, 5])),
    "negative_binomial": (lambda rng: rng.negative_binomial(A, P), lambda x: x >= 0),
    "geometric": (lambda rng: rng.geometric(P), lambda x: x >= 1),
    "multinomial": (lambda rng: rng.multinomial(5, [0.2, 0.0, 0.8], size=4), lambda x: x.sum(-1) == 5),
    "choice": (lambda rng: rng.choice([-1.0, 1.0], (2, 3)), lambda x: np.abs(x) == 1.0),
    "choice, weighted": (lambda rng: rng.choice(3, 4, p=[0.5, 0.0, 0.5]), lambda x: x != 1),
    "choice, distinct": (lambda rng: rng.choice(5, 3, replace=False), lambda x: len(set(x.tolist())) == 3),
    "permutation": (lambda rng: rng.permutation(4), lambda x: np.sort(x) == np.arange(4)),
}


@pytest.mark.parametrize("name", METHODS)
def test_shapes_are_those_of_numpy_and_values_in_range(name: str) -> None:
    call, in_range = METHODS[name]
    shape, found = np.shape(call(np.random.default_rng(0))), []

    @PLAN
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        drawn = call(generator(data.draw))
        assert np.shape(drawn) == shape
        assert np.all(np.isfinite(drawn))
        assert np.all(in_range(drawn))
        found.append(np.array(drawn).tolist())

    collect()
    assert len({str(one) for one in found}) > (2 if np.size(found[0]) == 1 and "integers" in name else 5)


def simplest(call: Callable[[Any], Any]) -> Any:
    """The value at the simplest of everything that is drawn, which Hypothesis tries first."""
    found = []

    @settings(PLAN, max_examples=1)
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        found.append(np.array(call(generator(data.draw))).tolist())

    collect()
    return found[0]


def test_the_simplest_numbers_are_equal_and_plain() -> None:
    assert simplest(lambda rng: rng.normal(size=(2, 2))) == [[0.0, 0.0], [0.0, 0.0]]
    assert simplest(lambda rng: rng.random(2)) == [0.5, 0.5]
    assert simplest(lambda rng: rng.exponential(2.0, size=1)) == [2 * 0.693]
    assert simplest(lambda rng: rng.integers(3, 6, size=2)) == [3, 3]
    assert simplest(lambda rng: rng.permutation(3)) == [0, 1, 2]
    assert simplest(lambda rng: rng.dirichlet(np.ones(4))) == [0.25] * 4


def test_arrays_are_sometimes_all_different_and_sometimes_mostly_equal() -> None:
    kinds = []

    @settings(PLAN, max_examples=100)
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        kinds.append(len(np.unique(generator(data.draw).normal(size=40))))

    collect()
    assert max(kinds) > 30
    assert min(kinds) == 1
    assert sum(1 < kind < 20 for kind in kinds) > 10


def test_one_in_says_how_often() -> None:
    drawn: list[bool] = []

    @settings(PLAN, max_examples=200)
    @given(st.lists(one_in(7), min_size=20, max_size=20))
    def collect(several: list[bool]) -> None:
        drawn.extend(several)

    collect()
    assert 0.6 / 7 < np.mean(drawn) < 1.4 / 7


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rng: rng.integers(0), "there are none from 0 to -1"),
        (lambda rng: rng.integers(3, 3), "there are none from 3 to 2"),
        (lambda rng: rng.choice(3, 2, replace=False, p=[1.0, 0.0, 0.0]), "got p"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(DrawnGenerator(EveryLevel()))
