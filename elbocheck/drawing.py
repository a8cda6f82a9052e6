"""Draws from a strategy outside a test: reproducible, without database or shrinking."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

Drawn = TypeVar("Drawn")


def draw_many(strategy: st.SearchStrategy[Drawn], count: int, *, entropy: int = 0) -> list[Drawn]:
    """`count` examples of `strategy` (fewer only if it has fewer), the same for the same `entropy`."""
    drawn: list[Drawn] = []

    @seed(entropy)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Drawn) -> None:
        drawn.append(value)

    collect()
    return drawn
