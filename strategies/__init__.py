"""Hypothesis strategies: random sizes, data sets, parameters and variational families; correct targets for the gate."""

from __future__ import annotations

import importlib
from typing import Any

from elbocheck.strategies.drawing import draw_many
from elbocheck.strategies.samples import samples, sizes

_LAZY = {
    "Choice": "targets_choice", "CorrectTarget": "targets", "choices": "targets", "correct_target": "targets",
    "correct_targets": "targets", "planted": "targets_planted",
}  # fmt: skip

__all__ = [*_LAZY, "draw_many", "samples", "sizes"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"elbocheck.strategies.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
