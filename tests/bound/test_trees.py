"""Nested parameters: every leaf has a path, and the structure comes back as it was."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from elbocheck.bound.problem import flat
from elbocheck.bound.trees import covers, leaves, rebuilt
from elbocheck.errors import InputError

Pair = namedtuple("Pair", "first second")


@dataclass(frozen=True)
class Layer:
    weights: Any
    bias: Any
    name: str = "layer"


TREE = {"layers": [Layer(np.eye(2), 0.5), Pair(np.zeros(3), (1, None))], "activation": np.tanh, 3: np.float32(2.0)}
PATHS = ["layers.0.weights", "layers.0.bias", "layers.1.first", "layers.1.second.0", "3"]


def test_paths_and_values() -> None:
    found = leaves(TREE)
    assert list(found) == PATHS
    arrays = flat(TREE, "params")
    assert {array.dtype for array in arrays.values()} == {np.dtype("float64")}
    assert arrays["layers.1.second.0"] == 1.0


def test_the_structure_comes_back() -> None:
    new = rebuilt(TREE, {name: array + 1.0 for name, array in flat(TREE, "params").items()})
    assert list(new) == list(TREE)
    assert new["activation"] is np.tanh
    assert isinstance(new["layers"][0], Layer)
    assert new["layers"][0].name == "layer"
    assert isinstance(new["layers"][1], Pair)
    assert new["layers"][1].second == (2.0, None)
    np.testing.assert_array_equal(new["layers"][0].weights, np.eye(2) + 1.0)
    np.testing.assert_array_equal(TREE["layers"][0].weights, np.eye(2))  # type: ignore[index]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "holds no array"),
        ({"a": "text"}, "holds no array"),
        ({"a": [1.0, 1j]}, "'a.1' must hold real numbers; got complex"),
        ({"a": np.array(["x"], dtype=object)}, "'a' must hold real numbers"),
        ({"a": True}, "'a' must hold real numbers; got bool"),
    ],
)
def test_other_leaves_are_named(tree: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        leaves(tree)


def test_a_name_covers_its_branch() -> None:
    assert covers("layers.1", "layers.1.first")
    assert covers("layers.1", "layers.1")
    assert not covers("layers.1", "layers.10")
