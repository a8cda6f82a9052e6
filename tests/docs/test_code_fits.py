"""Code on pages is read without scrolling sideways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
WIDTH = 80
"""Columns of code, and of what programs print."""
FENCED = re.compile(r"^```[ {.]*(\w*)[^\n]*\n(.*?)^```$", flags=re.M | re.S)


def too_wide(text: str) -> list[str]:
    """Lines of code, and of what programs print, that are too long, of fenced and of indented blocks."""
    fenced = [line for _, body in FENCED.findall(text) for line in body.splitlines()]
    indented = re.findall(r"^    \S.*$", FENCED.sub("", text), flags=re.M)
    return [line for line in (*fenced, *indented) if len(line) > WIDTH]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_on_a_page_fits(path: Path) -> None:
    assert too_wide(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_files_that_pages_show_fit(path: Path) -> None:
    assert [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > WIDTH] == []


def test_what_does_not_fit_is_found() -> None:
    fits, wide = "x = " + "1" * 76, "x = " + "1" * 77
    assert too_wide(f"```python\n{fits}\n```\n") == []
    assert too_wide(f"```python\n{wide}\n```\n") == [wide]
    assert too_wide(f"```\n{fits}\n{wide}\n```\n") == [wide]
    assert too_wide(f"``` {{.toml title=one}}\n{wide * 2}\n```\n") == [wide * 2]
    assert too_wide(f"    {wide * 2}\n") == [f"    {wide * 2}"]
