"""Every cell over arrays that know nothing but the array API standard, so that no definition leans on one library.

array-api-strict refuses what the standard leaves out: methods such as `.sum`, NumPy functions, mixed types, implicit
conversions. Values only; special functions go by way of NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elbocheck.backends import get_backend
from elbocheck.backends.namespace import namespace
from elbocheck.bound import functions
from elbocheck.models.catalogue import cells
from elbocheck.models.sample import Cell
from support.oracle_tools import by_cell, draw

strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed; it is in the extra `test`")
STANDARD = "2024.12"


@pytest.fixture(autouse=True)
def standard() -> Any:
    with strict.ArrayAPIStrictFlags(api_version=STANDARD):
        yield


def leaves(tree: Any, path: str = "") -> dict[str, np.ndarray]:
    if isinstance(tree, dict):
        return {name: leaf for key, value in tree.items() for name, leaf in leaves(value, f"{path}/{key}").items()}
    return {path: np.asarray(tree)}


@by_cell(cells())
def test_declared_terms(cell: Cell) -> None:
    """Equal to NumPy's: both call the same loops, one through a stricter door."""
    problem = draw(cell.on(get_backend("numpy")), (5, 3, min(2, cell.capacity[2]))).problem()
    per_datum, fixed = problem.compiled.of(functions.per_datum), problem.fixed
    _, expected = per_datum(problem.vector, fixed)
    _, actual = per_datum(strict.asarray(problem.vector), {k: strict.asarray(v) for k, v in fixed.items()})
    wanted, found = leaves(expected), leaves(actual)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-14, atol=1e-14, err_msg=name)


def test_what_the_standard_leaves_out_is_refused() -> None:
    """The planted fault: methods, NumPy functions and a float64 constant in float32 must not pass unseen."""
    x = strict.asarray([1.0, 2.0], dtype=strict.float32)
    assert namespace(x).xp.__name__ == "array_api_strict"
    with pytest.raises(AttributeError):
        x.sum(-1)
    with pytest.raises(TypeError):
        x * np.ones(2)
    with pytest.raises(TypeError):
        x + (x > 1)
