"""Which values lie in the support of a family; one outside is named with its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elbocheck.families import FAMILIES, HalfNormal, InverseGamma, Wishart
from elbocheck.families.support import SUPPORTS, outside_support
from support.oracles import CASES

ONE = np.ones(())
MATRICES = Wishart(3.0 * ONE, np.eye(2))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.family)
def test_values_of_the_oracles_lie_in_the_support(family: Any) -> None:
    assert getattr(family, "support", "") in ("", *SUPPORTS)
    assert not outside_support(CASES[family].distribution, CASES[family].values)


@pytest.mark.parametrize(
    ("distribution", "value"),
    [
        (HalfNormal(ONE), [0.5, -1e-9]),
        (InverseGamma(ONE, ONE), [0.5, 0.0]),
        (MATRICES, [np.eye(2), [[1.0, 2.0], [2.0, 1.0]]]),
        (MATRICES, [np.eye(2), [[1.0, 1.0], [1.0, 1.0]]]),
        (MATRICES, [np.eye(2), [[1.0, 0.1], [0.0, 1.0]]]),
        (MATRICES, [np.eye(2), [[1.0, np.nan], [np.nan, 1.0]]]),
    ],
    ids=lambda one: getattr(one, "family", "value"),
)
def test_a_value_outside_is_named(distribution: Any, value: Any) -> None:
    assert outside_support(distribution, value).startswith(f"needs {SUPPORTS[distribution.support][0]}; got ")
    assert outside_support(distribution, value).endswith(" at (1,)")
    assert not outside_support(distribution, value[:1])


@pytest.mark.parametrize("value", [[1.0, 2.0], np.ones((2, 3)), np.ones((0, 2, 3))], ids=lambda one: str(np.shape(one)))
def test_arrays_that_are_no_matrices(value: Any) -> None:
    assert bool(outside_support(MATRICES, value)) == (np.size(value) > 0)
