"""Rows of a report: what JSON has of them comes back."""

from __future__ import annotations

import json

from elbocheck.outcome import Tally, Worst
from elbocheck.runs.rows import Failure, Optimum, Row

ROW = Row(
    "sbn",
    "exact",
    "iris",
    "stationary",
    Tally(7, 5, 2, 0, "violated", "x deviates", {"maximum": 4, "saddle": 1}, {"runs away": 2}, claims=("covered",)),
    ascents=3,
    least_gap=0.5,
    best=Optimum(-1.0, -1.25, 0.25),
    failure=Failure("elbocheck replay it", "a text", "a reason", "x: twice"),
    seconds=1.5,
)
ROW.tally.worst = Worst(1e-3, 1e-4, 10.0, 1e-2, 1e-5, 1e-9, "a problem")


def test_a_row_comes_back_from_json() -> None:
    written = ROW.to_json()
    empty = Row("", "", "", "").to_json()
    assert {name for name in written if written[name] == empty[name]} == {"records", "training"}  # not read back
    assert Row.from_json(json.loads(json.dumps(written))) == ROW
