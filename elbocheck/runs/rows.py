"""Rows: one check on one target or cell, as tables, pages and JSON show it; and the report that they make up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from elbocheck import __version__
from elbocheck.outcome import Outcome, Result, Tally, Worst
from elbocheck.solver import StationaryPoint, distinct
from elbocheck.training.snapshots import PointRecord, Snapshot, record


@dataclass
class Optimum:
    """The best stationary point of a row on real data, nats per datum."""

    elbo: float
    """F."""

    entropy_sum: float
    """S."""

    delta: float
    """δ; F = S + δ within the row's bound."""


@dataclass
class Failure:
    """What people need of a row that fails."""

    replay: str = ""
    """The command that repeats it."""
    explanation: str = ""
    """The whole text of DESIGN section 6."""
    known: str = ""
    """Why it is expected, if it is."""
    reading: str = ""
    """What is wrong, by how much and where, as far as it can be told: `Result.reading`."""


@dataclass
class Row:
    """One row of a report: the tally of one check on one (target, posterior, data), and what is shown beside it."""

    target: str
    """Name of the model, or of the code under test."""

    posterior: str
    """Of a cell of the catalogue; else empty."""

    data: str
    """Name of the data set, "random", or the label of a problem."""

    check: str
    """Name of the check; "control: …" of a control."""

    tally: Tally = field(default_factory=Tally)
    """Its results, counted."""

    said: str = ""
    """In place of the tally's message."""

    ascents: int = 0
    """Problems whose search for a maximum was certified; the other points come from redundant latents."""

    least_gap: float | None = None
    """The smallest gap, of what must have one."""

    best: Optimum | None = None
    """On real data, of the stationary points; None if none was certified."""

    failure: Failure = field(default_factory=Failure)
    """Empty where nothing fails."""

    seconds: float = 0.0
    """On the clock."""

    records: tuple[PointRecord, ...] = ()
    """Every verified point; of controls, every one that was judged."""

    training: tuple[Snapshot, ...] = ()
    """On real data, the search for the maximum that is shown, step by step."""

    @property
    def outcome(self) -> str:
        return self.tally.outcome

    @property
    def message(self) -> str:
        return self.said or self.tally.message

    def smallest(self, gap: float) -> None:
        """Take note of the gap of a problem that must have one."""
        self.least_gap = gap if self.least_gap is None else min(self.least_gap, gap)

    def keep(self, points: Sequence[StationaryPoint]) -> None:
        """Record every verified point that the theorem covers."""
        verified = [point for point in distinct(list(points)) if point.decomposition.covered]
        self.records += tuple(record(point.decomposition, point.kind) for point in verified)

    def close(self, seconds: float) -> Row:
        """Judge the share of inconclusive problems and record the time."""
        self.tally.judged()
        self.seconds = seconds
        return self

    def to_json(self) -> dict[str, Any]:
        """The fields of DESIGN section 7, flat."""
        tally, best = self.tally, self.best
        return {
            "target": self.target,
            "posterior": self.posterior,
            "data": self.data,
            "check": self.check,
            "outcome": self.outcome,
            "problems": tally.problems,
            "points": tally.points,
            "inconclusive": tally.inconclusive,
            "ascents": self.ascents,
            "worst_gap": tally.worst.gap,
            "worst_bound": tally.worst.bound,
            "worst_ratio": tally.worst.ratio,
            "worst_problem": tally.worst.problem,
            "worst_relative": tally.worst.relative,
            "worst_gradient": tally.worst.gradient,
            "power": tally.worst.power,
            "least_gap": self.least_gap,
            "elbo": None if best is None else best.elbo,
            "entropy_sum": None if best is None else best.entropy_sum,
            "delta": None if best is None else best.delta,
            "inertia": tally.inertia,
            "searches_without_certificate": tally.searches_without_certificate,
            "message": self.message,
            "replay": self.failure.replay,
            "explanation": self.failure.explanation,
            "reading": self.failure.reading,
            "known": self.failure.known,
            "seconds": self.seconds,
            "records": [asdict(one) for one in self.records],
            "training": [asdict(one) for one in self.training],
            "claims": list(tally.claims),
        }

    @classmethod
    def from_json(cls, cell: Mapping[str, Any]) -> Row:
        """The inverse of `to_json` but for the points, which are not read back; what is missing has its default.

        Raises `TypeError` for a field that no row has.
        """
        unknown = set(cell) - set(Row("", "", "", "").to_json())
        if unknown:
            raise TypeError(f"a row has no {', '.join(sorted(unknown))}")
        has = dict(cell).get
        tally = Tally(
            problems=has("problems", 0),
            points=has("points", 0),
            inconclusive=has("inconclusive", 0),
            outcome=has("outcome", Outcome.HOLDS.value),
            message=has("message", ""),
            inertia=dict(has("inertia", {})),
            searches_without_certificate=dict(has("searches_without_certificate", {})),
            worst=Worst(
                **{
                    name: has("power" if name == "power" else f"worst_{name}", one.default)
                    for name, one in Worst.__dataclass_fields__.items()
                }
            ),
            claims=tuple(has("claims", ())),
        )
        best = None
        if has("elbo") is not None:
            best = Optimum(cell["elbo"], has("entropy_sum") or 0.0, has("delta") or 0.0)
        failure = Failure(has("replay", ""), has("explanation", ""), has("known", ""), has("reading", ""))
        return cls(
            cell["target"],
            cell["posterior"],
            cell["data"],
            cell["check"],
            tally,
            "",
            has("ascents", 0),
            has("least_gap"),
            best,
            failure,
            has("seconds", 0.0),
        )


def merged(rows: Iterable[Row]) -> tuple[Row, ...]:
    """One row for all rows of one check on one (target, posterior, data), in the order of the first of each."""
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = (row.target, row.posterior, row.data, row.check)
        if key not in found:
            found[key] = replace(row)
            continue
        one = found[key]
        one.tally = one.tally.merged(row.tally)
        one.ascents, one.seconds = one.ascents + row.ascents, one.seconds + row.seconds
        one.failure = one.failure if one.failure.replay else row.failure
    for one in found.values():
        one.tally.judged()
    return tuple(found.values())


def document(cells: Sequence[Mapping[str, Any]], backend: str, dtype: str) -> dict[str, Any]:
    """The JSON of a report: version, backend, dtype, summary, cells; every door writes this."""
    verified = [cell for cell in cells if cell["check"] == "stationary" or "test" in cell]
    return {
        "elbocheck": __version__,
        "backend": backend,
        "dtype": dtype,
        "summary": {
            "cells": len(cells),
            "points": sum(cell["points"] for cell in verified),
            "violated": sum(cell["outcome"] == Outcome.VIOLATED.value for cell in cells),
            "inconclusive": sum(
                cell.get("inconclusive", cell["outcome"] == Outcome.INCONCLUSIVE.value) for cell in cells
            ),
            "out_of_scope": sum(cell["outcome"] == Outcome.OUT_OF_SCOPE.value for cell in cells),
        },
        "cells": list(cells),
    }


@dataclass(frozen=True)
class Report:
    """Everything a run found. `exit_code`: 0 if every row holds, else 1."""

    rows: tuple[Row, ...]
    """In the order of tables."""

    backend: str
    """Name of what computed them."""

    dtype: str
    """In which: "float64" or "float32"."""

    @property
    def points(self) -> int:
        """Verified stationary points, controls not counted."""
        return sum(row.tally.points for row in self.rows if row.check == "stationary")

    @property
    def inconclusive(self) -> int:
        """Problems without verdict: no certified point, or a scope that the type cannot tell."""
        return sum(row.tally.inconclusive for row in self.rows)

    @property
    def exit_code(self) -> int:
        fine = (Outcome.HOLDS.value, Outcome.OUT_OF_SCOPE.value)
        return 0 if self.rows and all(row.outcome in fine for row in self.rows) else 1

    def to_json(self) -> dict[str, Any]:
        """See `document`."""
        return document([row.to_json() for row in self.rows], self.backend, self.dtype)


def of_results(target: str, check: str, results: Sequence[Result], seconds: float) -> Row:
    """The row of one check on the problems of a target; what explains results that hold is its message."""
    row = Row(target, "", "target", check, Tally.of(results)).close(seconds)
    notes = list(dict.fromkeys(one.note for one in results if one.note))
    if row.outcome == Outcome.HOLDS.value and notes:
        row.said = "; ".join(notes)
    return row
