"""Gallery: options that are empty, impossible, contradictory, or that nothing would read."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.gallery import HEAD, Bad, check

RIGHT = {"bad.py": HEAD + "target = target_of()\n", "known.toml": "", "data.csv": "a,b\n1,2\n3,4\n"}
CELLS = {"bad.py": "from elbocheck.models import find_cell\nCELLS = (find_cell('sbn/exact'),)\n"}
USAGE = "usage: elbocheck"


def of_options(arguments: str, phrase: str, files: object = RIGHT) -> Bad:
    return Bad(arguments, 2, phrase, arguments, files)  # type: ignore[arg-type]


EMPTY = [
    of_options(arguments, "is given, and empty; is a variable not set?")
    for arguments in (
        "verify ''", "verify ␣", "verify --model ''", "verify --data ''", "verify bad.py --json ''",
        "verify bad.py --html ''", "verify bad.py --known-failures ''", "verify --backend ''",
        "verify bad.py --dtype ''", "replay ''", "explain ''", "census --record ''", "faults --json ''",
    )
]  # fmt: skip
IGNORED = [
    *(
        of_options(f"verify bad.py {option}", f"{option} has no effect on a Target")
        for option in ("--workers 2", "--backend numpy", "--backend jax", "--seed 3", "--seed 0")
    ),
    *(
        of_options(f"verify bad.py {option}", f"{option} has no effect on SOURCE")
        for option in ("--latents 3", "--weights w")
    ),
    of_options("verify bad.py --latents 3", "--latents 3 has no effect on SOURCE", CELLS),
    of_options("verify bad.py --known-failures k.toml", "goes with a Target; bad.py has cells", CELLS),
    of_options("verify --known-failures known.toml", "goes with a Target; give MODULE:TARGET too"),
    of_options("verify --data iris --profile gate", "--profile gate has no effect on --data"),
    of_options("verify --weights w", "give --data too"),
    of_options("verify --latents 2", "--latents 2 goes with --data"),
    of_options("verify bad.py --model sbn", "give either 'bad.py' or --model and --data, not both"),
    of_options("verify bad.py --dtype float32", "targets are checked in float64"),
]
IMPOSSIBLE = [
    of_options("verify --workers 0x2", USAGE),
    of_options("verify --workers 100000", "--workers must be at most 1024; got 100000"),
    of_options("verify --workers -1", "got -1"),
    of_options("verify --profile slow", USAGE),
    of_options("verify --seed 1.5", USAGE),
    of_options("verify --seed ''", USAGE),
    of_options("verify --seed −1", USAGE),
    of_options("verify --backend cupy", "unknown backend 'cupy'"),
    of_options("verify --dtype float16", "unknown dtype 'float16'"),
    of_options("verify --data missing.csv --model sbn", "cannot read data file 'missing.csv'"),
    of_options("verify bad.py --profile", USAGE),
    of_options("verify bad.py more.py", USAGE),
    of_options("", USAGE),
    of_options("check bad.py", USAGE),
    of_options("census --record r.jsonl --problems 0", "--problems must be at least 1; got 0"),
    of_options("census --record r.jsonl --problems many", USAGE),
    of_options("verify --workers 0", "--workers must be at least 1; got 0"),
    of_options("explain sbn/nothing", "sbn has exact"),
    of_options("explain ppca --data iris --latents 0", "between 1 and 8; got 0"),
    of_options("explain ppca --data iris --latents 99999999", "between 1 and 8; got 99999999"),
    of_options("explain ppca --plot x.bmp", "the name must end in one of"),
    of_options("verify --model sbn/exact", "unknown model 'sbn/exact'"),
    of_options("list more", USAGE),
    of_options("faults --catalogue none", USAGE),
    of_options("faults --json known.toml/x", "cannot write the report to 'known.toml/x'"),
    of_options("census --record . --problems 5", "cannot write the report to '.'"),
    of_options("census --record known.toml/x --problems 5", "cannot write the report to 'known.toml/x'"),
    of_options("census --record data.csv --problems 5", "data.csv, line 1: no record of a census"),
    of_options("explain bsn", "unknown model 'bsn'"),
]
PROOFS = [
    of_options("certify", "certify takes a MODEL, or --all"),
    of_options("certify ppca --all", "certify takes a MODEL, or --all"),
    of_options("certify --all --timeout nan", "--timeout must lie between 1 and 86400 seconds; got nan"),
    of_options("certify --all --data iris", "--data does not go with --all"),
    of_options("certify ppca --bits 0", "the precision must lie between"),
    of_options("certify ppca --bits 999999999999", "the precision must lie between"),
    of_options("certify nothing", "unknown model 'nothing'"),
    of_options("certify ppca/x", "unknown cell 'ppca/x'"),
    of_options("certify ppca/exact --posterior full", "names a posterior already"),
    of_options("certify ppca --latents 3", "--latents 3 goes with --data"),
    of_options("certify ppca --data data.csv --json data.csv", "the file of --data"),
]
SAME = [
    of_options("verify bad.py --json r --html r", "--html r would write over the file of --json"),
    of_options("verify bad.py --json r --html ./x/../r", "--html ./x/../r would write over the file of --json"),
    of_options("verify bad.py --json bad.py", "--json bad.py would write over the file of SOURCE"),
    of_options("verify bad.py:target --html bad.py", "--html bad.py would write over the file of SOURCE"),
    of_options("verify bad:target --json bad.py", "--json bad.py would write over the file of SOURCE"),
    of_options("verify bad.py --known-failures known.toml --json known.toml", "the file of --known-failures"),
    of_options("verify --model ppca --data data.csv --json data.csv", "the file of --data"),
    of_options("explain ppca --data data.csv --plot data.csv", "the file of --data"),
    of_options("verify bad.py --json .", "cannot write the report to '.'"),
    of_options("verify bad.py --json no/such/folder.json", "cannot write the report to 'no/such/folder.json'"),
    of_options("verify bad.py --html known.toml/r", "cannot write the report to 'known.toml/r'"),
]


@pytest.mark.parametrize("row", PROOFS, ids=lambda row: row.id)
def test_row_of_proofs(
    row: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("flint")
    check(row, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("row", [*EMPTY, *IGNORED, *IMPOSSIBLE, *SAME], ids=lambda row: row.id)
def test_row(row: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a computation was started")

    monkeypatch.setattr("elbocheck.runs.pool.run", refuse)
    monkeypatch.setattr("elbocheck.gate.checking.examine", refuse)
    monkeypatch.setattr("elbocheck.runs.explain.explain", refuse)
    before = dict(row.files)
    check(row, tmp_path, monkeypatch, capsys)
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == before
