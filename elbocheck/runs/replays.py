"""Cases of the catalogue's problems, and the repetition of any case."""

from __future__ import annotations

from typing import Any

from elbocheck import __version__
from elbocheck.models.sample import Sample
from elbocheck.outcome import Result
from elbocheck.replay_files import encoded


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
