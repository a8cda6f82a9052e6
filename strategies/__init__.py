"""Hypothesis strategies: random sizes, data sets, parameters and variational families; correct targets for the gate."""

from __future__ import annotations

import importlib
from typing import Any

_LAZY = {
    "Choice": "elbocheck.strategies.targets.choice",
    "CorrectTarget": "elbocheck.strategies.targets",
    "choices": "elbocheck.strategies.targets",
    "correct_target": "elbocheck.strategies.targets",
    "correct_targets": "elbocheck.strategies.targets",
    "draw_many": "elbocheck.drawing",
    "planted": "elbocheck.strategies.targets.planted",
    "samples": "elbocheck.strategies.samples",
    "sizes": "elbocheck.strategies.samples",
}

__all__ = [*_LAZY]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
