"""Array backends: an array namespace, special functions, compilation and derivatives.

One backend is current at a time; problems made while it is current run on it. `using` changes it for a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from elbocheck.backends.libraries import LIBRARIES, require
from elbocheck.errors import InputError

if TYPE_CHECKING:
    from elbocheck.backends.base import Backend

__all__ = ["DTYPES", "available", "current_dtype", "get_backend", "require", "select", "using"]
DTYPES = ("float64", "float32")

_current = ("jax", "float64")


def available() -> tuple[str, ...]:
    """Names of the backends whose library is installed."""
    return tuple(name for name, library in LIBRARIES.items() if library.installed)


@cache
def _make(name: str, dtype: str) -> Backend:
    if name not in LIBRARIES:
        raise InputError(f"unknown backend {name!r}; choose one of {', '.join(LIBRARIES)}")
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}; choose one of {', '.join(DTYPES)}")
    LIBRARIES[name].require()
    return LIBRARIES[name].backend(dtype)


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
