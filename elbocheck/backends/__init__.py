"""Array backends: an array namespace, special functions, compilation and derivatives.

One backend is current at a time; problems made while it is current run on it. `using` changes it for a block.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from elbocheck.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from elbocheck.backends.base import Backend

BACKENDS = {
    "jax": ("elbocheck.backends.jax", "JaxBackend", "jax", ""),
    "numpy": ("elbocheck.backends.numpy", "NumpyBackend", "numpy", ""),
    "torch": ("elbocheck.backends.torch", "TorchBackend", "torch", "torch"),
}
"""Name -> (module, class, library that must import, extra that installs it)."""
DTYPES = ("float64", "float32")

_current = ("jax", "float64")


def available() -> tuple[str, ...]:
    """Names of the backends whose library is installed."""
    return tuple(name for name, entry in BACKENDS.items() if importlib.util.find_spec(entry[2]) is not None)


@cache
def _make(name: str, dtype: str) -> Backend:
    if name not in BACKENDS:
        raise InputError(f"unknown backend {name!r}; choose one of {', '.join(BACKENDS)}")
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}; choose one of {', '.join(DTYPES)}")
    module, kind, library, extra = BACKENDS[name]
    require(library, f"backend {name!r} needs {library}", extra)
    backend: Backend = getattr(importlib.import_module(module), kind)(dtype)
    return backend


def require(library: str, what: str, extra: str) -> None:
    """Raises `MissingExtraError` unless `library` is installed; `what` needs it, `extra` installs it."""
    if importlib.util.find_spec(library) is None:
        raise MissingExtraError(what, extra)


def get_backend(name: str | None = None, dtype: str | None = None) -> Backend:
    """The backend called `name`, computing in `dtype`; the current one by default.

    Raises `InputError` for an unknown name or dtype, `MissingExtraError` where its library is not installed.
    """
    return _make(name or _current[0], dtype or _current[1])


def current_dtype() -> str:
    """Floating-point type of the current backend."""
    return _current[1]


def select(name: str, dtype: str) -> Backend:
    """Make a backend the current one of this process."""
    global _current
    backend = _make(name, dtype)
    _current = (name, dtype)
    return backend


@contextmanager
def using(name: str, dtype: str = "float64") -> Iterator[Backend]:
    """Make a backend the current one for a block."""
    before = _current
    try:
        yield select(name, dtype)
    finally:
        select(*before)
