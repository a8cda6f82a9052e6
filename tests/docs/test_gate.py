"""The page on gates is true: its file is short, its commands print what it shows, from an empty folder."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from elbocheck import Problem
from support.gate_page import TEXT, block, broken, command
from support.printed import difference

MOST_LINES = 25
REFRESH = "run `python docs/refresh_gate.py`"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("gate.py", "test_gate.py", "known.toml"):
        (tmp_path / name).write_text(block(f"file {name}"), encoding="utf-8")
    return tmp_path


def test_the_file_is_short() -> None:
    lines = block("file gate.py").splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 80


def test_the_commands_print_what_the_page_shows(folder: Path) -> None:
    good = command(folder, "elbocheck", "verify", "gate:target")
    assert good.returncode == 0, good.stderr
    assert not difference(good.stdout, block("output gate.py")), REFRESH
    broken(folder)
    bad = command(folder, "elbocheck", "verify", "gate:target")
    assert bad.returncode == 1
    assert not difference(bad.stdout, block("output broken")), REFRESH
    assert max(len(line) for line in (good.stdout + bad.stdout).splitlines()) <= 80
    known = command(folder, "elbocheck", "verify", "gate:target", "--known-failures", "known.toml")
    assert known.returncode == 0, known.stdout


def test_the_decorated_test_runs(folder: Path) -> None:
    assert command(folder, "pytest", "-q", "-p", "no:cacheprovider").returncode == 0
    broken(folder)
    bad = command(folder, "pytest", "-q", "-p", "no:cacheprovider")
    assert bad.returncode == 1
    assert "the entropy of q" in bad.stdout


def test_the_table_names_fields_that_exist() -> None:
    named = re.findall(r"^\| `(\w+)", TEXT, flags=re.M)
    assert len(named) == 9
    assert set(named) <= {one.name for one in fields(Problem)}
