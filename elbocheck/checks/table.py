"""The checks, listed once: every door, report and test takes them from here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from elbocheck.checks.check import Check


def _listed(*modules: str) -> dict[str, Check]:
    checks: list[Check] = [importlib.import_module(f"elbocheck.checks.{module}").CHECK for module in modules]
    return {check.name: check for check in checks}


OF_TARGETS: Mapping[str, Check] = _listed(
    "convention",
    "value",
    "every_point",
    "gradient",
    "evidence",
    "scale",
    "permutation",
    "fit",
)
"""Name -> check of code under test, the ones that say most about a fault first."""
OF_CATALOGUE: Mapping[str, Check] = _listed("every_point", "stationary", "criterion", "scope")
"""Name -> check of the catalogue's own problems."""
