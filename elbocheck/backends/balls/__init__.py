"""Interval arithmetic with rigorous rounding, as one more array library; needs python-flint."""

from __future__ import annotations

from elbocheck.backends.balls.namespace import ball_namespace

__all__ = ["ball_namespace"]
