"""Hypothesis strategies: random sizes, data sets, parameters and variational families; correct targets for the gate."""

from __future__ import annotations

from typing import Any

from elbocheck.strategies.drawing import draw_many
from elbocheck.strategies.samples import samples, sizes

_LAZY = ("Choice", "CorrectTarget", "correct_target", "correct_targets")

__all__ = [*_LAZY, "draw_many", "samples", "sizes"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from elbocheck.strategies import targets as module

        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
