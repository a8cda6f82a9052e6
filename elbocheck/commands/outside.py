"""Code from outside the package: where it is found, and in which precision it runs."""

from __future__ import annotations

import os
import sys

from elbocheck.commands.arguments import check_cache


def for_code_outside(dtype: str) -> None:
    """Modules below the working directory can be imported, and JAX makes float64 arrays."""
    from elbocheck.backends.namespace import prefer_double_precision

    check_cache()
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if dtype == "float64":
        prefer_double_precision()
