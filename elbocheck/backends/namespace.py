"""Array namespace and special functions, looked up from the arrays themselves.

Families and models are written over `namespace(...)` and never import an array library, so one definition runs on
whatever arrays it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import array_api_compat
import numpy as np

Array = Any  # an array of whichever library runs; the array API standard has no static type yet


@dataclass(frozen=True)
class Namespace:
    """`xp`: array API functions; the other fields: elementwise special functions of that library.

    `constant(x)`: x as a number that derivatives do not see, for shifts that cancel.
    """

    xp: Any
    expit: Callable[[Array], Array]
    gammaln: Callable[[Array], Array]
    digamma: Callable[[Array], Array]
    erf: Callable[[Array], Array]
    constant: Callable[[Array], Array]

    def log_sum_exp(self, x: Array, axis: int) -> Array:
        """log Σ exp(x) along one axis, which goes.

        The maximum that is subtracted cancels; its derivative, where ties share it, must not enter (compiled apart
        from the value, a tie can be lost, and the derivative be 0/0).
        """
        top = self.constant(self.xp.max(x, axis=axis, keepdims=True))
        total = self.xp.log(self.xp.sum(self.xp.exp(x - top), axis=axis, keepdims=True)) + top
        return self.xp.squeeze(total, axis=axis)

    def softplus(self, x: Array) -> Array:
        """log(1 + exp(x)), without overflow."""
        return self.xp.logaddexp(x, self.xp.zeros_like(x))


@cache
def _numpy_namespace() -> Namespace:
    import array_api_compat.numpy as xp
    import scipy.special

    special = scipy.special
    return Namespace(xp, special.expit, special.gammaln, special.digamma, special.erf, np.real)


@cache
def _jax_namespace() -> Namespace:
    import jax
    import jax.numpy as xp

    special = jax.scipy.special
    return Namespace(
        xp, jax.nn.sigmoid, special.gammaln, special.digamma, special.erf, jax.lax.stop_gradient
    )  # fmt: skip


def namespace(*values: Any) -> Namespace:
    """The namespace of the first array of a known library among `values`; NumPy for plain numbers and lists."""
    if any(array_api_compat.is_jax_array(value) for value in values):
        return _jax_namespace()
    return _numpy_namespace()
