"""The pages with a gate: their blocks, their commands, and the change that each asks the reader to make."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support import ROOT, pages
from support.processes import python


@dataclass(frozen=True)
class GatePage:
    """A page that shows the file, what the command prints, and what it prints after a change."""

    path: Path
    """The page."""
    change: str
    """How the page says it: a regular expression with the words after and before the change."""

    part: str = r"[\s\S]*"
    """What it shows of the output after the change."""

    def cut(self, output: str) -> str:
        """The part of an output that the page shows."""
        found = re.search(self.part, output)
        assert found is not None, output
        return found[0]

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def block(self, mark: str) -> str:
        """The fenced block after `<!-- mark -->`."""
        return pages.block(self.text, mark)

    def broken(self, folder: Path) -> None:
        """Make the mistake of the page in `gate.py`."""
        found = re.search(self.change, self.text.replace("\n", " "))
        assert found is not None, f"{self.path.name} asks for no change"
        text = (folder / "gate.py").read_text(encoding="utf-8")
        after, before, *last = found.groups()
        old, new = (f"{one} {last[0]}" if last else f"({one})" for one in (before, after))
        assert text.count(old) == 1
        (folder / "gate.py").write_text(text.replace(old, new), encoding="utf-8")


GATE = GatePage(ROOT / "docs" / "gate.md", r"`(log_joint\(p\) - 0.*?)`\s+for `(.*?)`")
README = GatePage(ROOT / "README.md", r"`(.)` for `(.)` before `(jnp.*?)`", r"(?s)VIOLATED.*?\.json\n")
PAGES = (GATE, README)
TEXT = GATE.text
CODE = GATE.block("file gate.py")
"""The file that all of them show."""
block = GATE.block
broken = GATE.broken


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the page, run in a folder, with 80 columns."""
    return python("-m", *arguments, folder=folder)
