"""The page on gates: its blocks, its commands, and the change that it asks the reader to make."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from support import ROOT, pages
from support.processes import python

PAGE = ROOT / "docs" / "gate.md"
TEXT = PAGE.read_text(encoding="utf-8")


def block(mark: str) -> str:
    """The fenced block after `<!-- mark -->`."""
    return pages.block(TEXT, mark)


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the page, run in a folder, with 80 columns."""
    return python("-m", *arguments, folder=folder)


def broken(folder: Path) -> None:
    """Make the mistake of the page in `gate.py`."""
    after, before = re.search(r"`(log_joint\(p\) - 0.*?)`\s+for `(.*?)`", TEXT.replace("\n", " ")).groups()  # type: ignore[union-attr]
    text = (folder / "gate.py").read_text(encoding="utf-8")
    assert text.count(f"({before})") == 1
    (folder / "gate.py").write_text(text.replace(f"({before})", f"({after})"), encoding="utf-8")
