"""Fixtures that several test modules share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest


@pytest.fixture(params=["numpy", "jax"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """(function, *arrays) -> its outputs as NumPy arrays, computed with one library in double precision."""
    if request.param == "numpy":
        return lambda function, *arrays: function(*arrays)

    def compiled(function: Callable[..., Any], *arrays: Any) -> Any:
        with jax.enable_x64(True):
            return jax.tree.map(np.asarray, jax.jit(function)(*arrays))

    return compiled
