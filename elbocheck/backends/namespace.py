"""Array namespace and special functions, looked up from the arrays themselves.

Families and models are written over `namespace(...)` and never import an array library, so one definition runs on
whatever arrays it is given.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import array_api_compat
import numpy as np

Array = Any  # an array of whichever library runs; the array API standard has no static type yet


@dataclass(frozen=True)
class Constants:
    """Irrational numbers of formulae: rounded to float64, unless arrays enclose their values."""

    log_2pi: Any
    log_2: Any
    euler_gamma: Any
    root_2: Any
    root_2_over_pi: Any


FLOATS = Constants(
    math.log(2.0 * math.pi), math.log(2.0), 0.57721566490153286, math.sqrt(2.0), math.sqrt(2.0 / math.pi)
)  # fmt: skip


@dataclass(frozen=True)
class Namespace:
    """`xp`: array API functions; the other fields: elementwise special functions of that library.

    `constant(x)`: x as a number that derivatives do not see, for shifts that cancel. `expected_log_factorial(log λ)`:
    E log u! of Poisson distributions, and `rigorous`: whether arrays enclose their values, so that a formula must not
    leave anything out.
    """

    xp: Any
    expit: Callable[[Array], Array]
    gammaln: Callable[[Array], Array]
    digamma: Callable[[Array], Array]
    erf: Callable[[Array], Array]
    constant: Callable[[Array], Array]
    constants: Constants = FLOATS
    expected_log_factorial: Callable[[Array], Array] | None = None

    @property
    def rigorous(self) -> bool:
        return self.expected_log_factorial is not None

    def pivot(self, x: Array, axis: int) -> Array:
        """Index of a largest element, for formulae in which any other index would only cost accuracy."""
        return self.xp.argmax(x, axis=axis)

    def side(self, x: Array) -> Array:
        """Whether x > 0, for formulae that hold on either side of 0, but lose accuracy on the other one."""
        return x > 0

    def of_known(self, value: Array) -> Namespace:
        """The namespace for functions of a known constant: of numbers they are numbers, which no compiler traces."""
        return _number_namespace() if isinstance(value, (int, float)) else namespace(value)

    def approximate(self, what: str) -> None:
        """A formula says that it leaves something out; rigorous arithmetic raises `NotRigorousError`."""

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
def _complex_namespace() -> Namespace:
    """Functions of complex NumPy arrays whose imaginary parts are tangents."""
    from elbocheck.backends import analytic

    expit, gammaln, digamma, erf = (analytic.UNARY[name] for name in ("expit", "gammaln", "digamma", "erf"))
    return Namespace(analytic.complex_xp(), expit, gammaln, digamma, erf, np.real)


@cache
def _number_namespace() -> Namespace:
    """Functions of plain numbers, as plain numbers, which have no type that they could impose on arrays."""
    special = _numpy_namespace()

    def of(function: Callable[[Any], Any]) -> Callable[[float], float]:
        return lambda x: float(function(x))

    return Namespace(math, of(special.expit), of(special.gammaln), of(special.digamma), of(special.erf), float)


@cache
def _jax_namespace() -> Namespace:
    import jax
    import jax.numpy as xp

    special = jax.scipy.special
    return Namespace(
        xp, jax.nn.sigmoid, special.gammaln, special.digamma, special.erf, jax.lax.stop_gradient
    )  # fmt: skip


@cache
def _torch_namespace() -> Namespace:
    import array_api_compat.torch as xp
    import torch

    from elbocheck.backends.torch import digamma, gammaln

    return Namespace(xp, torch.special.expit, gammaln, digamma, torch.special.erf, torch.Tensor.detach)


@cache
def _standard_namespace(xp: Any) -> Namespace:
    """Any other library of the array API standard: values only, its special functions by way of NumPy."""
    special = _numpy_namespace()

    def of(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
        return lambda x: xp.asarray(function(np.asarray(x)), dtype=x.dtype)

    return Namespace(
        xp, of(special.expit), of(special.gammaln), of(special.digamma), of(special.erf), lambda x: x
    )  # fmt: skip


def namespace(*values: Any) -> Namespace:
    """The namespace of the first array of a known library among `values`; NumPy for plain numbers and lists.

    Arrays of classes with a static method `array_namespace()` bring their own.
    """
    for value in values:
        if hasattr(type(value), "array_namespace"):
            own: Namespace = value.array_namespace()
            return own
    if any(array_api_compat.is_jax_array(value) for value in values):
        return _jax_namespace()
    if any(array_api_compat.is_torch_array(value) for value in values):
        return _torch_namespace()
    for value in values:
        if hasattr(value, "__array_namespace__") and not isinstance(value, (np.ndarray, np.generic)):
            return _standard_namespace(value.__array_namespace__())
    if any(isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "c" for value in values):
        return _complex_namespace()
    return _numpy_namespace()


def library_of(values: Sequence[Any]) -> str:
    """ "jax" or "torch" if any value is an array of that library, else ""."""
    if any(array_api_compat.is_jax_array(value) for value in values):
        return "jax"
    return "torch" if any(array_api_compat.is_torch_array(value) for value in values) else ""


def array_of(library: str, array: np.ndarray, like: Any = None) -> Array:
    """A NumPy array as one of "jax", "torch" or, for any other name, as it is; on the device of `like`, if any."""
    if library == "jax":
        import jax

        placed = jax.numpy.asarray(array)
        return jax.device_put(placed, like.sharding) if isinstance(like, jax.Array) else placed
    if library == "torch":
        import torch

        return (
            torch.from_numpy(array).to(getattr(like, "device", "cpu"))
            if library_of([like])
            else torch.from_numpy(array)
        )
    return array


def double_precision() -> AbstractContextManager[Any]:
    """Code run inside computes in float64, also where it calls JAX by itself; nothing is imported for that."""
    jax = sys.modules.get("jax")
    return nullcontext() if jax is None else jax.enable_x64(True)


def prefer_double_precision() -> None:
    """Let JAX code that this process is going to import make float64 arrays; only for processes of elbocheck's own."""
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    jax = sys.modules.get("jax")
    if jax is not None and os.environ["JAX_ENABLE_X64"] in ("1", "true", "True"):
        jax.config.update("jax_enable_x64", True)
