"""elbocheck: property-based verification of variational lower bounds.

At every stationary point of learning the ELBO equals a sum of entropies, and at every other point it misses it by
exactly β·∇ELBO; elbocheck tests both. Importing this package loads neither JAX nor SciPy.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "CheckFailure": "elbocheck.gate.records",
    "CheckReport": "elbocheck.gate.records",
    "Decomposition": "elbocheck.bound.decomposition",
    "Declaration": "elbocheck.bound.factors",
    "Departure": "elbocheck.bound.departures",
    "Factor": "elbocheck.bound.factors",
    "Latents": "elbocheck.bound.latents",
    "LogDensity": "elbocheck.bound.log_density",
    "KnownFailure": "elbocheck.gate.known_failures",
    "Monitor": "elbocheck.training.monitor",
    "Problem": "elbocheck.bound.problem",
    "StationaryPoint": "elbocheck.solver",
    "Target": "elbocheck.gate.target",
    "check_target": "elbocheck.gate.checking",
    "decompose": "elbocheck.bound.decomposition",
    "find_stationary_point": "elbocheck.solver",
    "iter_checks": "elbocheck.gate.checking",
    "load_known_failures": "elbocheck.gate.known_failures",
    "parametrize_with_checks": "elbocheck.testing.targets",
}

__all__ = [*sorted(_PUBLIC), "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'elbocheck' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
