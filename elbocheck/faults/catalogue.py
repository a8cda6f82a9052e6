"""The whole catalogue: faults, mutants that are equivalent to the correct code, models."""

from __future__ import annotations

from elbocheck.faults.planted import linear as planted_linear
from elbocheck.faults.planted import mixtures as planted_mixtures
from elbocheck.faults.problems import SIZES

PLANTED = (*planted_mixtures.PLANTED, *planted_linear.PLANTED)
FAULTS = tuple(fault for fault in PLANTED if not fault.equivalent)
EQUIVALENT = tuple(fault for fault in PLANTED if fault.equivalent)
MODELS = tuple(SIZES)
