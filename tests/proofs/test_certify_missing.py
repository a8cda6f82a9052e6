"""Without python-flint the command says in one line what to install; nothing else needs it."""

from __future__ import annotations

import importlib.util

import pytest

from elbocheck.cli import main
from support.processes import python

FIND = importlib.util.find_spec


def test_missing_library_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "flint" else FIND(name, *rest))
    assert main(["certify", "ppca"]) == 2
    assert capsys.readouterr().err == (
        "elbocheck: a certificate needs python-flint, which is not installed; pip install 'elbocheck[certify]'\n"
    )


@pytest.mark.parametrize("module", ["elbocheck.models", "elbocheck.cli", "elbocheck.checks", "elbocheck.families"])
def test_nothing_else_loads_it(module: str) -> None:
    done = python("-c", f"import sys; sys.modules['flint'] = None; import {module}")
    assert done.returncode == 0, done.stderr


def test_from_python_it_is_the_same_line() -> None:
    done = python("-c", "import sys; sys.modules['flint'] = None; import elbocheck.proofs.certify")
    assert done.stderr.strip().splitlines()[-1].endswith("pip install 'elbocheck[certify]'")
    assert "MissingExtraError" in done.stderr
