"""Every script of benchmarks/ and docs/ runs, with small arguments, in a copy of the checkout that it may write to."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path

import pytest

from elbocheck.backends import DTYPES
from elbocheck.backends.libraries import LIBRARIES
from elbocheck.runs.rows import Row
from support import ROOT, pages
from support.printed import difference, tokens
from support.processes import python
from support.report_rows import row as made

SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("benchmarks", "docs", "docs/examples")
    for path in (ROOT / folder).glob("*.py")
)

SMALL = ("--model", "poisson-mixture", "--data", "horse_kicks", "--workers", "1")
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "benchmarks/correct_targets.py": ("--library", "numpy", "--count", "2"),
    "benchmarks/device.py": ("--problems", "1", "--workers", "1", "--cells", "poisson-mixture/exact"),
    "benchmarks/lanes.py": ("--cells", "poisson-mixture/exact", "--lanes", "4", "--one-by-one", "1"),
    "benchmarks/monitor.py": ("--mixture", "8", "10", "--vae", "4", "5", "--repeats", "1"),
    "benchmarks/per_point.py": (
        "--cells",
        "poisson-mixture/exact",
        "--problems",
        "8",
        "--others",
        "2",
        "--jit-examples",
        "1",
    ),
    "benchmarks/scale.py": ("--small", "--models", "numpy", "--no-check"),
    "benchmarks/scale_models.py": (),
    "benchmarks/timings.py": ("--small",),
    "docs/backends.py": ("report.json=97", "jax:float64", "--", *SMALL),
    "docs/blocks.py": ("docs/monitor.md",),
    "docs/examples/forgotten.py": (),
    "docs/examples/mixture.py": (),
    "docs/examples/regression.py": (),
    "docs/examples/unfinished.py": (),
    "docs/faults.py": ("--first", "1"),
    "docs/pictures.py": (),
    "docs/proofs.py": ("proofs.json",),
    "docs/refresh.py": ("verify.log", "census.jsonl"),
    "docs/refresh_gate.py": (),
}
"""What makes a script small. A new script needs a line here; `report.json`, `proofs.json`, `verify.log` and
`census.jsonl` are there."""
PRINTS = {
    "benchmarks/device.py": r"\d+ cpu .*; 1 workers on it, .*\non the card: 0 problems.*\n"
    r"on the host: 16 problems, 16 stationary .*\n16 .*\n",
    "benchmarks/per_point.py": r"ms per verified point .*\npoisson-mixture/exact, 12 .*\n(  .* \d+\.\d+ +\d+\.\d\n){4}",
    "benchmarks/lanes.py": r"points per processor second .*\npoisson-mixture/exact +12( +\d+\.\d){3}\n(.+\n){2}",
    "benchmarks/correct_targets.py": r"[\s\S]*\| numpy \| \*\*all\*\* \| 2 \| 2 \| 0 \| 0 \| 0 \| 0 \|[\s\S]*",
    "benchmarks/scale.py": r"[\s\S]*model [\s\S]*numpy[\s\S]*",
    "docs/backends.py": r"\| numpy \| float32 \| 30 \| 0.50 .* 97 s \|\n\| jax \| float64 \| \d+ \| 0\.\d\d .* s \|\n",
    "docs/blocks.py": r"monitor.md filled\n",
    "benchmarks/timings.py": r"\d+ cores, [\s\S]*verify, one model +\d+ s +\d+ s\n[\s\S]*",
}
"""What the whole output looks like, if there is any that is not shown on a page."""
SHOWN = {
    "benchmarks/monitor.py": ("docs/monitor.md", "cost"),
}
"""The page, and the mark of the block, where a reader finds the output with the default arguments."""
WRITES = {
    "docs/backends.py": ("docs/backends.md", r"^\| numpy \| float32 \| 30 \| 0.50 "),
    "benchmarks/timings.py": ("docs/profiles.md", r"^\d+ cores, .*\n.*jax [\s\S]*^verify, one model +\d+ s +\d+ s$"),
    "docs/faults.py": ("docs/faults.md", r"\n gaussian mixture\n  [^\n]+\n\n"),
    "docs/pictures.py": ("docs/images/explain-dark.svg", r"<!-- vae-1/encoder on iris -->[\s\S]*<!-- ELBO F -->"),
    "docs/proofs.py": (
        "docs/certify.md",
        r"^1 of 2 cells[\s\S]*^\| sbn/exact \| 16, 4, 1 \| 9 \| maximum \| 3e-37 \| 0 ± 4e-36 \| 4 \|$[\s\S]*"
        r"^\| lda/points \| no \|$",
    ),
    "docs/refresh.py": ("docs/census.md", r"^ sbn/exact +20 3e-15 1e-12 "),
}
"""What a page says after the run."""
RESTORES = {
    "docs/blocks.py": ("docs/monitor.md", "converged: F = S", "diverged: F = S"),
    "docs/refresh.py": ("docs/catalogue.md", "ELBO = entropy sum: ", "ELBO = entropy sum: 1"),
    "docs/refresh_gate.py": ("docs/gate.md", "4 checks, 4 holds", "5 checks, 5 holds"),
}
"""A page, and words in it that the run must put right after they have been replaced by others."""


PROOFS = {
    "bits": 192,
    "cells": [
        {
            "cell": "sbn/exact",
            "sizes": [16, 4, 1],
            "coordinates": 9,
            "kind": "maximum",
            "radius": 2.1e-37,
            "gap": {"text": "[+/- 4e-36]", "middle": 1e-36, "radius": 2.1e-36, "contains_zero": True},
            "seconds": 3.7,
            "reason": "",
            "proved": True,
        },
        {"cell": "lda/points", "reason": "no", "proved": False},
    ],
}
"""A record of `elbocheck certify --all`; its bounds are rounded up on the page."""


def block(page: str, mark: str) -> str:
    """The fenced block after `<!-- mark -->`."""
    return pages.block((ROOT / page).read_text(encoding="utf-8"), mark)


def words(text: str) -> list[str]:
    """The words of a text without its numbers."""
    return [one for one in tokens(text) if isinstance(one, str)]


def row(check: str) -> Row:
    """What a run of one cell leaves."""
    numbers = {"worst_gap": 3e-15, "worst_bound": 1e-12, "worst_ratio": 0.5, "power": 1e-11}
    counts = {"problems": 30, "points": 20, "ascents": 20, "inertia": {"maximum": 15, "saddle": 5}}
    return made("sbn", "exact", "random", check, **numbers, **counts).close(1.0)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """README.md, docs/, benchmarks/ and tests/, where scripts may write, and the files that they read."""
    for folder in ("benchmarks", "docs", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(tmp_path / "docs" / "images")
    shutil.copy(ROOT / "README.md", tmp_path)
    rows = [row("every point").to_json(), row("stationary").to_json()]
    (tmp_path / "census.jsonl").write_text(json.dumps({"job": "sbn", "rows": rows}) + "\n", encoding="utf-8")
    summary = {"points": 20, "violated": 0, "inconclusive": 0}
    report = {"backend": "numpy", "dtype": "float32", "summary": summary, "cells": rows}
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    (tmp_path / "proofs.json").write_text(json.dumps(PROOFS), encoding="utf-8")
    log = "[   6.0 s]    30/30 sbn/exact\n" + block("docs/output.md", "output")
    (tmp_path / "verify.log").write_text(log, encoding="utf-8")
    return tmp_path


def test_every_script_is_run() -> None:
    """Catches a script without small arguments, and arguments and expectations of a script that is gone."""
    assert sorted(ARGUMENTS) == SCRIPTS
    assert {*PRINTS, *SHOWN, *WRITES, *RESTORES} <= {*ARGUMENTS}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs(script: str, copy: Path) -> None:
    """Catches a script that no longer fits the package, prints other words than its page, or fills nothing in."""
    page, right, wrong = RESTORES.get(script, ("README.md", "", ""))
    before = (copy / page).read_text(encoding="utf-8")
    if right:
        assert before.count(right) == 1
        (copy / page).write_text(before.replace(right, wrong), encoding="utf-8")
    done = python(script, *ARGUMENTS[script], folder=copy)
    assert done.returncode == 0, done.stderr
    if script in SHOWN:
        assert words(done.stdout) == words(block(*SHOWN[script])), f"run `python {script}` and put it into the page"
    else:
        assert re.fullmatch(PRINTS.get(script, ""), done.stdout), done.stdout
    if script in WRITES:
        name, pattern = WRITES[script]
        assert re.search(pattern, (copy / name).read_text(encoding="utf-8"), flags=re.M), name
    assert not difference((copy / page).read_text(encoding="utf-8"), before)


def test_the_measured_backends_are_those_that_there_are() -> None:
    """Catches a backend or a dtype that is new, and not measured."""
    text = (ROOT / "docs" / "backends.md").read_text(encoding="utf-8")
    measured = re.findall(r"^\| (\w+) \| (float\d+) \|", text, flags=re.M)
    assert sorted(measured) == sorted(itertools.product(LIBRARIES, DTYPES))
