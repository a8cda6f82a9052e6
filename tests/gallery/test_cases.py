"""Gallery: cases that are damaged, forged, or name code that nobody has vouched for. A case is data."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elbocheck.models import find_cell
from elbocheck.outcome import Outcome, Result
from elbocheck.replay_files import decoded, encoded
from elbocheck.runs.replays import sample_replay
from elbocheck.strategies import draw_many, samples
from support.gallery import HEAD, Bad, check, judged, lay_out

CODE = HEAD + (
    "def made(n):\n    return problem(elbo=wrong, label=f'n = {n}')\n"
    "target = [target_of(elbo=wrong), Target('drawn', made, {'n': st.integers(0, 3)})]\n"
)
OF_LIST: dict[str, Any] = {
    "elbocheck": "0.1.0", "kind": "target", "target": "bad.py:target", "name": "t", "check": "value", "index": 0,
    "backend": "numpy", "dtype": "float64", "outcome": "violated", "gap": 0.1, "bound": 1e-12, "message": "",
}  # fmt: skip
OF_RECIPE = {key: value for key, value in OF_LIST.items() if key != "index"} | {
    "name": "drawn", "arguments": {"mapping": {"n": 2}},
}  # fmt: skip
DROP = object()
ARRAY = {"array": "AAAAAAAA8D8=", "dtype": "<f8", "shape": [1]}


def changed(case: dict[str, Any], change: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in {**case, **change}.items() if value is not DROP})


def of_text(identifier: str, phrase: str, text: str | bytes) -> Bad:
    return Bad(identifier, 2, phrase, "replay case.json", {"bad.py": CODE, "case.json": text})


TEXTS = [
    of_text("empty", "is no case: Expecting value", ""),
    of_text("no JSON", "is no case", "{'kind'"),
    of_text("a list", "expected the fields", "[]"),
    of_text("a number", "expected the fields", "1e999"),
    of_text("deep lists", "is no case", "[" * 100_000),
    of_text("deep values", "is no case", changed(OF_RECIPE, {})[:-1] + ', "deep": ' + "[" * 100_000),
    of_text("UTF-16", "is it in UTF-16?", changed(OF_LIST, {}).encode("utf-16")),
    of_text("Latin-1", "it is not in UTF-8", b'{"kind": "\xe4"}'),
    of_text("a long number", "is no case", '{"kind": ' + "9" * 10_000 + "}"),
    Bad("a directory", 2, "is no case: it is no regular file", "replay case.json", {"case.json/x": ""}),
    Bad("missing", 2, "cannot read the case", "replay case.json"),
    Bad("endless", 2, "is no case: it is no regular file", "replay /dev/zero"),
]
FIELDS = [
    of_text(f"{name} = {value if value is not DROP else 'missing'}"[:60], phrase, changed(case, {name: value}))
    for case, name, value, phrase in (
        *((OF_LIST, name, DROP, "expected the fields") for name in ("kind", "target", "name", "check", "outcome")),
        *((OF_LIST, name, 3, f"'{name}' must be text; got 3") for name in ("kind", "target", "name", "check", "dtype")),
        (OF_LIST, "outcome", ["violated"], "'outcome' must be text"),
        (OF_LIST, "outcome", "green", "its outcome is 'green'; there are holds"),
        (OF_LIST, "kind", "pickle", "its kind is 'pickle'; there are sample, target"),
        (OF_LIST, "check", "valeu", "unknown check 'valeu'"),
        (OF_LIST, "name", "other", "no target called 'other'"),
        (OF_LIST, "dtype", "float32", "targets are checked in float64"),
        (OF_LIST, "dtype", "object", "targets are checked in float64"),
        (OF_LIST, "target", "bad.py:nothing", "must name a Target"),
        (OF_LIST, "target", "missing.py:target", "cannot load 'missing.py'"),
        (OF_LIST, "target", "nowhere:target", "cannot load 'nowhere'"),
        (OF_LIST, "target", "bad.py:x", "it is of type ndarray"),
        (OF_LIST, "index", DROP, "`index` must be a whole number"),
        (OF_LIST, "index", "0", "`index` must be a whole number"),
        (OF_LIST, "index", True, "`index` must be a whole number"),
        (OF_LIST, "index", -1, "no problem number -1"),
        (OF_LIST, "index", 10**30, "no problem number 1000"),
        (OF_LIST, "name", "drawn", "no problem number 0"),
        (OF_LIST, "arguments", {"mapping": {}}, "makes no problems from arguments"),
        (OF_RECIPE, "arguments", {"mapping": {}}, "its arguments do not fit target 'drawn': missing"),
        (OF_RECIPE, "arguments", {"mapping": {"n": 1, "m": 2}}, "do not fit target 'drawn': got an unexpected"),
        (OF_RECIPE, "arguments", 3, "expected values by name; got 3"),
        (OF_RECIPE, "arguments", [1], "expected values by name; got [1]"),
        (OF_RECIPE, "arguments", {"tuple": [1]}, "expected values by name"),
        (OF_RECIPE, "arguments", {"mapping": 3}, "the case is damaged"),
        (OF_RECIPE, "arguments", {"n": 3}, "the case is damaged"),
        (OF_RECIPE, "arguments", {"mapping": {"n": {**ARRAY, "array": "!"}}}, "the case is damaged"),
        (OF_RECIPE, "arguments", {"mapping": {"n": {**ARRAY, "dtype": "O"}}}, "the case is damaged"),
        (OF_RECIPE, "arguments", {"mapping": {"n": {**ARRAY, "dtype": "<f9"}}}, "the case is damaged"),
        (OF_RECIPE, "arguments", {"mapping": {"n": {**ARRAY, "shape": [2]}}}, "the case is damaged"),
        (OF_RECIPE, "arguments", {"mapping": {"n": {**ARRAY, "shape": "x"}}}, "the case is damaged"),
        (OF_RECIPE, "arguments", {"mapping": {"n": {**ARRAY, "array": 3}}}, "the case is damaged"),
    )
]  # fmt: skip


@pytest.mark.parametrize("row", [*TEXTS, *FIELDS], ids=lambda row: row.id)
def test_row(row: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = check(row, tmp_path, monkeypatch, capsys)
    assert len([line for line in err.splitlines() if "runs " not in line]) == 1


SAMPLE: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("no sample", lambda case: case.pop("sample"), "expected values by name; got None"),
    ("sample of text", lambda case: case.update(sample="x"), "expected values by name; got x"),
    ("a field too few", lambda case: case["sample"]["mapping"].pop("x"), "does not fit poisson-mixture/exact"),
    ("a field too many", lambda case: case["sample"]["mapping"].update(y=1), "its sample does not fit"),
    ("latents of text", lambda case: case["sample"]["mapping"].update(latents="2"), "its sample does not fit"),
    ("latents below 0", lambda case: case["sample"]["mapping"].update(latents=-1), ""),
    ("data of text", lambda case: case["sample"]["mapping"].update(x="2"), ""),
    ("data that are not finite", lambda case: case["sample"]["mapping"].update(
        x=encoded(__import__("numpy").array([[float("nan")]]))), ""),
    ("parameters of another model", lambda case: case["sample"]["mapping"].update(params={"mapping": {"w": 1.0}}), ""),
    ("an unknown cell", lambda case: case.update(name="poisson/exact"), "unknown cell 'poisson/exact'"),
    ("an unknown backend", lambda case: case.update(backend="os"), "unknown backend 'os'"),
    ("an unknown dtype", lambda case: case.update(dtype="int8"), "unknown dtype 'int8'"),
    ("an unknown check", lambda case: case.update(check="fit"), "the check 'fit' cannot be repeated"),
    ("a module for cells", lambda case: case.update(target="bad.py"), "cannot load 'bad.py'"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "phrase"), [one[1:] for one in SAMPLE], ids=[one[0] for one in SAMPLE])
def test_damaged_problems_of_the_catalogue(
    change: Callable[[dict[str, Any]], object], phrase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    drawn = draw_many(samples(find_cell("poisson-mixture/exact")), 1)[0]
    case = json.loads(json.dumps(sample_replay(drawn, Result("every point", "p", Outcome.VIOLATED))))
    change(case)
    row = Bad("sample", 2, phrase, "replay case.json", {"case.json": json.dumps(case)})
    _, err = check(row, tmp_path, monkeypatch, capsys)
    assert len([line for line in err.splitlines() if " runs " not in line]) == 1


def test_a_case_says_what_it_runs_and_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for case in (OF_LIST, OF_RECIPE):
        row = Bad("right", 1, "value: violated (as recorded)", "replay case.json",
                  {"bad.py": CODE, "case.json": changed(case, {})})  # fmt: skip
        _, err = check(row, tmp_path, monkeypatch, capsys)
        assert err == f"elbocheck: case.json runs bad.py:target ({tmp_path / 'bad.py'})\n"


@pytest.mark.parametrize("by_name", [True, False])
def test_code_from_elsewhere_runs_only_if_it_is_trusted(
    by_name: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away, here = tmp_path / "away", tmp_path / "here"
    lay_out(away, {"gallery_away.py": CODE + f"open({str(tmp_path / 'ran')!r}, 'w').close()\n"})
    monkeypatch.setattr(sys, "path", [str(away), *sys.path])
    source = "gallery_away:target" if by_name else f"{away / 'gallery_away.py'}:target"
    files = {"case.json": changed(OF_LIST, {"target": source})}
    refused = Bad("refused", 2, "neither lies below this directory nor is installed; read it, then give --trust",
                  "replay case.json", files)  # fmt: skip
    check(refused, here, monkeypatch, capsys)
    assert not (tmp_path / "ran").exists()
    check(Bad("trusted", 1, "violated (as recorded)", "replay case.json --trust", files), here, monkeypatch, capsys)
    assert (tmp_path / "ran").exists()
    (here / "link.py").symlink_to(away / "gallery_away.py")
    files = {"case.json": changed(OF_LIST, {"target": "link.py:target"})}
    check(Bad("link", 2, "give --trust", "replay case.json", files), here, monkeypatch, capsys)
    files = {"case.json": changed(OF_LIST, {"target": "antigravity"})}
    check(Bad("library", 2, "give --trust", "replay case.json", files), here, monkeypatch, capsys)
    assert "antigravity" not in sys.modules


def test_the_line_that_repeats_code_from_elsewhere_has_the_trust_of_who_ran_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out(tmp_path / "away", {"bad.py": CODE})
    here = tmp_path / "here"
    here.mkdir()
    _, out, _ = judged(Bad("far", 1, "", f"verify {tmp_path / 'away' / 'bad.py'}"), here, monkeypatch, capsys)
    line = next(line.split("elbocheck ")[1] for line in out.splitlines() if "elbocheck replay" in line)
    assert line.endswith(" --trust")
    check(Bad("again", 1, "violated (as recorded)", line), here, monkeypatch, capsys)


def test_what_is_written_is_read() -> None:
    values = {"n": 1, "x": (1.0, [None, "½", float("inf")])}
    assert decoded(json.loads(json.dumps(encoded(values)))) == values
