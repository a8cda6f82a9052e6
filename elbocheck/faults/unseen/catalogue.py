"""All unseen faults and targets, and the split into halves."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from elbocheck.bound.problem import Problem
from elbocheck.faults.fault import code
from elbocheck.faults.unseen.fault import TARGETS, Unseen
from elbocheck.faults.unseen.planted import autoencoders, mixtures, regressions

FAULTS: tuple[Unseen, ...] = (*autoencoders.FAULTS, *regressions.FAULTS, *mixtures.FAULTS)
MODELS = tuple(dict.fromkeys(one.fault.model for one in FAULTS))
"""Names of the targets."""
OF_TORCH = ("vae_sampled", "beta_vae", "iwae", "mixture_array", "bernoulli_mixture")
"""Targets that need torch, which is not always installed."""
HALVES = ("A", "B")


def of_half(half: str) -> tuple[Unseen, ...]:
    """The faults of one half."""
    return tuple(one for one in FAULTS if one.half == half)


@cache
def has_torch() -> bool:
    """Whether torch is installed; it is not loaded for that."""
    return find_spec("torch") is not None


def runs(model: str) -> bool:
    """Whether what a target needs is installed."""
    return model not in OF_TORCH or has_torch()


def problem(model: str, one: Unseen | None = None) -> Problem:
    """A target's code, with a fault in it if one is given."""
    made: Problem = code(model, None if one is None else one.fault, TARGETS).problem()
    return made
