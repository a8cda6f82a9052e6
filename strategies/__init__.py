"""Hypothesis strategies: random sizes, data sets, parameters and variational families; correct targets for the gate."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elbocheck.drawing import draw_many
    from elbocheck.strategies.of_cells import samples, sizes
    from elbocheck.strategies.targets import CorrectTarget, choices, correct_target, correct_targets
    from elbocheck.strategies.targets.choice import Choice
    from elbocheck.strategies.targets.planted import planted

_LAZY = {
    "Choice": "elbocheck.strategies.targets.choice",
    "CorrectTarget": "elbocheck.strategies.targets",
    "choices": "elbocheck.strategies.targets",
    "correct_target": "elbocheck.strategies.targets",
    "correct_targets": "elbocheck.strategies.targets",
    "draw_many": "elbocheck.drawing",
    "planted": "elbocheck.strategies.targets.planted",
    "samples": "elbocheck.strategies.of_cells",
    "sizes": "elbocheck.strategies.of_cells",
}

__all__ = [
    "Choice",
    "CorrectTarget",
    "choices",
    "correct_target",
    "correct_targets",
    "draw_many",
    "planted",
    "samples",
    "sizes",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
