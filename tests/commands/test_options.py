"""Options of the command line that would be ignored, or that NumPy would refuse later, are refused at once."""

from __future__ import annotations

import pytest

from elbocheck import cli


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "--model", "sbn", "--latents", "3"], "--latents 3 goes with --data"),
        (["explain", "geometric-mixture", "--latents", "3"], "--latents 3 goes with --data"),
    ],
)
def test_options_that_nothing_would_read_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a computation was started")

    monkeypatch.setattr("elbocheck.runs.pool.run", refuse)
    monkeypatch.setattr("elbocheck.runs.explain.explain", refuse)
    assert cli.main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["verify", "certify ppca", "explain ppca", "census --record x"])
def test_negative_seeds_are_usage_errors(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([*command.split(), "--seed", "-1"])
    assert stopped.value.code == 2
    assert "a seed is a whole number, at least 0; got -1" in capsys.readouterr().err
