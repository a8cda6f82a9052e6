"""Compiled programs are kept from run to run, and rows of `verify` come as they are ready, one of each kind first."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

from elbocheck import cache
from elbocheck.errors import InputError
from elbocheck.models import cells
from elbocheck.outcome import Outcome, Result
from elbocheck.report.terminal import Watcher
from elbocheck.runs.jobs import Job, RandomJob, jobs_for
from elbocheck.runs.pool import order
from elbocheck.runs.rows import Row
from support.processes import python


@pytest.fixture
def before_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where nothing imports JAX meanwhile, which would leave two of it."""
    monkeypatch.delitem(sys.modules, "jax", raising=False)


@pytest.mark.usefixtures("before_jax")
def test_the_folder_is_the_users_own_unless_jax_has_one(tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    folder = cache.keep_compiled(environment)
    assert folder is not None
    assert folder.is_dir()
    assert environment[cache.JAX_FOLDER] == str(folder)
    if sys.platform == "linux":
        assert folder.parent == tmp_path / "elbocheck"
    assert cache.keep_compiled({cache.JAX_FOLDER: "theirs"}) is None
    own = {cache.VARIABLE: str(tmp_path / "own")}
    assert cache.keep_compiled(own) == tmp_path / "own" / folder.name


@pytest.mark.usefixtures("before_jax")
def test_it_can_be_switched_off(tmp_path: Path) -> None:
    environment = {cache.VARIABLE: "off", "XDG_CACHE_HOME": str(tmp_path)}
    assert cache.keep_compiled(environment) is None
    assert cache.JAX_FOLDER not in environment
    assert not list(tmp_path.iterdir())


def test_it_comes_too_late_for_jax_that_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", sys)
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    assert cache.keep_compiled(environment) is None
    assert cache.JAX_FOLDER not in environment


@pytest.mark.usefixtures("before_jax")
def test_a_folder_that_cannot_be_written_matters_only_if_it_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert (
        cache.keep_compiled({"XDG_CACHE_HOME": str(tmp_path / "file"), "LOCALAPPDATA": str(tmp_path / "file")}) is None
    )
    with pytest.raises(InputError, match=r"ELBOCHECK_CACHE=.*file cannot be read and written; give another"):
        cache.keep_compiled({cache.VARIABLE: str(tmp_path / "file")})


def test_other_versions_and_processors_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {cache._programs()}
    for name, other in (("_processor", lambda: "another"), ("version", lambda of: "0"), ("__version__", "0")):
        with monkeypatch.context() as patch:
            patch.setattr(cache, name, other)
            names.add(cache._programs())
    assert len(names) == 4


def test_a_second_run_compiles_nothing_again(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    # whatever its compiling took: what is just below the limit today may be above it in the next run
    environment |= {cache.VARIABLE: str(tmp_path), **dict.fromkeys(cache.SHORTEST, "0")}
    command = ("-m", "elbocheck", "verify", "--model", "poisson-mixture", "--data", "horse_kicks", "--workers", "1")
    kept = []
    for _ in range(2):
        ran = python(*command, folder=tmp_path, environment=environment)
        assert ran.returncode == 0, ran.stderr
        kept.append({path.name for path in tmp_path.rglob("*-cache")})
    assert kept[0]
    assert kept[0] == kept[1]


def test_one_of_each_kind_is_begun_first_and_then_the_largest() -> None:
    jobs = jobs_for(cells(), (), 30, 5, 0)
    begun = [jobs[position] for position in order(jobs)]
    kinds = {job.kind for job in jobs}
    assert {job.kind for job in begun[: len(kinds)]} == kinds
    assert sorted(map(id, begun)) == sorted(map(id, jobs))
    rest = [job.size for job in begun[len(kinds) :]]
    assert rest == sorted(rest, reverse=True)
    assert order([Job((RandomJob(("a",), n, 0),)) for n in (1, 3, 2)]) == [1, 2, 0]  # no kinds: the largest first


def test_a_row_is_printed_when_it_is_ready() -> None:
    written = io.StringIO()
    job = Job((RandomJob(("ppca/exact",), 30, 0),))
    rows = [Row("ppca", "exact", "random", check) for check in ("every point", "stationary")]
    for row, gap in zip(rows, (1e-15, 3e-16), strict=True):
        row.tally.add(Result(row.check, "p", Outcome.HOLDS, points=7, gap=gap, bound=1e-12))
    watch = Watcher(Console(file=written, width=80), 60)
    watch(30, None)
    watch.ready(job, [row.close(1.0) for row in rows])
    watch(0, job)
    printed = written.getvalue()
    assert "30/60 holds        ppca/exact, 7 points" in printed
    wrong = Row("ppca", "exact", "random", "every point")
    wrong.tally.add(Result(wrong.check, "p", Outcome.VIOLATED, 1.0, 1e-12, points=1, message="m"))
    watch.ready(job, [wrong.close(1.0), rows[1]])
    assert "30/60 violated     ppca/exact, 7 points" in written.getvalue()
    assert all(len(line) <= 80 for line in written.getvalue().splitlines())
