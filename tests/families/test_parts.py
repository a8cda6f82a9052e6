"""What families say of their log densities, `Parts`, against the log densities themselves."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest

from elbocheck.backends import namespace as namespaces
from elbocheck.backends.namespace import FLOATS, Array
from elbocheck.families import FAMILIES, MultivariateNormal, Normal
from elbocheck.families.base import PLAIN, Parts, parts_of
from support.oracles import CASES

every_family = pytest.mark.parametrize("family", FAMILIES)
POINTS = np.array([0.3, 0.35, 0.4, 0.45])
"""t, at which log p(t) and log p(eᵗ) + t are looked at."""


def first(family: Any) -> Any:
    """The first member of a family's case."""
    case = CASES[family].distribution
    return replace(
        case, **{one.name: getattr(case, one.name)[0] for one in fields(case) if np.ndim(getattr(case, one.name))}
    )


def is_quadratic(values: np.ndarray) -> bool:
    """Whether numbers at equal distances are those of a quadratic function, and of no linear one."""
    second, third = np.diff(values, 2), np.diff(values, 3)
    return bool(np.all(np.abs(second) > 1e-9) and np.all(np.abs(third) <= 1e-6 * np.abs(second).max()))


def what_is_gaussian(distribution: Any) -> str:
    """ "u" or "log u" for scalar families with such a log density, else ""."""
    with np.errstate(all="ignore"):
        if is_quadratic(distribution.log_density(POINTS)):
            return "u"
        return "log u" if is_quadratic(distribution.log_density(np.exp(POINTS)) + POINTS) else ""


@every_family
def test_the_gaussian_part(family: Any) -> None:
    distribution = first(family)
    if family is MultivariateNormal:
        size = len(distribution.mean)
        along = np.array([distribution.log_density(t * np.ones(size)) for t in POINTS])
        assert is_quadratic(along)
        assert parts_of(distribution).gaussian == "u"
    elif distribution.event_ndim:
        assert parts_of(distribution).gaussian == ""
    else:
        assert parts_of(distribution).gaussian == what_is_gaussian(distribution)


@every_family
def test_the_constant_with_pi(family: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution, value = first(family), CASES[family].values[0, 0]
    before = distribution.log_density(value)
    known = namespaces.numpy_namespace()
    other = replace(known, constants=replace(FLOATS, log_2pi=FLOATS.log_2pi + 1.0))
    monkeypatch.setattr(namespaces, "numpy_namespace", lambda: other)
    assert bool(np.all(distribution.log_density(value) != before)) == parts_of(distribution).log_pi


@every_family
def test_names_of_parameters(family: Any) -> None:
    names, parts = {one.name for one in fields(family)}, parts_of(family)
    assert parts.mean_and_variance == ({"mean", "variance"} <= names)
    assert parts.saturates == ("logits" in names)
    assert not parts.mean_and_variance or parts.gaussian


def test_states_are_told_by_value() -> None:
    told = {family.family: parts_of(family).states for family in FAMILIES if parts_of(family).states}
    assert told == {"categorical": "one-hot", "Bernoulli": "binary"}


def test_what_is_no_family_has_no_parts() -> None:
    assert parts_of(np.zeros(2)) == parts_of(object()) == PLAIN == Parts()


@dataclass(frozen=True)
class Mistaken:
    """A density that is not the one that its parts say."""

    scale: Array
    event_ndim = 0
    parts = Parts(gaussian="u")

    def log_density(self, value: Array) -> Array:
        return -(np.abs(value / self.scale) ** 3)


def test_a_family_that_says_something_wrong_is_found() -> None:
    assert what_is_gaussian(Mistaken(np.array(1.0))) != parts_of(Mistaken(np.array(1.0))).gaussian
    assert what_is_gaussian(Normal(np.array(0.1), np.array(2.0))) == "u"


NAMED = {
    "u": lambda u: u,
    "u²": np.square,
    "log u": np.log,
    "(log u)²": lambda u: np.log(u) ** 2,
    "1 / u": lambda u: 1.0 / u,
    "log (1 − u)": lambda u: np.log1p(-u),
    "|u|": np.abs,
    "U": lambda u: u,
    "log |U|": lambda u: np.linalg.slogdet(u)[1],
    "log τ": lambda u: np.log(u[..., 1]),
    "τ": lambda u: u[..., 1],
    "τ μ": lambda u: u[..., 0] * u[..., 1],
    "τ μ²": lambda u: u[..., 0] ** 2 * u[..., 1],
}


@every_family
def test_the_names_of_the_statistics(family: Any) -> None:
    names, value = parts_of(CASES[family].distribution).statistics, CASES[family].values
    if names:
        found = CASES[family].distribution.sufficient_statistics(value)
        assert len(names) == len(found)
        condition = np.linalg.cond(value).max() if CASES[family].distribution.event_ndim == 2 else 1.0
        for name, one in zip(names, found, strict=True):
            np.testing.assert_allclose(
                one, NAMED[name](value) + np.zeros(np.shape(one)), rtol=1e-13 + 1e-15 * condition
            )


@every_family
def test_the_terms_of_an_entropy_add_up_to_it(family: Any) -> None:
    distribution = CASES[family].distribution
    if hasattr(distribution, "entropy_terms"):
        terms = distribution.entropy_terms()
        scale = 1.0 + sum(np.abs(one) for one in terms.values())
        assert np.all(np.abs(sum(terms.values()) - distribution.entropy()) <= 1e-14 * scale)
        assert {np.shape(one) for one in terms.values()} == {np.shape(distribution.entropy())}


@every_family
def test_the_constant_log_two(family: Any) -> None:
    """With u and its scale doubled, a density of |u| / b changes by a log 2 that is not the constant one."""
    distribution = first(family)
    if parts_of(distribution).log_two:
        unit = replace(distribution, **{one.name: 1.0 for one in fields(distribution)})
        assert unit.log_density(np.zeros(())) == -np.log(2.0)
