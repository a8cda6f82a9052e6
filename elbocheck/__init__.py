"""elbocheck: property-based verification of variational lower bounds.

At every stationary point of learning the ELBO equals a sum of entropies, and at every other point it misses it by
exactly β·∇ELBO; elbocheck tests both. Importing this package loads neither JAX nor SciPy.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "CheckFailure": "elbocheck.checking",
    "CheckReport": "elbocheck.checking",
    "Decomposition": "elbocheck.identity",
    "Declaration": "elbocheck.factors",
    "Departure": "elbocheck.problem",
    "Factor": "elbocheck.factors",
    "KnownFailure": "elbocheck.known_failures",
    "Monitor": "elbocheck.monitor",
    "Problem": "elbocheck.problem",
    "StationaryPoint": "elbocheck.solver",
    "Target": "elbocheck.target",
    "check_target": "elbocheck.checking",
    "decompose": "elbocheck.identity",
    "find_stationary_point": "elbocheck.solver",
    "iter_checks": "elbocheck.checking",
    "load_known_failures": "elbocheck.known_failures",
    "parametrize_with_checks": "elbocheck.testing",
}

__all__ = [*sorted(_PUBLIC), "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'elbocheck' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
