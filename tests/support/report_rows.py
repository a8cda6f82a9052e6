"""Rows of a report from the fields that JSON has of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from elbocheck.outcome import Outcome, Result
from elbocheck.runs.rows import Row


def row(target: str, posterior: str, data: str, check: str, **fields: Any) -> Row:
    """A row with these fields of `Row.to_json`; `records` and `training` are the objects themselves."""
    shown = {name: fields.pop(name, ()) for name in ("records", "training")}
    found = Row.from_json({"target": target, "posterior": posterior, "data": data, "check": check, **fields})
    return replace(found, **shown)


def failing_row(outcome: Outcome) -> Row:
    """One problem with this outcome, of a deviation of 1."""
    found = Row("sbn", "exact", "random", "stationary")
    found.tally.add(Result("stationary", "p", outcome, gap=1.0, bound=1e-9, message="factor x deviates"))
    return found.close(0.0)


def every_point_row() -> Row:
    """A row without problems."""
    return Row("sbn", "exact", "random", "every point").close(0.0)
