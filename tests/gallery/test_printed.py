"""Gallery: names and messages with characters that act on a terminal. They are escaped wherever they are printed."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from elbocheck.errors import ACTING, InputError, harmless
from support.gallery import HEAD, Bad, check
from support.processes import python

EVIL = {
    "ANSI": "\x1b[31mred\x1b[2J",
    "a title": "\x1b]0;owned\x07",
    "C1": "\x9b31mred",
    "backspace": "good\x08\x08\x08\x08evil",
    "return": "first\rsecond",
    "bidirectional": "a\u202eb\u2066c\u200f",
    "nothing to see": "a\u200bb\ufeffc\u00add",
    "lines": "a\u2028b\u2029c\x0bd\x0ce",
    "a half": "a\ud83db",
    "tags": "a\U000e0041b",
    "zero": "a\0b",
}
COLOUR = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[1A|\x1b\[2K|\r")
"""What rich prints on a terminal: colours, and the cursor of a line that it takes away again."""


def acting(text: str) -> list[str]:
    """Characters that are no text, ends of line apart."""
    return [one for one in text if one != "\n" and unicodedata.category(one) in ACTING]


def files_of(evil: str) -> dict[str, str | bytes]:
    """A target with the text in every place that has a name, and a list of known failures."""
    names = (
        f"E = {evil!r}\n"
        "def bad(p):\n    d = factors(p)\n"
        "    return Declaration((Factor(E, d.factors[0].distribution, d.factors[0].value),), d.weights, d.entropy)\n"
        "def broken(p):\n    raise ValueError(E)\n"
        "target = [\n"
        "    target_of(name=E, elbo=wrong, factors=bad, label=E),\n"
        "    target_of(name='known ' + E, elbo=wrong, label=E),\n"
        "    target_of(name='raises', elbo=broken, label=E),\n"
        "    target_of(name='fit', fit=broken, label=E),\n"
        "    Target('made ' + E, lambda n: problem(elbo=wrong, label=n), {'n': st.just(E)}),\n"
        "]\n"
    )
    escaped = "".join(f"\\U{ord(one):08x}" if not 0xD800 <= ord(one) < 0xE000 else "?" for one in evil)
    known = f'[[known]]\nid = "known *"\nreason = "{escaped}"\n'
    return {"bad.py": HEAD + names, "known.toml": known}


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
@pytest.mark.parametrize("colours", [False, True], ids=["plain", "colours"])
def test_names_and_messages_are_harmless(
    evil: str, colours: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1") if colours else monkeypatch.delenv("FORCE_COLOR", raising=False)
    row = Bad(
        "evil", 1, "violated", "verify bad.py --json r.json --html r.html --known-failures known.toml", files_of(evil)
    )
    out, err = check(row, tmp_path, monkeypatch, capsys)
    assert bool(COLOUR.search(out)) == colours
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    cases = [path.read_text(encoding="utf-8") for path in tmp_path.glob("elbocheck-cases/*")]
    assert cases
    for text in (COLOUR.sub("", out) if colours else out, err, page, (tmp_path / "r.json").read_text()):
        assert acting(text) == []
        assert harmless(evil).splitlines()[0][:4] in text or "json" in text or "\\u" in text
    assert all(path.name.isascii() for path in tmp_path.glob("elbocheck-cases/*"))


DATA = [
    ("a\x1b[31m,b\n1,2\n3,4\n", ["--weights", "c"], "its columns are a\\x1b[31m, b"),
    ("a,b\n1,\x1b[2J\n", [], "'\\x1b[2J' is no number"),
    ("a\u202e,a\u202e\n1,2\n", [], "two columns are called 'a\\u202e'"),
]


@pytest.mark.parametrize(("text", "more", "phrase"), DATA)
def test_data_are_harmless(
    text: str, more: list[str], phrase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    arguments = " ".join(["verify --model ppca --data d\x1b[1mx.csv", *more])
    _, err = check(Bad("data", 2, phrase, arguments, {"d\x1b[1mx.csv": text}), tmp_path, monkeypatch, capsys)
    assert acting(err) == []


def test_a_name_begins_no_line_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A runner of CI takes a line that begins with :: for a command."""
    text = (
        "E = 'a\\n::error::b'\n"
        "def bad(p):\n    d = factors(p)\n"
        "    return Declaration((Factor(E, d.factors[0].distribution, d.factors[0].value),), d.weights, d.entropy)\n"
        "def broken(p):\n    raise ValueError(E)\n"
        "target = [target_of(name=E, elbo=wrong, factors=bad, label=E), target_of(name='known' + E, elbo=wrong),\n"
        "          target_of(name=E, fit=broken, label=E), target_of(elbo=broken, label=E)]\n"
    )
    known = '[[known]]\nid = "known*"\nreason = "a\\n::error::b"\n'
    row = Bad("lines", 1, "violated", "verify bad.py --known-failures known.toml",
              {"bad.py": HEAD + text, "known.toml": known})  # fmt: skip
    out, err = check(row, tmp_path, monkeypatch, capsys)
    assert "a\\n::error::b: 3 checks" in out
    assert [line for line in (out + err).splitlines() if line.strip().startswith("::")] == []


def test_a_name_in_markup_is_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Bad(
        "markup", 0, "[/bold][red]x: 3 checks", files={"bad.py": HEAD + "target = target_of(name='[/bold][red]x')\n"}
    )
    check(row, tmp_path, monkeypatch, capsys)


def test_rows_of_the_catalogue_are_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    from elbocheck.report.terminal import print_report, terminal
    from elbocheck.runs.rows import Report
    from support.report_rows import row

    name = "[/x]\x1b[31m"
    rows = tuple(row(name, name, data, check) for data in (name, "random") for check in ("every point", "stationary"))
    print_report(terminal(markup=True), Report(rows, "jax", "float64"), 1.0)
    out = capsys.readouterr().out
    assert acting(out) == []
    assert "[/x]\\x1b[31m" in out


def test_tests_of_a_target_are_harmless(tmp_path: Path) -> None:
    evil = "".join(EVIL.values()).replace("\0", "")
    for name, content in files_of(evil).items():
        (tmp_path / name).write_text(str(content), encoding="utf-8")
    done = python("-m", "pytest", "--pyargs", "elbocheck.properties.test_target", "-p", "no:cacheprovider",
                  "--color=no",
                  "--elbocheck-target", "bad.py", "--junitxml", "j.xml", folder=tmp_path)  # fmt: skip
    assert done.returncode == 1
    assert acting(done.stdout + done.stderr) == []
    assert acting((tmp_path / "j.xml").read_text(encoding="utf-8")) == []
    assert "VIOLATED" in done.stdout


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_what_is_harmless(evil: str) -> None:
    assert acting(evil) != []
    assert acting(harmless(evil)) == []
    assert acting(str(InputError(evil))) == []
    assert harmless(harmless(evil)) == harmless(evil)


def test_text_stays_what_it_is() -> None:
    text = "½ log 2π of x or of z: β·∇F − δ, ‖∇F‖\nin a second line; 日本, é, a\u202fb"
    assert harmless(text) == text
