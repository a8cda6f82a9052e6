"""Gallery: what cannot be written, and where nothing can be printed. The verdict is printed all the same, and stays."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from elbocheck import files
from support.gallery import HEAD, Bad, check, judged, lay_out

WRONG = HEAD + "target = target_of(elbo=wrong)\n"
VERDICT = "t: 3 checks, 1 holds, 2 violated"
CASE = "the case of a failure could not be written to elbocheck-cases: "
JSON = "verify bad.py --json r.json"


def of_fault(identifier: str, phrase: str, arguments: str = JSON, more: str = "", **others: str) -> Bad:
    return Bad(identifier, 1, phrase, arguments, {"bad.py": WRONG + more, **others})


FAULTS = [
    of_fault("a file in the place of the cases", CASE + "File exists", **{"elbocheck-cases": ""}),
    of_fault("a directory that appears in the place of the report", "r.json: Is a directory",
             more="os.makedirs('r.json/x')"),
    of_fault("a folder that disappears", "r.json: No such file or directory", "verify bad.py --json d/r.json",
             "import shutil; shutil.rmtree('d')", **{"d/x": ""}),
    of_fault("a file system that is read-only", "the report could not be written to /proc/r.json",
             "verify bad.py --json /proc/r.json"),
    of_fault("a page for which there is no room", "the page could not be written to /proc/r.html",
             "verify bad.py --html /proc/r.html"),
    of_fault("arguments that are no data", "a failure leaves no case: cannot write",
             more="target = Target('t', lambda n: problem(elbo=wrong), {'n': st.just(object())})\n"),
    of_fault("half characters", "t: 3 checks, 1 holds, 2 violated",
             more="target = target_of(elbo=wrong, label='half \\ud800 of it')\n"),
]  # fmt: skip


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row.id)
def test_row(row: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = check(row, tmp_path, monkeypatch, capsys)
    assert "t: 3 checks, 1 holds, 2 violated" in out or "12 violated" in out
    assert len(out.splitlines()) > 20


FAILING = {
    "tempfile.mkstemp": errno.EROFS,
    "os.fdopen": errno.EMFILE,
    "os.replace": errno.EPERM,
    "os.chmod": errno.EPERM,
}


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("option", ["--json r", "--html r"])
def test_no_report_can_be_written(
    name: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(FAILING[name], os.strerror(FAILING[name]))

    with monkeypatch.context() as patch:
        patch.setattr(f"elbocheck.files.{name}", fail)
        code, out, err = judged(of_fault(name, "", f"verify bad.py {option}"), tmp_path, patch, capsys)
    assert code == 1
    assert VERDICT in out
    reason = os.strerror(FAILING[name])
    what = "the report" if "json" in option else "the page"
    assert err == f"elbocheck: {CASE}{reason}\nelbocheck: {what} could not be written to {tmp_path / 'r'}: {reason}\n"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["bad.py"]


def test_a_page_that_cannot_be_made_loses_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("elbocheck.report.page.scatter", lambda rows: 1 / 0)
    row = of_fault("page", "r.html: ZeroDivisionError: division by zero", "verify bad.py --html r.html --json r.json")
    out, _ = check(row, tmp_path, monkeypatch, capsys)
    assert VERDICT in out
    assert json.loads((tmp_path / "r.json").read_text())["summary"]["violated"] == 2


def test_a_target_that_changes_the_directory_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    row = of_fault("away", VERDICT, "verify bad.py --json r.json --html r.html", "os.chdir('/')\n")
    out, _ = check(row, tmp_path / "here", monkeypatch, capsys)
    left = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert left == ["bad.py", "elbocheck-cases", "r.html", "r.json"]
    line = next(line.split("elbocheck ")[1] for line in out.splitlines() if "elbocheck replay" in line)
    assert (tmp_path / "here" / line.split()[1]).is_file()
    again = Bad("again", 1, "violated (as recorded)", line)
    check(again, tmp_path / "here", monkeypatch, capsys)


def test_a_directory_that_has_been_removed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    from elbocheck import cli

    assert cli.main(["verify", "bad.py"]) == 2
    assert "the working directory cannot be read" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)


def test_files_are_whole_have_the_usual_mode_and_keep_links(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real")
        (tmp_path / "real").write_text("old")
        assert files.written(tmp_path / "link", lambda: "new\n", "it")
    finally:
        os.umask(before)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new\n"
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert files.written(pipe, lambda: "text", "it")
    reader.join(10.0)
    assert read == ["text"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe", "real"]


def printed(encoding: str, row: Bad, folder: Path, patch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) in an encoding."""
    from elbocheck import cli

    lay_out(folder, row.files)
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2)]
    with patch.context() as own:
        own.chdir(folder)
        own.setattr(sys, "path", [str(folder), *sys.path])
        own.setattr(sys, "stdout", streams[0])
        own.setattr(sys, "stderr", streams[1])
        code = cli.main(row.command)
    return code, *(one.buffer.getvalue().decode(encoding) for one in streams)  # type: ignore[attr-defined, return-value]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_symbols_have_names_where_there_is_no_place_for_them(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = printed(encoding, of_fault("symbols", ""), tmp_path, monkeypatch)
    assert (code, err) == (1, "")
    assert VERDICT in out
    assert "reading" in out
    assert ("||grad F||" in out) == (encoding != "utf-8")
    assert ("beta*" in out or "beta·" in out) == (encoding != "utf-8")
    code, _, err = printed(encoding, Bad("error", 2, "", "verify ½日.py"), tmp_path, monkeypatch)
    assert code == 2
    assert "cannot load" in err


class Full(io.StringIO):
    """A stream behind which there is no room after so many characters."""

    def __init__(self, room: int, error: OSError | ValueError) -> None:
        super().__init__()
        self.room, self.error = room, error

    def write(self, text: str) -> int:
        if len(self.getvalue()) + len(text) > self.room:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EIO, "Input/output error"), True),
        (ValueError("I/O operation on closed file"), True),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), False),
    ],
)
@pytest.mark.parametrize("room", [0, 200])
def test_standard_output_that_is_full(
    error: OSError | ValueError, goes_on: bool, room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    full = Full(room, error)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        code, _, err = judged(of_fault("full", ""), tmp_path, patch, capsys)
    assert code == 1
    assert (VERDICT in err) == goes_on
    assert ("standard output cannot be written" in err) == goes_on
    assert json.loads((tmp_path / "r.json").read_text())["summary"]["violated"] == 2


@pytest.mark.parametrize("which", ["stdout", "stderr"])
def test_streams_that_are_not_there(
    which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("elbocheck.output.os.dup2", lambda *_: None)
        patch.setattr(sys, which, None)
        code, out, err = judged(of_fault("closed", ""), tmp_path, patch, capsys)
    assert code == 1
    assert VERDICT in (err if which == "stdout" else out)
