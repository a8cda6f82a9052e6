"""The fenced blocks of the documentation, run as a reader would run them: `python docs/blocks.py [PAGE.md ...]`.

The tests do the same and compare (tests/support/printed.py); this command puts what the blocks print into the pages.

    ```python      is executed, in the order of the page, one namespace for each page
    ```console     `$ ` lines are run in the page's folder, what follows them is what they print
    ```yaml, ```toml, ```ini, ```python whose first line is `# file: NAME` are put into the page's folder as that file
    <!-- output --> before a block: what the Python block before it prints
    <!-- needs: LIBRARY --> before a block: skipped where that is not installed
    <!-- not run: REASON --> before a block: commands are only parsed

Files of docs/examples/ are in the folder from the beginning, and `--8<-- "NAME"` shows one of them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.printed import difference

DOCS = Path(__file__).parent
EXAMPLES = DOCS / "examples"
BLOCK = re.compile(r"((?:^<!--[^\n]*-->\n)*)^```(\w*)[^\n]*\n(.*?)^```$", flags=re.M | re.S)
MARK = re.compile(r"<!-- ([\w ]+?)(?:: (.*?))? -->")


@dataclass
class Block:
    """One fenced block: its language, the comments before it, its text and where that lies in the page."""

    language: str
    marks: dict[str, str]
    body: str
    begin: int
    end: int

    @property
    def file(self) -> str:
        """The name of the file that it is, if it is one."""
        named = re.match(r"# file: (\S+)\n", self.body)
        return named[1] if named else ""

    @property
    def missing(self) -> str:
        """The library that it needs and that is not installed."""
        needs = self.marks.get("needs", "")
        return needs if needs and importlib.util.find_spec(needs) is None else ""


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a page."""
    return [
        Block(found[2], {mark[1]: mark[2] or "" for mark in MARK.finditer(found[1])}, found[3], *found.span(3))
        for found in BLOCK.finditer(text)
    ]


@dataclass
class Page:
    """A page that is being run: its folder and the namespace of its Python blocks."""

    path: Path
    folder: Path
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "docs"})

    def run(self) -> Iterator[tuple[Block, str]]:
        """Run everything; yields (block, what it should show) for every block that shows what something printed."""
        printed = ""
        for block in blocks(self.path.read_text(encoding="utf-8")):
            if block.missing or "--8<--" in block.body:
                continue
            if "output" in block.marks:
                yield block, printed
            elif block.language == "console" and "not run" not in block.marks:
                yield block, self.console(block)
            elif block.file:
                (self.folder / block.file).write_text(block.body, encoding="utf-8")
            elif block.language == "python":
                printed = self.python(block)

    def python(self, block: Block) -> str:
        """What the block prints."""
        out, line = io.StringIO(), self.path.read_text(encoding="utf-8")[: block.begin].count("\n")
        code = compile("\n" * line + block.body, str(self.path), "exec")
        before, path = Path.cwd(), list(sys.path)
        os.chdir(self.folder)
        sys.path.insert(0, str(self.folder))
        try:
            with contextlib.redirect_stdout(out):
                exec(code, self.names)
        finally:
            os.chdir(before)
            sys.path[:] = path
        return out.getvalue()

    def console(self, block: Block) -> str:
        """The block with what its commands print now."""
        shown = []
        for line in block.body.splitlines():
            if line.startswith("$ "):
                shown += [line, *self.command(line[2:])]
        return "\n".join(shown) + "\n"

    def command(self, line: str) -> list[str]:
        """Lines that a command prints, without blank ones at the ends."""
        program, *arguments = shlex.split(line)
        module = {"elbocheck": "elbocheck", "pytest": "pytest"}[program]
        environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONWARNINGS": "default"}
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            encoding="utf-8",
        )
        lines = [one.rstrip() for one in (done.stdout + done.stderr).strip("\n").splitlines()]
        return [one for k, one in enumerate(lines) if one or (k and lines[k - 1])]


def workspace(make: Callable[[], Path]) -> Path:
    """A folder with the example files."""
    folder = make()
    for path in EXAMPLES.glob("*.py"):
        shutil.copy(path, folder)
    return folder


def pages() -> list[Path]:
    """Every page with blocks to be run; the others have tests of their own."""
    return [path for path in sorted(DOCS.rglob("*.md")) if "<!-- blocks are run -->" in path.read_text("utf-8")]


def main() -> None:
    """Fill in what the blocks print."""
    for path in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        folder = workspace(lambda: Path(tempfile.mkdtemp(prefix="elbocheck-docs-")))
        text = path.read_text(encoding="utf-8")
        for block, shown in reversed(list(Page(path, folder).run())):
            if difference(shown, block.body):
                text = text[: block.begin] + shown.strip("\n") + "\n" + text[block.end :]
        path.write_text(text, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        print(f"{path.name} filled")


if __name__ == "__main__":
    main()
