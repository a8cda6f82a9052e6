"""Checks: pure functions of a problem that return a `Result`; each names the fault it exists for."""

from __future__ import annotations

from elbocheck.checks.agreement import agreement
from elbocheck.checks.control import control
from elbocheck.checks.convention import convention
from elbocheck.checks.criterion import criterion_holds
from elbocheck.checks.equivalence import equivalent
from elbocheck.checks.every_point import every_point
from elbocheck.checks.evidence import evidence
from elbocheck.checks.fit import fit
from elbocheck.checks.gradient import gradient
from elbocheck.checks.permutation import permutation
from elbocheck.checks.scale import scale
from elbocheck.checks.scope import outside, scope
from elbocheck.checks.stationary import stationary
from elbocheck.checks.value import value

__all__ = [
    "agreement", "control", "convention", "criterion_holds", "equivalent", "every_point", "evidence", "fit", "gradient",
    "outside", "permutation", "scale", "scope", "stationary", "value",
]  # fmt: skip
