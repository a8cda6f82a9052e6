"""The page on gates is true: its file is short, its commands print what it shows, from an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from elbocheck import Problem
from printed import difference

PAGE = Path(__file__).parents[1] / "docs" / "gate.md"
TEXT = PAGE.read_text(encoding="utf-8")
MOST_LINES = 25
REFRESH = "run `python docs/refresh_gate.py`"


def block(mark: str) -> str:
    (found,) = re.findall(rf"^<!-- {re.escape(mark)} -->\n```\w*\n(.*?)^```$", TEXT, flags=re.M | re.S)
    return str(found)


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True, check=False, encoding="utf-8",
        env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("gate.py", "test_gate.py", "known.toml"):
        (tmp_path / name).write_text(block(f"file {name}"), encoding="utf-8")
    return tmp_path


def broken(folder: Path) -> None:
    after, before = re.search(r"`(log_joint\(p\) - 0.*?)`\s+for `(.*?)`", TEXT.replace("\n", " ")).groups()  # type: ignore[union-attr]
    text = (folder / "gate.py").read_text(encoding="utf-8")
    assert text.count(f"({before})") == 1
    (folder / "gate.py").write_text(text.replace(f"({before})", f"({after})"), encoding="utf-8")


def test_the_file_is_short() -> None:
    lines = block("file gate.py").splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 110


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
