"""The page on extending elbocheck is true: in a copy of the checkout its blocks are written where it says, and run."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import ROOT
from support.processes import python

PAGE = ROOT / "docs" / "extend.md"
COPIED = ("conftest.py", "pyproject.toml", "elbocheck", "models", "properties", "strategies", "tests")
LINE = re.compile(r'^<!-- line: (\S+) after "(.+)" -->\n```\n(.*?)^```$', flags=re.M | re.S)
FILE = re.compile(r"^```python\n# file: (\S+)\n(.*?)^```$", flags=re.M | re.S)
COMMAND = re.compile(r"^```console\n\$ (.*?)^```$", flags=re.M | re.S)


@dataclass(frozen=True)
class Section:
    """What one section of the page asks its reader to do."""

    files: dict[str, str]
    """Path -> text."""
    lines: list[tuple[str, str, str]]
    """(path, words of the line before, line)."""
    command: list[str]
    """Arguments of Python."""

    def apply(self, checkout: Path) -> None:
        for path, text in self.files.items():
            assert not (checkout / path).exists(), f"{path} is there already"
            assert (checkout / path).parent.is_dir(), f"{path}: there is no such folder"
            (checkout / path).write_text(text, encoding="utf-8")
        for path, before, line in self.lines:
            text = (checkout / path).read_text(encoding="utf-8").splitlines(keepends=True)
            place = next(number for number, one in enumerate(text) if before in one)
            (checkout / path).write_text("".join([*text[: place + 1], line, *text[place + 1 :]]), encoding="utf-8")


def sections() -> dict[str, Section]:
    """Title -> section, of those with files."""
    found = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        commands = [shlex.split(one.replace("\\\n", " ")) for one in COMMAND.findall(part)]
        assert [one[:1] for one in commands] == [["python"]], "a section shows one command"
        found[part.partition("\n")[0]] = Section(dict(FILE.findall(part)), LINE.findall(part), commands[0][1:])
    return found


SECTIONS = sections()
FOLDERS = {
    "A family": ("elbocheck/families", 1),
    "A model": ("models", 0),
    "A posterior": ("models/variational", 0),
    "A check": ("elbocheck/checks", 1),
    "A backend": ("elbocheck/backends", 1),
    "An adapter": ("elbocheck/adapters", 0),
}
"""Where the one file lies, and how many lines are needed elsewhere."""
FAULTS = {
    "A family": ("return (3.0 * self.variance,)", "return (2.0 * self.variance,)"),
    "A model": ('{"log_variances": -ones_like', '{"log_variances": 2.0 * -ones_like'),
    "A posterior": ("gaussian_entropy(spread", "gaussian_entropy(2.0 * spread"),
    "A check": ("max(-slope, 0.0)", "max(slope, 0.0)"),
    "A backend": ("lambda leaf: np.asarray(leaf)", "lambda leaf: np.asarray(leaf) * (1.0 + 1e-9)"),
    "An adapter": ("entropy=np.zeros(count)", "entropy=np.full(count, 0.1)"),
}
"""Words of the file, and what breaks it."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a checkout has, laid out as it is installed."""
    ignored = shutil.ignore_patterns("__pycache__", "elbocheck-cases", ".*")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name, **({"ignore": ignored} if copy is shutil.copytree else {}))
    settings = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    for package, folder in settings["package-dir"].items():
        (tmp_path / package.replace(".", "/")).symlink_to(tmp_path / folder, target_is_directory=True)
    return tmp_path


def run(title: str, checkout: Path, *more: str) -> tuple[int, str]:
    """Exit code and output of the section's command."""
    if title == "A model":  # of the family before it
        SECTIONS["A family"].apply(checkout)
    SECTIONS[title].apply(checkout)
    for path, text in SECTIONS[title].files.items():
        if more and FAULTS[title][0] in text:
            (checkout / path).write_text(text.replace(*FAULTS[title]), encoding="utf-8")
    done = python(*SECTIONS[title].command, "-p", "no:cacheprovider", *more, folder=checkout)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("title", FOLDERS)
def test_what_the_page_adds_passes_the_tests_that_it_names(title: str, checkout: Path) -> None:
    code, output = run(title, checkout)
    assert code == 0, output
    assert re.search(r"^\d+ passed", output, flags=re.M), output


@pytest.mark.parametrize("title", FOLDERS)
def test_those_tests_reject_a_fault(title: str, checkout: Path) -> None:
    assert sum(text.count(FAULTS[title][0]) for text in SECTIONS[title].files.values()) == 1
    code, output = run(title, checkout, "--maxfail=1")
    assert code == 1, output
    assert re.search(r"\b1 (failed|error)\b", output), output  # an error of the probe that no backend gets around


def test_everything_is_one_file_and_at_most_one_line() -> None:
    assert SECTIONS.keys() == FOLDERS.keys()
    for title, (folder, lines) in FOLDERS.items():
        files = [path for path in SECTIONS[title].files if not path.startswith("tests/")]
        assert [Path(path).parent.as_posix() for path in files] == [folder], title
        assert len(SECTIONS[title].lines) == lines, title
        assert all(line.count("\n") == 1 for *_, line in SECTIONS[title].lines), title
