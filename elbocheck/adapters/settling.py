"""Training that goes on until the parameters no longer move, whatever a library's own stopping rule says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

STEPS = 100
"""Steps between two looks at whether the parameters still move."""
SETTLED = 1e-14
"""Change of parameters, absolute and relative, below which training has stopped."""


def has_settled(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> bool:
    """Whether no parameter has moved; NaN, which nothing leaves again, has not."""
    return all(np.allclose(after[name], before[name], SETTLED, SETTLED, equal_nan=True) for name in after)


P = TypeVar("P", bound=Mapping[str, Any])


def until_settled(train: Callable[[P], P], params: P, iterations: int, steps: int = STEPS) -> P:
    """`train`, which takes `steps` steps, again and again: until nothing moves, or `iterations` steps are done."""
    for _ in range(0, iterations, steps):
        before, params = params, train(params)
        if has_settled(before, params):
            break
    return params
