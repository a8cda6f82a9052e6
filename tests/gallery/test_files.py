"""Gallery: data in CSV files, lists of known failures in TOML files."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support.gallery import HEAD, Bad, check

WRONG = HEAD + "target = target_of(elbo=wrong, name='a[1]')\n"
TOML = "verify bad.py --known-failures known.toml"
BOTH = '[[known]]\nid = "a[1]::value"\nreason = "r"\n[[known]]\nid = "a[1]::every point"\nreason = "r"\n'
ROW = '[[known]]\nid = "x"\nreason = "r"\n'


def of_data(identifier: str, phrase: str, data: str | bytes, model: str = "ppca") -> Bad:
    return Bad(identifier, 2, phrase, f"verify --model {model} --data data.csv", {"data.csv": data})


def of_toml(identifier: str, code: int, phrase: str, known: str | bytes) -> Bad:
    return Bad(identifier, code, phrase, TOML, {"bad.py": WRONG, "known.toml": known})


DATA = [
    of_data("semicolons", "its columns are separated by ';'; commas are expected", "a;b\n1;2\n3;4\n"),
    of_data("tabs", "its columns are separated by '\\t'", "a\tb\n1\t2\n"),
    of_data("no header", "line 1 holds numbers only (1, 2); a header with names is expected", "1,2\n3,4\n5,6\n"),
    of_data("no header, quoted", "line 1 holds numbers only", '"1","2"\n"3","4"\n'),
    of_data("400 columns of a full covariance", "the catalogue takes at most 1000 and 1000000",
            ",".join(f"c{n}" for n in range(400)) + "\n" + ",".join("1" * 400) + "\n", "gmm-full"),
    of_data("a name twice", "two columns are called 'a'", "a,b,a\n1,2,3\n"),
    of_data("a column without name", "column 2 has no name", "a,,c\n1,2,3\n"),
    of_data("a long field", "is no CSV file: field larger than field limit", "a,b\n" + "1" * 200_000 + ",2\n"),
    of_data("a long name", "at least one row", "a" * 100_000 + "\n"),
    of_data("a long text", "is no number", "a,b\n1," + "x" * 100_000 + "\n"),
    of_data("an open quote", "is no CSV file: unexpected end of data", 'a,b\n"1,2\n'),
    of_data("text behind a quote", "is no CSV file: ',' expected after '\"'", 'a,b\n"1"x,2\n'),
    of_data("UTF-16", "cannot read data file 'data.csv': it holds zero bytes; is it in UTF-16?",
            "a,b\n1,2\n".encode("utf-16")),
    of_data("UTF-16 without mark", "is it in UTF-16?", "a,b\n1,2\n".encode("utf-16-le")),
    of_data("Latin-1", "it is not in UTF-8", "größe,b\n1,2\n".encode("latin-1")),
    of_data("zero bytes", "it holds zero bytes", b"a,b\n1,\x002\n"),
    of_data("empty", "found 0 lines", ""),
    of_data("blank", "found 1 lines", "\n\n   \n"),
    of_data("underscores", "'1_000' is no number", "a,b\n1_000,2\n"),
    of_data("other digits", "is no number", "a,b\n١,2\n"),
    of_data("decimal commas", "line 2: 4 values, but the header has 2", "a,b\n1,5,2,5\n"),
    of_data("infinity", "data must be finite; found inf", "a,b\n1e999,2\n3,4\n"),
    of_data("an empty field", "'' is no number", "a,b\n1,\n"),
    of_data("3,000 columns", "the catalogue takes at most 500 columns; there are 3000",
            ",".join(f"c{n}" for n in range(3000)) + 5 * ("\n" + ",".join("1" * 3000))),
    of_data("3,000 columns of a full covariance", "the catalogue takes at most 500 columns; there are 3000",
            ",".join(f"c{n}" for n in range(3000)) + "\n" + ",".join("1" * 3000) + "\n", "gmm-full"),
    Bad("data are a directory", 2, "cannot read data file 'data.csv'", "verify --model ppca --data data.csv",
        {"data.csv/x": ""}),
    Bad("data are a pipe", 2, "it is no regular file", "verify --model ppca --data /dev/zero"),
]  # fmt: skip
TOMLS = [
    of_toml("a mark and brackets", 0, "2 violated (2 known)", b"\xef\xbb\xbf" + BOTH.encode()),
    of_toml("stars beside brackets", 0, "2 violated (2 known)", '[[known]]\nid = "a[1]::*v*"\nreason = "r"\n'),
    of_toml("brackets are no class", 1, "matches no check", BOTH + '[[known]]\nid = "a1::value"\nreason = "r"\n'),
    of_toml("a date with a time", 2, "`expires` must be a date without a time",
            ROW + "expires = 2026-12-31T10:00:00\n"),
    of_toml("a date in a zone", 2, "`date` must be a date without a time", ROW + "date = 2026-12-31T10:00:00Z\n"),
    of_toml("a time", 2, "`date` must be a date without a time", ROW + "date = 10:00:00\n"),
    of_toml("a number for an issue", 2, "`issue` must be text; got 12", ROW + "issue = 12\n"),
    of_toml("a list for a case", 2, "`case` must be text", ROW + "case = []\n"),
    of_toml("a number for an id", 2, "non-empty `id`; got 3", '[[known]]\nid = 3\nreason = "r"\n'),
    of_toml("entries that are none", 2, "entry 1: expected [[known]] with an id and a reason; found 1", "known = [1]"),
    of_toml("a table for the list", 2, "expected entries [[known]]", '[known]\nid = "x"\n'),
    of_toml("nested", 2, "no TOML file", "known = " + "[" * 5000 + "]" * 5000),
    of_toml("UTF-16", 2, "is it in UTF-16?", ROW.encode("utf-16")),
    of_toml("no TOML", 2, "no TOML file", "id: x\n"),
    of_toml("twice", 2, "no TOML file", '[[known]]\nid = "x"\nid = "y"\n'),
    Bad("a directory", 2, "known.toml: no TOML file: it is no regular file", TOML,
        {"bad.py": WRONG, "known.toml/x": ""}),
    Bad("missing", 2, "cannot read known failures", TOML, {"bad.py": WRONG}),
]  # fmt: skip


@pytest.mark.parametrize("row", [*DATA, *TOMLS], ids=lambda row: row.id)
def test_row(row: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    begin = time.process_time()
    check(row, tmp_path, monkeypatch, capsys)
    assert time.process_time() - begin < 10.0


@pytest.mark.parametrize(
    "text", ["\ufeffa,b\r\n1,2\r\n3,5\r\n", 'a,"b, c"\n"1",2\n3,5\n', 'a,"b\nc"\n 1,2 \n3,5', "a,b\n1,2\n\n3,5\n"]
)
def test_files_that_are_right(text: str) -> None:
    from elbocheck.models.datasets import parse

    assert parse("d", text.lstrip("\ufeff"), None).x.tolist() == [[1.0, 2.0], [3.0, 5.0]]


def test_a_mark_at_the_beginning_is_no_part_of_a_name(tmp_path: Path) -> None:
    from elbocheck.models.datasets import load

    (tmp_path / "d.csv").write_text("\ufeffa,w\n1,1\n3,3\n", encoding="utf-8")
    assert load(str(tmp_path / "d.csv"), "w").data_weights.tolist() == [0.25, 0.75]
    (tmp_path / "e.csv").write_text("\ufeffw,a\n1,1\n3,3\n", encoding="utf-8")
    assert load(str(tmp_path / "e.csv"), "w").data_weights.tolist() == [0.25, 0.75]
