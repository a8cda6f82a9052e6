"""Array backends: an array namespace, special functions, compilation and derivatives."""

from __future__ import annotations

from functools import cache

from elbocheck.backends.base import Backend
from elbocheck.errors import InputError

BACKENDS = ("jax",)
DTYPES = ("float64", "float32")


@cache
def get_backend(name: str = "jax", dtype: str = "float64") -> Backend:
    """The backend called `name`, computing in `dtype`. Raises `InputError` for an unknown name."""
    if name not in BACKENDS:
        raise InputError(f"unknown backend {name!r}; choose one of {', '.join(BACKENDS)}")
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}; choose one of {', '.join(DTYPES)}")
    from elbocheck.backends.jax import JaxBackend

    return JaxBackend(dtype)
