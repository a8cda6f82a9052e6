"""The array libraries that elbocheck knows, one record each; none is imported before it is used."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elbocheck.errors import MissingExtraError

if TYPE_CHECKING:
    from elbocheck.backends.base import Backend, TargetBackend, Trace


def _later(where: str) -> Callable[..., Any]:
    """The function "module:name", imported when it is first called."""
    function: Callable[..., Any] | None = None

    def call(*arguments: Any) -> Any:
        nonlocal function
        if function is None:
            module, name = where.split(":")
            function = getattr(importlib.import_module(module), name)
        return function(*arguments)

    return call


def require(library: str, what: str, extra: str) -> None:
    """Raises `MissingExtraError` unless `library` is installed; `what` needs it, `extra` installs it."""
    if importlib.util.find_spec(library) is None:
        raise MissingExtraError(what, extra)


@dataclass(frozen=True)
class Library:
    """One array library: how its arrays are known and made, and what computes with them."""

    name: str
    """Name on the command line, in reports and of its backends; also of the package that must import."""

    owns: Callable[[Any], bool]
    """Whether a value is one of its arrays."""

    namespace: Callable[[], Any]
    """Its functions."""

    array: Callable[[Any, Any], Any]
    """(NumPy array, like) -> an array of its own, of the same type, on the device of `like` if that is one, too."""

    constant: Callable[[Any, Any], Any]
    """(NumPy array, like) -> a known array that its functions take together with `like`, which is one of its own."""

    backend: Callable[[str], Backend]
    """dtype -> what computes elbocheck's own functions."""

    backend_under_test: Callable[[Iterable[Any]], TargetBackend]
    """Parameters -> what computes code of others, in double precision, on their device."""

    extra: str = ""
    """The extra of elbocheck that installs it; empty for what is always there."""

    trace: Callable[[Callable[..., Any], Any], Trace] | None = None
    """(function, vector) -> what the function does, without computing it; None where only a call can tell."""

    double_precision: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Its code computes in float64 inside, where nothing else is said, and products keep all digits of any type."""

    prefer_double_precision: Callable[[], None] = lambda: None
    """The same for the rest of the process, also where the library is only imported later."""

    compiles_each: bool = False
    """Whether every single operation is compiled, for each shape, at some ten milliseconds."""

    @property
    def installed(self) -> bool:
        """Whether it can be imported."""
        return importlib.util.find_spec(self.name) is not None

    @property
    def loaded(self) -> bool:
        """Whether anything has imported it."""
        return self.name in sys.modules

    def require(self) -> None:
        """Raises `MissingExtraError` unless it is installed."""
        require(self.name, f"backend {self.name!r} needs {self.name}", self.extra)


def _is_numpy(value: Any) -> bool:
    return not any(library.owns(value) for library in OTHERS)


def _prefer_x64() -> None:
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    jax = sys.modules.get("jax")
    if jax is not None and os.environ["JAX_ENABLE_X64"] in ("1", "true", "True"):
        jax.config.update("jax_enable_x64", True)


JAX = Library(
    "jax",
    owns=_later("array_api_compat:is_jax_array"),
    namespace=_later("elbocheck.backends.jax:functions"),
    array=_later("elbocheck.backends.jax:placed"),
    constant=_later("elbocheck.backends.jax:constant"),
    backend=_later("elbocheck.backends.jax:JaxBackend"),
    backend_under_test=_later("elbocheck.backends.jax:under_test"),
    trace=_later("elbocheck.backends.jax:trace"),
    double_precision=_later("elbocheck.backends.jax:double_precision"),
    prefer_double_precision=_prefer_x64,
    compiles_each=True,
)
NUMPY = Library(
    "numpy",
    owns=_is_numpy,
    namespace=_later("elbocheck.backends.namespace:numpy_namespace"),
    array=lambda array, like: array,
    constant=lambda array, like: array,
    backend=_later("elbocheck.backends.numpy:NumpyBackend"),
    backend_under_test=_later("elbocheck.backends.plain:under_test"),
)
TORCH = Library(
    "torch",
    owns=_later("array_api_compat:is_torch_array"),
    namespace=_later("elbocheck.backends.torch:functions"),
    array=_later("elbocheck.backends.torch_eager:placed"),
    constant=_later("elbocheck.backends.torch_eager:constant"),
    backend=_later("elbocheck.backends.torch:TorchBackend"),
    backend_under_test=_later("elbocheck.backends.torch_eager:under_test"),
    extra="torch",
    double_precision=_later("elbocheck.backends.torch:precise"),
)


def of_module(name: str, module: str, extra: str = "") -> Library:
    """The record of a library whose file in this folder has functions with the usual names, one for each field.

    They are `owns`, `functions`, `placed`, `constant`, `backend` and `under_test`; the file must load without it.
    """

    def own(function: str) -> Callable[..., Any]:
        return _later(f"elbocheck.backends.{module}:{function}")

    return Library(
        name,
        owns=own("owns"),
        namespace=own("functions"),
        array=own("placed"),
        constant=own("constant"),
        backend=own("backend"),
        backend_under_test=own("under_test"),
        extra=extra,
    )


LIBRARIES = {
    library.name: library
    for library in (
        JAX,
        NUMPY,
        TORCH,
    )
}
"""By name, the default first; NumPy's arrays are those of no other one."""
OTHERS = tuple(library for library in LIBRARIES.values() if library is not NUMPY)
"""Those whose arrays make everything else in a formula theirs."""


def library_of(values: Iterable[Any]) -> Library:
    """The library that arrays belong to: the first of `OTHERS` that owns one of them, else NumPy."""
    values = list(values)
    return next((one for one in OTHERS if any(one.owns(value) for value in values)), NUMPY)
