"""Rows of a report from the fields that JSON has of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from elbocheck.runs.rows import Row


def row(target: str, posterior: str, data: str, check: str, **fields: Any) -> Row:
    """A row with these fields of `Row.to_json`; `records` and `training` are the objects themselves."""
    shown = {name: fields.pop(name, ()) for name in ("records", "training")}
    found = Row.from_json({"target": target, "posterior": posterior, "data": data, "check": check, **fields})
    return replace(found, **shown)
