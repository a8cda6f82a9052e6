"""Bad inputs and faults as rows: what is given, the exit code, a phrase of the one paragraph that is printed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from elbocheck import cli

HEAD = """\
import signal, sys, os, time
import numpy as np
import hypothesis.strategies as st
from hypothesis import assume
from elbocheck import Declaration, Factor, Problem, Target
from elbocheck.families import Normal

x = np.array([[-1.0], [0.5], [1.2]])
START = {"m": np.array([0.1]), "v": np.array([1.3])}


def factors(p):
    return Declaration((Factor("x", Normal(p["m"], p["v"]), x),), np.ones((3, 1)), np.zeros(3))


def elbo(p):
    return np.mean(-0.5 * ((x - p["m"]) ** 2 / p["v"] + np.log(2 * np.pi * p["v"])))


def wrong(p):
    return elbo(p) + 0.1


def problem(elbo=elbo, factors=factors, **more):
    return Problem(START, elbo, factors, **more)


def target_of(timeout=60.0, name="t", **more):
    return Target(name, [problem(**more)], timeout=timeout)


"""
"""A normal distribution in NumPy, right, and with a bound that is wrong by 0.1."""


@dataclass(frozen=True)
class Bad:
    """One row of the gallery."""

    id: str
    """What is bad, in a few words."""

    code: int
    """The exit code."""

    phrase: str
    """Of what is printed on standard error or standard output."""

    arguments: str = "verify bad.py"
    """Of the command line, separated by blanks; "␣" for a blank, "''" for an empty one."""

    files: Mapping[str, str | bytes] = field(default_factory=dict)
    """Name -> content, in the working directory; targets begin with `HEAD`."""

    @property
    def command(self) -> list[str]:
        """The arguments, one by one."""
        return ["" if one == "''" else one.replace("␣", " ") for one in self.arguments.split()]


def of_code(identifier: str, code: int, phrase: str, text: str, arguments: str = "verify bad.py") -> Bad:
    """A row with a file bad.py that begins with `HEAD`."""
    return Bad(identifier, code, phrase, arguments, {"bad.py": HEAD + text + "\n"})


def lay_out(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))


def judged(
    row: Bad, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a row in `folder`, in this process; nothing else changes."""
    lay_out(folder, row.files)
    patch.chdir(folder)
    patch.setattr(sys, "path", [str(folder), *sys.path])
    capsys.readouterr()
    try:
        code = cli.main(row.command)
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else 1
    said = capsys.readouterr()
    return code, said.out, said.err


def check(row: Bad, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Judge a row: its exit code, its phrase, one paragraph, no traceback, nothing left behind; what was printed."""
    code, out, err = judged(row, folder, patch, capsys)
    words = " ".join((err + out).split())
    assert " ".join(row.phrase.split()) in words, err + out
    assert code == row.code, err + out
    assert "Traceback" not in err + out
    if code == 2:
        assert len([one for one in err.strip().split("\n\n") if one]) == 1, err
        assert "no verdict: " not in err or "no verdict: " in row.phrase
    assert not [*folder.rglob("*.part")]
    return out, err
