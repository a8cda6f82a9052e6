"""Hypothesis strategies: random sizes, data sets, parameters and variational families; correct targets for the gate."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elbocheck.drawing import draw_many
    from elbocheck.strategies.catalogue import problems
    from elbocheck.strategies.data import datasets, responsibilities
    from elbocheck.strategies.families import distributions
    from elbocheck.strategies.of_cells import samples, sizes
    from elbocheck.strategies.targets import CorrectTarget, choices, correct_target, correct_targets
    from elbocheck.strategies.targets.choice import Choice, ChosenData, ChosenStyle
    from elbocheck.strategies.targets.planted import planted

_PUBLIC = {
    "Choice": "elbocheck.strategies.targets.choice",
    "ChosenData": "elbocheck.strategies.targets.choice",
    "ChosenStyle": "elbocheck.strategies.targets.choice",
    "CorrectTarget": "elbocheck.strategies.targets",
    "choices": "elbocheck.strategies.targets",
    "correct_target": "elbocheck.strategies.targets",
    "correct_targets": "elbocheck.strategies.targets",
    "datasets": "elbocheck.strategies.data",
    "distributions": "elbocheck.strategies.families",
    "draw_many": "elbocheck.drawing",
    "planted": "elbocheck.strategies.targets.planted",
    "problems": "elbocheck.strategies.catalogue",
    "responsibilities": "elbocheck.strategies.data",
    "samples": "elbocheck.strategies.of_cells",
    "sizes": "elbocheck.strategies.of_cells",
}
"""Name -> module that is loaded when it is used; no module here may have one of these names, or it would be found."""

__all__ = [
    "Choice",
    "ChosenData",
    "ChosenStyle",
    "CorrectTarget",
    "choices",
    "correct_target",
    "correct_targets",
    "datasets",
    "distributions",
    "draw_many",
    "planted",
    "problems",
    "responsibilities",
    "samples",
    "sizes",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
