"""What nothing expects is no verdict: exit code 2 and one paragraph, with a traceback for who asks for it."""

from __future__ import annotations

import argparse

import pytest

from elbocheck import cli
from elbocheck.commands import listing
from elbocheck.errors import Interrupted, UndecidedError


class Own(BaseException):
    """No `Exception`."""


def raising(error: BaseException, *, pending: int = 0) -> object:
    def run(options: argparse.Namespace) -> int:
        Interrupted.pending = pending
        raise error

    return run


@pytest.mark.parametrize("error", [RuntimeError("hm"), Own("hm"), SystemExit(0), GeneratorExit(), RecursionError("hm")])
@pytest.mark.parametrize("shown", [False, True])
def test_whatever_is_raised_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, shown: bool
) -> None:
    monkeypatch.setattr(listing, "run", raising(error))
    if shown:
        monkeypatch.setenv(cli.SHOWN, "1")
    assert cli.main(["list"]) == 2
    said = capsys.readouterr().err
    assert f"no verdict: {type(error).__name__}" in " ".join(said.split())
    assert ("Traceback" in said) == shown


def test_what_balls_cannot_decide_is_no_proof(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(listing, "run", raising(UndecidedError("two balls overlap")))
    assert cli.main(["list"]) == 1
    assert "nothing is proved: two balls overlap" in " ".join(capsys.readouterr().err.split())


def test_an_exception_that_a_library_makes_of_a_signal_is_an_interruption(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(listing, "run", raising(ImportError("half-way"), pending=15))
    assert cli.main(["list"]) == 128 + 15
    assert "interrupted; no report was written" in capsys.readouterr().err
    assert Interrupted.pending == 0
