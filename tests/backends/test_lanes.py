"""Many problems at once: on several devices, and where memory does not suffice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from elbocheck.backends import lanes
from elbocheck.backends.jax import compiler_options
from elbocheck.backends.lanes import on_processors, over_lanes, xp

SEARCH = """
import sys, jax, numpy as np
from elbocheck.models import find_cell
from elbocheck.runs.chunks import Chunk, trained_columns
from elbocheck.solver.batched import Cohort, search
from elbocheck.solver.batched_certificate import certify_lanes
cell = find_cell("poisson-mixture/exact")
problems = [sample.problem() for sample in Chunk(cell.name, 0, 40, 0).samples(cell)]
cohort = Cohort.of(problems, trained_columns(cell, problems[0]))
found = certify_lanes(cohort, search(cohort, [problem.starts[0] for problem in problems]))
np.savez(sys.argv[1], devices=len(jax.devices()), certified=found.certified, elbo=found.decompositions.elbo)
"""


def test_several_devices_say_what_one_says(tmp_path: Path) -> None:
    """Processors that pose as three devices; catches lanes that are dropped, repeated or mixed up between them."""
    found = []
    for count in (1, 3):
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
        # by default a device has as many threads as there are cores, and eigenvalue decompositions wait for one
        environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "NPROC": "8"}
        file = tmp_path / f"{count}.npz"
        subprocess.run([sys.executable, "-c", SEARCH, str(file)], env=environment, check=True, timeout=300)
        found.append(np.load(file))
    one, three = found
    assert (one["devices"], three["devices"]) == (1, 3)
    assert one["certified"].sum() >= 30
    assert (one["certified"] == three["certified"]).all()
    np.testing.assert_allclose(three["elbo"][one["certified"]], one["elbo"][one["certified"]], rtol=1e-9)


def test_fewer_lanes_where_memory_does_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device with room for three lanes: eight, four, then two at a time, and nothing is lost."""
    compiler_options()  # asks `jax.jit` once, before it is replaced
    compile_, widths = jax.jit, list[int]()

    def small(function: Any, **options: Any) -> Any:
        compiled = compile_(function, **options)

        def run(array: np.ndarray) -> Any:
            widths.append(len(array))
            if len(array) > 3:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")
            return compiled(array)

        return run

    monkeypatch.setattr(lanes.jax, "jit", small)
    doubled = over_lanes(lambda lane: 2.0 * xp.sum(lane), 8)
    rows = np.arange(22.0).reshape(11, 2)
    np.testing.assert_array_equal(doubled(rows), 2.0 * rows.sum(axis=1))
    assert widths == [8, 4, *[2] * 6]


def test_other_errors_are_no_question_of_memory() -> None:
    """Catches that they are tried again without end."""

    def broken(lane: Any) -> Any:
        raise ValueError("of the code under test")

    with pytest.raises(ValueError, match="of the code under test"):
        over_lanes(broken, 8)(np.ones((3, 2)))


def test_one_problem_runs_on_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_processors():
        assert jax.config.jax_default_device.platform == "cpu"
        assert next(iter(jax.numpy.ones(2).devices())).platform == "cpu"

    def missing(backend: str) -> Any:
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(lanes.jax, "local_devices", missing)
    with on_processors():
        assert jax.config.jax_default_device is None
