"""Array backends: an array namespace, special functions, compilation and derivatives.

None is current: whoever starts something hands over the backend that it runs on.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from elbocheck.backends.libraries import LIBRARIES, require
from elbocheck.errors import InputError

if TYPE_CHECKING:
    from elbocheck.backends.base import Backend

__all__ = ["DEFAULT", "DTYPES", "available", "get_backend", "require"]
DEFAULT, *_ = LIBRARIES
"""Name of the backend where none is chosen."""
DTYPES = ("float64", "float32")
"""Floating-point types, the default first."""


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


def get_backend(name: str = DEFAULT, dtype: str = DTYPES[0]) -> Backend:
    """The backend called `name`, computing in `dtype`.

    Raises `InputError` for an unknown name or dtype, `MissingExtraError` where its library is not installed.
    """
    return _make(name, dtype)
