"""Code on pages is read without scrolling sideways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
CODE, PRINTED = 80, 88
"""Columns of code, and of what programs print."""
WIDE = ("faults.md", "scale.md")
"""Pages whose tables, and lines of the library's own sources, are wider."""
FENCED = re.compile(r"^```[ {.]*(\w*)[^\n]*\n(.*?)^```$", flags=re.M | re.S)


def too_wide(text: str, page: str = "") -> list[str]:
    """Lines of code that are too long, of fenced and of indented blocks."""
    found = []
    for language, body in FENCED.findall(text):
        most = CODE if language == "python" else PRINTED
        if language == "python" or page not in WIDE:
            found += [line for line in body.splitlines() if len(line) > most]
    prose = FENCED.sub("", text)
    return found + [line for line in re.findall(r"^    \S.*$", prose, flags=re.M) if len(line) > PRINTED]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_on_a_page_fits(path: Path) -> None:
    assert too_wide(path.read_text(encoding="utf-8"), path.name) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_files_that_pages_show_fit(path: Path) -> None:
    assert [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > CODE] == []


def test_what_does_not_fit_is_found() -> None:
    fits, wide = "x = " + "1" * 76, "x = " + "1" * 77
    assert too_wide(f"```python\n{fits}\n```\n") == []
    assert too_wide(f"```python\n{wide}\n```\n", "faults.md") == [wide]
    assert too_wide(f"``` {{.toml title=one}}\n{wide * 2}\n```\n") == [wide * 2]
    assert too_wide(f"    {wide * 2}\n") == [f"    {wide * 2}"]
