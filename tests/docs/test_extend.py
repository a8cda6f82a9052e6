"""The page on extending elbocheck is true: in a copy of the checkout its blocks are written where it says, and run."""

from __future__ import annotations

import json
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
PROCESSES = (("A family", "A check", "A backend"), ("A model", "A posterior", "An adapter"))
"""Sections whose commands run one after the other in one process. None of them uses what another one adds, so that
their faults are independent, too; the backend is chosen when `properties` is imported, which of the first only its own
command does.
"""
BEGIN = "=== the next command\n"
COMMANDS = f"""
import json, sys, pytest
for arguments in json.loads(sys.argv[1]):
    print({BEGIN!r}, end="", flush=True)
    print(int(pytest.main(arguments)), flush=True)
"""
"""Runs pytest with each list of arguments, and prints its exit codes."""


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


def run(titles: tuple[str, ...], checkout: Path, *, broken: bool) -> dict[str, tuple[int, str]]:
    """Title -> exit code and output of the section's command; all in one process, since imports take longest."""
    if "A model" in titles:  # of the family before it
        SECTIONS["A family"].apply(checkout)
    for title in titles:
        SECTIONS[title].apply(checkout)
        for path, text in SECTIONS[title].files.items():
            if broken and FAULTS[title][0] in text:
                (checkout / path).write_text(text.replace(*FAULTS[title]), encoding="utf-8")
    more = ["-p", "no:cacheprovider", *(["--maxfail=1"] if broken else [])]
    commands = [SECTIONS[title].command for title in titles]
    assert [one[:2] for one in commands] == [["-m", "pytest"]] * len(titles)
    done = python("-c", COMMANDS, json.dumps([[*one[2:], *more] for one in commands]), folder=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    first, *parts = done.stdout.split(BEGIN)
    assert (first, len(parts)) == ("", len(titles)), done.stdout + done.stderr
    codes = [int(part.rstrip().rpartition("\n")[2]) for part in parts]
    return {title: found for title, *found in zip(titles, codes, [one + done.stderr for one in parts], strict=True)}


@pytest.mark.parametrize("titles", PROCESSES, ids=", ".join)
def test_what_the_page_adds_passes_the_tests_that_it_names(titles: tuple[str, ...], checkout: Path) -> None:
    for title, (code, output) in run(titles, checkout, broken=False).items():
        assert code == 0, title + output
        assert re.search(r"^\d+ passed", output, flags=re.M), title + output


@pytest.mark.parametrize("titles", PROCESSES, ids=", ".join)
def test_those_tests_reject_a_fault(titles: tuple[str, ...], checkout: Path) -> None:
    for title in titles:
        assert sum(text.count(FAULTS[title][0]) for text in SECTIONS[title].files.values()) == 1
    for title, (code, output) in run(titles, checkout, broken=True).items():
        assert code == 1, title + output
        # an error of the probe that no backend gets around
        assert re.search(r"\b1 (failed|error)\b", output), title + output


def test_everything_is_one_file_and_at_most_one_line() -> None:
    assert SECTIONS.keys() == FOLDERS.keys()
    assert sorted(title for titles in PROCESSES for title in titles) == sorted(FOLDERS)
    for title, (folder, lines) in FOLDERS.items():
        files = [path for path in SECTIONS[title].files if not path.startswith("tests/")]
        assert [Path(path).parent.as_posix() for path in files] == [folder], title
        assert len(SECTIONS[title].lines) == lines, title
        assert all(line.count("\n") == 1 for *_, line in SECTIONS[title].lines), title
