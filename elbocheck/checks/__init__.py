"""Checks: pure functions of a problem that return a `Result`; each names the fault it exists for."""

from __future__ import annotations

from elbocheck.checks.agreement import agreement
from elbocheck.checks.control import control
from elbocheck.checks.criterion import criterion_holds
from elbocheck.checks.equivalence import equivalent
from elbocheck.checks.every_point import every_point
from elbocheck.checks.scope import outside, scope
from elbocheck.checks.stationary import stationary

__all__ = ["agreement", "control", "criterion_holds", "equivalent", "every_point", "outside", "scope", "stationary"]
