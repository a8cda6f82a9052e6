"""Gallery: what needs processes of its own: signals, a full disk, closed streams, code that nothing ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from elbocheck.errors import InputError
from elbocheck.runs import pool
from support.gallery import HEAD, lay_out
from support.pretended import jobs_of

WRONG = HEAD + "target = target_of(elbo=wrong)\n"
VERDICT = "t: 3 checks, 1 holds, 2 violated"
STUCK = (
    "def forever(p):\n    while True:\n        try:\n            while True: time.sleep(0.01)\n"
    "        except BaseException: pass\n"
)
TESTS = f"{sys.executable} -m pytest --pyargs elbocheck.properties.test_target -qp no:cacheprovider"
LIMIT = 240
"""Seconds."""
UNMEASURED = "unset COVERAGE_PROCESS_CONFIG"
"""Coverage could not write its data either."""


def shell(folder: Path, command: str, text: str = WRONG, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of a shell in a folder with bad.py, in which `$E` is elbocheck."""
    lay_out(folder, {"bad.py": text})
    own = {**os.environ, "COLUMNS": "80", "E": f"{sys.executable} -m elbocheck", **environment}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=own,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT,
        check=False,
    )


@dataclass(frozen=True)
class Line:
    """A row of this part of the gallery."""

    id: str
    """What is bad."""

    command: str
    """Line of the shell."""

    code: int
    """Its exit code."""

    out: str
    """A phrase of standard output; empty: there is none."""

    err: str
    """The same of standard error."""

    text: str = WRONG
    """Of bad.py."""


LINES = [
    Line("standard output is closed", "$E verify bad.py >&-", 1, "", VERDICT),
    Line("standard output is full", "$E verify bad.py >/dev/full", 1, "", VERDICT),
    Line("both are full", "$E verify bad.py >/dev/full 2>/dev/full", 1, "", ""),
    Line("nobody reads", "set -o pipefail; $E verify bad.py | true", 1, "", ""),
    Line("standard error is closed", "$E verify bad.py 2>&-", 1, VERDICT, ""),
    Line("a full disk", UNMEASURED + "; ulimit -f 0; $E verify bad.py --json r.json | cat; exit ${PIPESTATUS[0]}", 1,
         VERDICT, "r.json: File too large"),
    Line("ASCII", "PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C $E verify bad.py", 1, "||grad F|| = ", ""),
    Line("a module that ends Python's exit", "$E verify bad.py", 2, "", "cannot load 'bad.py': SystemExit: 0",
         HEAD + "import atexit; sys.exit(0)\n"),
    Line("code that nothing ends", "$E verify bad.py --json r.json", 1, "a: 3 checks, 1 holds, 2 violated",
         "target 'b' cannot be judged to the end. problem: fit(params) did not come back within 0.2 s",
         HEAD + STUCK + "target = [target_of(name='a', elbo=wrong), target_of(name='b', fit=forever, timeout=0.2),"
         " target_of(name='c')]\n"),
    Line("tests of code that nothing ends", f"{TESTS} --elbocheck-target bad.py", 2,
         "fit(params) did not come back within 0.2 s; is there an endless loop", "",
         HEAD + STUCK + "target = target_of(fit=forever, timeout=0.2)\n"),
    Line("a variable of CI that is not set", f"{TESTS} --elbocheck-target ''", 4, "",
         "--elbocheck-target is given, and empty; is a variable not set?"),
    Line("a platform that JAX does not know", "JAX_PLATFORMS=abacus $E verify --model sbn --data digits_6px", 2, "",
         "JAX cannot start: RuntimeError: Unable to initialize backend 'abacus'"),
    Line("a precision that JAX does not know", "JAX_ENABLE_X64=maybe $E explain ppca", 2, "",
         "JAX cannot start: ValueError: invalid truth value 'maybe'"),
    Line("compiled programs in a file", "JAX_COMPILATION_CACHE_DIR=bad.py $E verify bad.py", 2, "",
         "JAX_COMPILATION_CACHE_DIR=bad.py cannot be read and written"),
]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.id)
def test_line(line: Line, tmp_path: Path) -> None:
    done = shell(tmp_path, line.command, line.text)
    words, errors = " ".join(done.stdout.split()), " ".join(done.stderr.split())
    assert done.returncode == line.code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stderr
    for found, wanted in ((words, line.out), (errors, line.err)):
        assert wanted in found if wanted else found == ""
    assert not [*tmp_path.rglob("*.part")]
    if line.id == "code that nothing ends":
        assert "b: 3 checks, 3 holds" in words
        assert "Not judged: 'c'." in errors
        assert json.loads((tmp_path / "r.json").read_text())["summary"]["violated"] == 2


WAITING = (
    "import threading\n"
    "def slow(p):\n    open('here', 'w').close()\n    time.sleep(60)\n"
    "target = [target_of(name='a', elbo=wrong), target_of(name='b', fit=slow), target_of(name='c')]\n"
)
SWALLOWING = WAITING.replace("    time.sleep(60)\n", "    try: time.sleep(60)\n    except BaseException: return p\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("text", [WAITING, SWALLOWING], ids=["a call", "a call that swallows it"])
def test_an_interruption_shows_what_was_found(number: signal.Signals, text: str, tmp_path: Path) -> None:
    lay_out(tmp_path, {"bad.py": HEAD + text})
    process = subprocess.Popen(
        [sys.executable, "-m", "elbocheck", "verify", "bad.py", "--json", "r.json"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(tmp_path / "here")
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 128 + number, err
    assert "a: 3 checks, 1 holds, 2 violated" in out
    assert "b: 3 checks, 3 holds" in out
    assert "target 'b': interrupted after 3 checks. Not judged: 'c'." in " ".join(err.split())
    assert "Traceback" not in out + err
    assert not (tmp_path / "r.json").exists()


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + LIMIT
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_interruption_while_libraries_are_imported(tmp_path: Path) -> None:
    """At several moments of the start; before elbocheck runs at all, Python itself says that it was interrupted."""
    for delay in (0.3, 0.6):
        process = subprocess.Popen(
            [sys.executable, "-c", "print(flush=True)\nimport sys\nfrom elbocheck.cli import main\n"
             "sys.stderr.write('here\\n')\nsys.exit(main(['explain', 'ppca']))"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == "here\n"
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT)
        assert process.returncode == 130, out + err
        assert err == "elbocheck: interrupted; no report was written\n"


def test_a_process_that_dies_loses_its_row_only_and_is_run_again_once(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, ["", "kill", "kill once", "raise", "exit", ""])
    done, kept = list[int](), list[str]()
    report = pool.run(jobs, 2, lambda count, _: done.append(count), keep=lambda job, _: kept.append(job.label))
    found = {one.target: one for one in report.rows}
    assert [*found] == [job.label for job in jobs]
    assert sorted(kept) == ["0-", "2-kill once", "5-"]
    assert [len([*(tmp_path / name).iterdir()]) for name in found] == [1, 2, 2, 1, 1, 1]
    for name, message in (
        ("1-kill", "no verdict. the process that ran it was killed by signal 9, 2 times"),
        ("3-raise", "no verdict. ValueError: hm"),
        ("4-exit", "no verdict. SystemExit: 0"),
    ):
        assert (found[name].check, found[name].outcome, found[name].message) == (pool.LOST, "inconclusive", message)
    assert report.exit_code == 1
    assert sum(done) == 5  # what a killed process had reported is not counted twice


def test_jobs_in_this_process_are_no_less_safe(tmp_path: Path) -> None:
    report = pool.run(jobs_of(tmp_path, ["exit", "", "raise", "refuse"]), 1, lambda *_: None)
    assert [one.message for one in report.rows] == [
        "no verdict. SystemExit: 0", "", "no verdict. ValueError: hm", "no verdict. it does not fit",
    ]  # fmt: skip
    with pytest.raises(InputError, match="it does not fit"):
        pool.run(jobs_of(tmp_path, ["refuse", "refuse"]), 1, lambda *_: None)


def test_an_interrupted_run_has_the_rows_that_had_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from elbocheck import cli

    def listen(count: int, job: object) -> None:
        if job is not None:
            raise KeyboardInterrupt

    with pytest.raises(pool.Cut) as cut:
        pool.run(jobs_of(tmp_path, ["", ""]), 1, listen)
    assert [one.target for one in cut.value.report.rows] == ["0-"]

    def run(*_: object) -> None:
        raise cut.value

    monkeypatch.setattr("elbocheck.runs.pool.run", run)
    monkeypatch.setattr(
        "elbocheck.report.terminal._random_table", lambda rows, identity: str([one.target for one in rows])
    )
    assert cli.main(["verify", "--json", str(tmp_path / "r.json")]) == 130
    said = capsys.readouterr()
    assert "['0-']" in said.out
    assert said.err == "elbocheck: interrupted; no report was written\n"
    assert not (tmp_path / "r.json").exists()
