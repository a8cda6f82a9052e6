"""Cases of the catalogue's problems, and the repetition of any case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elbocheck import __version__
from elbocheck.backends import get_backend
from elbocheck.checks.table import OF_CATALOGUE
from elbocheck.errors import InputError
from elbocheck.gate.encoding import decoded, encoded
from elbocheck.gate.replays import Replayed, read_replay, replayed
from elbocheck.models.catalogue import find_cell
from elbocheck.models.sample import Sample
from elbocheck.outcome import Result


def sample_replay(sample: Sample, result: Result, source: str = "") -> dict[str, Any]:
    """The case of a problem of the catalogue, or of a user's own cells in `source`."""
    backend = sample.cell.backend
    return {
        "elbocheck": __version__, "kind": "sample", "target": source, "name": sample.cell.name, "check": result.check,
        "sample": encoded({
            "x": sample.x, "data_weights": sample.data_weights, "latents": sample.latents, "params": sample.params,
            "frozen": tuple(sample.frozen), "label": sample.label, "seed": sample.seed,
        }),
        "backend": backend.name, "dtype": backend.dtype, "outcome": result.outcome.value,
        "gap": result.gap, "bound": result.bound, "message": result.message,
    }  # fmt: skip


def replay(path: str | Path) -> Replayed:
    """Repeat a case, on the backend and in the dtype that it names."""
    case = read_replay(path)
    if case["kind"] != "sample":
        return replayed(case, path)
    cell = find_cell(case["name"], case["target"]).on(get_backend(case["backend"], case["dtype"]))
    if case["check"] not in OF_CATALOGUE:
        raise InputError(f"{path}: the check {case['check']!r} cannot be repeated; {', '.join(OF_CATALOGUE)} can")
    sample = Sample.checked(cell, **decoded(case["sample"]))
    return Replayed(cell.name, OF_CATALOGUE[case["check"]].run(sample.problem()), case["outcome"])
