"""The newcomer's page is true: its file is short and complete, its command does what the page shows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from elbocheck.families.base import Distribution
from elbocheck.loading import load_module
from elbocheck.profiles import PROFILES
from support import ROOT, pages
from support.printed import difference
from support.processes import elbocheck

TEXT = (ROOT / "docs" / "add-a-model.md").read_text(encoding="utf-8")
MOST_LINES = 80


def block(mark: str) -> str:
    return pages.block(TEXT, mark)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "maxwell.py").write_text(block("file"), encoding="utf-8")
    return tmp_path


def command(folder: Path) -> subprocess.CompletedProcess[str]:
    """The command of the page, run away from the checkout."""
    (line,) = re.findall(r"^    elbocheck (verify .*)$", TEXT, flags=re.M)
    return elbocheck(*line.split(), folder=folder)


def test_the_file_is_short() -> None:
    lines = block("file").splitlines()
    assert len(lines) < MOST_LINES
    assert max(map(len, lines)) <= 120


def test_the_command_does_what_the_page_shows(folder: Path) -> None:
    done = command(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not difference(done.stdout, block("output"), drawn=True)
    (row,) = [line.split() for line in done.stdout.splitlines() if line.startswith(" maxwell-mixture/exact")]
    assert int(row[1]) >= PROFILES["quick"]
    assert [path.name for path in folder.iterdir() if path.name != "__pycache__"] == ["maxwell.py"]


def test_the_broken_formula_of_the_page_is_found(folder: Path) -> None:
    before, after = re.search(r"write `(2 .*?)` for `(3 .*?)`", TEXT.replace("\n", " ")).groups()[::-1]  # type: ignore[union-attr]
    text = block("file")
    assert text.count(before) == 1
    (folder / "maxwell.py").write_text(text.replace(before, after), encoding="utf-8")
    done = command(folder)
    assert done.returncode == 1
    assert "factor x[0] deviates by 5.000e-01 nats per datum" in done.stdout
    line = next(line for line in done.stdout.splitlines() if "repeat: elbocheck replay" in line)
    again = elbocheck(*line.split()[2:], folder=folder)
    assert again.returncode == 1
    assert "violated (as recorded)" in again.stdout


def test_its_family_is_that_of_scipy_and_complete(folder: Path) -> None:
    family: Any = load_module(str(folder / "maxwell.py")).Maxwell
    methods = [name for name in vars(Distribution) if not name.startswith("_")]
    assert [name for name in methods if not hasattr(family, name)] == []
    variance = np.array([0.3, 1.0, 7.0])
    member, reference = family(variance), scipy.stats.maxwell(scale=np.sqrt(variance))
    u = np.array([[0.1], [1.0], [4.0]])
    np.testing.assert_allclose(member.log_density(u), reference.logpdf(u), rtol=1e-13)
    np.testing.assert_allclose(member.entropy(), reference.entropy(), rtol=1e-13)
    np.testing.assert_allclose(member.with_natural_parameters(member.natural_parameters()).variance, variance)
    expected = [scipy.stats.maxwell(scale=np.sqrt(v)).expect(lambda u: 2 * np.log(u)) for v in variance]
    np.testing.assert_allclose(member.expected_log_base_measure(), expected, rtol=1e-7)
