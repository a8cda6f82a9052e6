"""Targets by the name of their source, MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE."""

from __future__ import annotations

from typing import Any

from elbocheck.errors import InputError
from elbocheck.gate.target import Target
from elbocheck.loading import named

TARGET_DTYPE = "float64"
"""Code under test runs, and is judged, in double precision, whatever the catalogue runs in."""


def refuse_single_precision(source: str, dtype: str) -> None:
    """Raise `InputError` for targets in float32: their own code is run, and judged, in double precision."""
    if dtype != TARGET_DTYPE:
        raise InputError(f"{source}: targets are checked in {TARGET_DTYPE}; {dtype} is for the catalogue")


def is_target(found: Any) -> bool:
    """Whether an object of a user's module is a target, or several."""
    several = found if isinstance(found, (list, tuple)) else [found]
    return bool(several) and all(isinstance(one, Target) for one in several)


def load_targets(source: str) -> tuple[Target, ...]:
    """The targets in MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE; raises `InputError` if there is none."""
    where, _, attribute = source.partition(":")
    found = named(source, "target")
    if found is None or not is_target(found):
        missing = f"{where!r} has no {attribute or 'target'!r}"
        raise InputError(
            f"{source!r} must name a Target, or several: MODULE:ATTRIBUTE; "
            + (missing if found is None else f"it is of type {type(found).__name__}")
        )
    return tuple(found) if isinstance(found, (list, tuple)) else (found,)


def load_target(source: str, name: str) -> Target:
    """The one of them called `name`."""
    targets = load_targets(source)
    for target in targets:
        if target.name == name:
            return target
    raise InputError(f"{source!r} has no target called {name!r}; there are {[one.name for one in targets]}")
