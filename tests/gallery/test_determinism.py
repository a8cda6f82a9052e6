"""Two runs of the gate say the same, whatever Python's hashes, the processes and their order are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from elbocheck.runs import pool
from elbocheck.runs.jobs import Job, RandomJob
from support.gallery import HEAD, lay_out
from support.processes import python

TARGETS = HEAD + (
    "def made(n, shift):\n    return problem(elbo=wrong if n > 3 else elbo, label=f'n = {n}, {shift}')\n"
    "drawn = Target('drawn', made, {'n': st.integers(0, 9), 'shift': st.sampled_from(['a', 'b', 'c'])})\n"
    "target = [target_of(name='right'), target_of(name='wrong', elbo=wrong), drawn]\n"
)


def of_run(folder: Path, hashes: int, *command: str) -> tuple[Any, set[str]]:
    """(the JSON of a run without its seconds, the names of its cases) at some PYTHONHASHSEED."""
    folder.mkdir()
    lay_out(folder, {"mine.py": TARGETS})
    done = python("-m", *command, folder=folder, environment={**os.environ, "PYTHONHASHSEED": str(hashes)})
    assert done.returncode == 1, done.stdout + done.stderr
    found = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    for cell in found["cells"]:
        cell.pop("seconds", None)
    return found, {path.name for path in folder.glob("elbocheck-cases/*")}


def test_the_command_line(tmp_path: Path) -> None:
    command = ("elbocheck", "verify", "mine.py", "--json", "r.json")
    one, other = (of_run(tmp_path / str(hashes), hashes, *command) for hashes in (0, 4711))
    assert one == other
    assert one[0]["summary"]["violated"] == 4
    assert len(one[1]) == 4


def test_the_tests(tmp_path: Path) -> None:
    command = ("pytest", "--pyargs", "elbocheck.properties.test_target", "-p", "no:cacheprovider",
               "--elbocheck-target", "mine.py", "--elbocheck-report", "r.json")  # fmt: skip
    one, _ = of_run(tmp_path / "one", 1, *command, "-n", "0")
    other, _ = of_run(tmp_path / "two", 2, *command, "-n", "2")
    assert one == other
    assert len(one["cells"]) > 10


def test_the_catalogue() -> None:
    jobs = [Job((RandomJob((f"{name}-mixture/exact",), 2, 3),)) for name in ("exponential", "rayleigh")]
    found = [pool.run(jobs, workers, lambda *_: None).to_json() for workers in (1, 2)]
    for report in found:
        for cell in report["cells"]:
            assert cell.pop("seconds") > 0.0
    assert found[0] == found[1]
    assert [cell["problems"] for cell in found[0]["cells"]] == [2, 2, 2, 2]
