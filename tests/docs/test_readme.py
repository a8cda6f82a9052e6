"""The README is short and true: its gate is that of the page and prints what it shows, its numbers are real."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from support import ROOT
from support.gate_page import CODE, README, command
from support.printed import difference

TEXT = README.text
MOST_LINES = 135
REFRESH = "run `python docs/refresh_gate.py`"


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) <= MOST_LINES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gate.py").write_text(README.block("file gate.py"), encoding="utf-8")
    return tmp_path


def test_the_gate_is_that_of_the_page_and_prints_what_is_shown(folder: Path) -> None:
    assert README.block("file gate.py") == CODE, REFRESH
    done = command(folder, "elbocheck", "verify", "gate:target")
    assert done.returncode == 0, done.stderr
    assert not difference(done.stdout, README.block("output gate.py")), REFRESH


def test_one_broken_character_is_found_as_shown(folder: Path) -> None:
    README.broken(folder)
    broken = (folder / "gate.py").read_text(encoding="utf-8")
    assert sum(one != other for one, other in zip(broken, CODE, strict=True)) == 1
    done = command(folder, "elbocheck", "verify", "gate:target")
    assert done.returncode == 1
    assert not difference(README.cut(done.stdout), README.block("output broken")), REFRESH
    assert "sign: the entropy of q" in done.stdout


def test_every_library_has_its_line() -> None:
    named = re.findall(r"^- \*\*([\w-]+)\*\*", TEXT, flags=re.M)
    assert named == ["JAX", "NumPy", "torch", "scikit-learn", "NumPyro", "Pyro"]
    for adapter in set(re.findall(r"elbocheck\.adapters\.(\w+)\.\w+\(", TEXT)):
        assert (ROOT / "elbocheck" / "adapters" / f"{adapter}.py").exists()


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", TEXT) + re.findall(r'(?:src|srcset)="([^"]+)"', TEXT)
    local = [link for link in links if not link.startswith("https://")]
    assert len(local) > 15
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_the_two_commands_name_an_existing_extra_and_script() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "pip install . && elbocheck verify" in TEXT
    assert "pip install -e '.[test]' && pytest -n auto" in TEXT
    assert "test" in project["optional-dependencies"]
    assert "elbocheck" in project["scripts"]


def test_the_number_of_faults_is_right() -> None:
    from elbocheck.faults.catalogue import FAULTS, MODELS

    shown = " ".join(TEXT.split())
    assert f"{len(FAULTS)} of {len(FAULTS)} faults in {len(MODELS)} models rejected" in shown
    (found,) = re.findall(r"what people do today, all of it together, rejects (\d+)", shown)
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    assert re.search(rf"all of it\s+together, rejects\s+{found}\b", page)
