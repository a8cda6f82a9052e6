"""Array namespace and special functions, looked up from the arrays themselves.

Families and models are written over `namespace(...)` and never import an array library, so one definition runs on
whatever arrays it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from elbocheck.backends.libraries import LIBRARIES, OTHERS, Library

Array = Any  # an array of whichever library runs; the array API standard has no static type yet


@dataclass(frozen=True)
class Constants:
    """Irrational numbers of formulae: rounded to float64, unless arrays enclose their values."""

    log_2pi: Any
    """log 2π."""

    log_2: Any
    """log 2."""

    euler_gamma: Any
    """Euler's γ."""

    root_2: Any
    """√2."""

    root_2_over_pi: Any
    """√(2/π)."""


FLOATS = Constants(
    math.log(2.0 * math.pi), math.log(2.0), 0.57721566490153286, math.sqrt(2.0), math.sqrt(2.0 / math.pi)
)


@dataclass(frozen=True)
class Namespace:
    """Functions of the arrays of one library."""

    xp: Any
    """The array API."""

    expit: Callable[[Array], Array]
    """1/(1 + e^−x), elementwise, as all that follow."""

    gammaln: Callable[[Array], Array]
    """log Γ(x)."""

    digamma: Callable[[Array], Array]
    """ψ(x)."""

    erf: Callable[[Array], Array]
    """2/√π ∫₀ˣ exp(−t²) dt."""

    constant: Callable[[Array], Array]
    """x as a number that derivatives do not see, for shifts that cancel."""

    constants: Constants = FLOATS
    """Irrational numbers."""

    expected_log_factorial: Callable[[Array], Array] | None = None
    """log λ -> E log u! of Poisson distributions, where arrays enclose their values."""

    @property
    def rigorous(self) -> bool:
        """Whether arrays enclose their values, so that a formula must not leave anything out."""
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
def numpy_namespace() -> Namespace:
    """Functions of real NumPy arrays."""
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
    special = numpy_namespace()

    def of(function: Callable[[Any], Any]) -> Callable[[float], float]:
        return lambda x: float(function(x))

    return Namespace(math, of(special.expit), of(special.gammaln), of(special.digamma), of(special.erf), float)


@cache
def _namespace_of(library: Library) -> Namespace:
    return library.namespace()


@cache
def standard_namespace(xp: Any) -> Namespace:
    """Any other library of the array API standard: values only, its special functions by way of NumPy."""
    special = numpy_namespace()

    def of(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
        return lambda x: xp.asarray(function(np.asarray(x)), dtype=x.dtype)

    return Namespace(xp, of(special.expit), of(special.gammaln), of(special.digamma), of(special.erf), lambda x: x)


PLAIN = frozenset({np.ndarray, np.float64, float, int})
"""Types of values, of themselves and not of a class derived from them, that NumPy alone computes with."""


def namespace(*values: Any) -> Namespace:
    """The namespace of the first array of a known library among `values`; NumPy for plain numbers and lists.

    Arrays of classes with a static method `array_namespace()` bring their own.
    """
    if all(type(value) in PLAIN for value in values):  # most calls, by far
        return _complex_namespace() if any(np.iscomplexobj(value) for value in values) else numpy_namespace()
    for value in values:
        if hasattr(type(value), "array_namespace"):
            own: Namespace = value.array_namespace()
            return own
    for library in OTHERS:
        if any(library.owns(value) for value in values):
            return _namespace_of(library)
    for value in values:
        if hasattr(value, "__array_namespace__") and not isinstance(value, (np.ndarray, np.generic)):
            return standard_namespace(value.__array_namespace__())
    if any(isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "c" for value in values):
        return _complex_namespace()
    return numpy_namespace()


def zeros(*arrays: Array) -> Array:
    """Zeros of the shape and type that the arrays broadcast to."""
    total, *others = arrays
    for other in others:
        total = total + other
    return 0.0 * total


def plain(array: Any) -> np.ndarray:
    """An array of any library, on any device, as NumPy's: for arithmetic that nothing is differentiated through."""
    return np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)


@contextmanager
def double_precision() -> Iterator[None]:
    """Code run inside computes in float64, whichever library it calls by itself; nothing is imported for that."""
    with ExitStack() as stack:
        for library in LIBRARIES.values():
            if library.double_precision is not nullcontext and library.loaded:
                stack.enter_context(library.double_precision())
        yield


def prefer_double_precision() -> None:
    """Let code that this process is going to import make float64 arrays; only for processes of elbocheck's own."""
    for library in LIBRARIES.values():
        library.prefer_double_precision()
