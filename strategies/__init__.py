"""Hypothesis strategies: random sizes, data sets, parameters and variational families; correct targets for the gate."""

from __future__ import annotations

import importlib
from typing import Any

from elbocheck.gate.drawing import draw_many
from elbocheck.strategies.datasets import datasets, responsibilities
from elbocheck.strategies.distributions import distributions
from elbocheck.strategies.problems import problems
from elbocheck.strategies.samples import samples, sizes

_LAZY = {
    "Choice": "elbocheck.strategies.targets.choice",
    "CorrectTarget": "elbocheck.strategies.targets",
    "choices": "elbocheck.strategies.targets",
    "correct_target": "elbocheck.strategies.targets",
    "correct_targets": "elbocheck.strategies.targets",
    "planted": "elbocheck.strategies.targets.planted",
}
"""What is loaded when it is used. A name that a module here has too would find the module: those are above."""

__all__ = [*_LAZY, "datasets", "distributions", "draw_many", "problems", "responsibilities", "samples", "sizes"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
