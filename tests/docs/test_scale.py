"""The benchmark of scale: its rows are there, a process that fails is one of them, and its bars are bars."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support import ROOT

SCRIPT = ROOT / "benchmarks" / "scale.py"


def script() -> Any:
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("scale", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, with small models."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--small", "--budget", "0.1", *arguments],
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )


def rows_of(path: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """What was measured, by model, library and size."""
    return {(row["model"], row["library"], row["size"]): row for row in json.loads(path.read_text(encoding="utf-8"))}


def test_every_row_has_its_numbers_and_stands_in_the_table(tmp_path: Path) -> None:
    away = tmp_path / "rows.json"
    done = run("--models", "mixture", "--libraries", "jax", "--no-check", "--json", str(away))
    assert done.returncode == 0, done.stderr
    rows = rows_of(away)
    assert set(rows) == {("mixture", "jax", 200), ("mixture", "jax", 400)}
    for row in rows.values():
        assert "error" not in {**row["bare"], **row["reading"]}, row
        assert min(row["ratios"].values()) > 0.0
        assert row["bare"]["before"] <= row["bare"]["peak"]
        assert 10.0 < row["bare"]["peak"] < 10_000.0
        assert row["reading"]["covered"].endswith(" of 2")
    assert max(map(len, done.stdout.splitlines())) <= 80
    parts = [[line.split()[:3] for line in part.splitlines()] for part in done.stdout.strip().split("\n\n")]
    assert len(parts) == 2
    for part in parts:
        assert part == [["model", "library", "data"], ["mixture", "jax", "200"], ["mixture", "jax", "400"]]


def test_a_black_box_counts_its_calls_and_rows_are_added_to_a_file(tmp_path: Path) -> None:
    away, page = tmp_path / "rows.json", tmp_path / "page.md"
    away.write_text(json.dumps([{"model": "vae", "library": "jax", "size": 16}]), encoding="utf-8")
    page.write_text("".join(f"<!-- scale {what} -->\n```\n```\n" for what in ("data", "numpy")), encoding="utf-8")
    done = run("--models", "linear", "--json", str(away), "--markdown", str(page))
    assert done.returncode == 0, done.stderr
    rows = rows_of(away)
    assert set(rows) == {("vae", "jax", 16), ("linear", "numpy", 5)}
    row = rows["linear", "numpy", 5]
    assert row["bare"]["parameters"] == 5
    assert row["reading"]["calls_elbo"] > 0
    assert row["reading"]["calls_factors"] > 0
    assert row["check"]["ok"], row
    assert [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("linear")]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_torch_has_the_same_rows(tmp_path: Path) -> None:
    away = tmp_path / "rows.json"
    done = run("--models", "vae", "--libraries", "torch", "--no-check", "--json", str(away))
    assert done.returncode == 0, done.stderr
    assert min(rows_of(away)["vae", "torch", 16]["ratios"].values()) > 0.0


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        (("--limit", "0.01"), r"stopped after 0\.01 s"),
        (("--memory", "0.05"), r"out of memory|exit code \d+: .|ended by SIG\w+: ."),
    ],
)
def test_a_process_that_is_stopped_is_a_row(tmp_path: Path, limits: tuple[str, ...], found: str) -> None:
    away = tmp_path / "rows.json"
    done = run("--models", "linear", "--json", str(away), *limits)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (row,) = rows_of(away).values()
    assert row["ratios"] == {}
    for kind in ("bare", "reading", "check"):
        assert re.match(found, row[kind]["error"]), row
    assert row["reading"]["error"] in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80


def good(**changes: Any) -> dict[str, Any]:
    """A row within all bars, with these parts in other words."""
    row: dict[str, Any] = {
        "model": "mixture",
        "library": "jax",
        "size": 100_000,
        "bare": {"seconds": 1.0, "wall": 1.0, "peak": 500.0},
        "reading": {"seconds": 2.9, "wall": 2.0, "peak": 1700.0},
        "check": {"wall": 59.0, "ok": True, "verdict": ""},
    }
    row = {**row, **changes}
    return {**row, "ratios": script().ratios(row)}


def test_rows_within_the_bars_pass() -> None:
    assert script().failures([good()]) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reading": {"seconds": 3.1, "wall": 1.0, "peak": 100.0}}, "3.1 times as long"),
        ({"reading": {"seconds": 1.0, "wall": 1.0, "peak": 1900.0}}, "needs 1900 MB"),
        ({"reading": {"error": "stopped after 600 s"}}, "reading: stopped after 600 s"),
        ({"check": {"wall": 61.0, "ok": True, "verdict": "4 holds"}}, "takes 61 s"),
        ({"check": {"wall": 1.0, "ok": False, "verdict": "violated: value"}}, "says violated: value"),
        ({"check": {"error": "out of memory"}}, "check: out of memory"),
    ],
)
def test_every_bar_can_be_exceeded(changes: dict[str, Any], said: str) -> None:
    (failure,) = script().failures([good(**changes)])
    assert failure.startswith("mixture, jax, 100000: ")
    assert said in failure


def test_bars_are_for_large_data_only() -> None:
    slow = {"reading": {"seconds": 100.0, "wall": 100.0, "peak": 100.0}}
    rows = [good(size=1_000, **slow), good(model="vae", size=10_000, **slow), good(model="width", **slow)]
    assert script().failures(rows) == []


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ("jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 38400000000 bytes.", "for 35.8 GiB"),
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array", "for 7.45 GiB"),
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1073741824 bytes.", "for 1.0 GiB"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "out of memory"),
        ("Traceback\n  File\nValueError: no", "exit code 1: ValueError: no"),
        ("", "exit code 1: no message"),
    ],
)
def test_reasons_are_one_line(errors: str, said: str) -> None:
    assert said in script().reason(1, errors)


def test_a_signal_is_named_with_what_was_fatal() -> None:
    said = script().reason(-6, "F0000 x.cc:1] Check failed: ok\n*** stack trace\n@ 0x7fa6 PyObject\n")
    assert said == "ended by SIGABRT: F0000 x.cc:1] Check failed: ok"


def test_the_page_has_a_block_for_every_table() -> None:
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    rows = [good(model=model) for model in script().SIZES]
    assert re.findall(r"^<!-- scale (\w+) -->\n```\n", page, flags=re.M) == [*script().tables(rows)]
