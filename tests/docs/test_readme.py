"""The README is true: its gate prints what it shows, and so is the page of the catalogue with its example."""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
from pathlib import Path

import pytest

from elbocheck.profiles import PROFILES
from support import ROOT, pages
from support.printed import difference
from support.processes import elbocheck

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, flags=re.M | re.S)
WIDTH = 80


def block(start: str) -> str:
    """The only fenced block that starts like this."""
    found = [body for _, body in BLOCKS if body.startswith(start)]
    assert len(found) == 1, f"{len(found)} blocks of the page start with {start!r}"
    return found[0]


@pytest.mark.xdist_group("readme")
def test_the_example_prints_what_the_page_shows() -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block("import jax\n"), "catalogue.md", "exec"), {})
    assert not difference(out.getvalue(), block("  nats per datum"))


def after(marker: str, text: str = TEXT) -> list[str]:
    """The lines of the fenced block after `<!-- marker -->`."""
    return [line.rstrip() for line in pages.block(text, marker).splitlines()]


def test_the_catalogue_is_what_the_command_prints(tmp_path: Path) -> None:
    # away from the checkout, whose folder elbocheck/ would hide an installed package
    done = elbocheck("list", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.rstrip() for line in done.stdout.splitlines() if line.strip()] == [
        f" {line}" for line in after("list")
    ]


def test_the_number_of_models_is_right() -> None:
    from elbocheck.models import CELLS, OUT_OF_SCOPE
    from elbocheck.models.datasets import REAL

    models = len({cell.model.name for cell in CELLS})
    assert f"runs {models} models, in {len(CELLS)} pairs with their variational families" in TEXT
    assert f"{len(REAL)} of the pairs on real data" in TEXT
    assert len(OUT_OF_SCOPE) == 6
    assert "six models that the theorem does not cover" in " ".join(TEXT.split())


def test_the_real_data_table_shows_every_pair_on_real_data() -> None:
    from elbocheck.models.datasets import REAL

    rows = [line.split() for line in after("verify") if "/" in line and "e-" in line]
    assert [(row[0], row[1]) for row in rows] == [(cell, data) for cell, data, _ in REAL]


def random_rows(page: str) -> list[list[str]]:
    """The rows of the table of random problems on a page of the docs."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    block = after(page.removesuffix(".md"), text)
    start = next(i for i, line in enumerate(block) if line.startswith("Random problems"))
    end = next(i for i, line in enumerate(block) if line.startswith("|F−S| and its"))
    return [line.split() for line in block[start:end] if "%" in line]


def test_the_whole_output_shows_every_cell() -> None:
    from elbocheck.models import CELLS

    assert {row[0] for row in random_rows("output.md")} == {cell.name for cell in CELLS}


def test_the_profiles_are_the_real_ones() -> None:
    for name, count in PROFILES.items():
        assert f"| `{name}` | {count} |" in TEXT


def test_the_two_commands_name_an_existing_extra_and_script() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "pip install . && elbocheck verify" in README
    assert "pip install -e '.[test]' && pytest -n auto" in README
    assert "test" in project["optional-dependencies"]
    assert "elbocheck" in project["scripts"]


def test_the_number_of_faults_is_right() -> None:
    from elbocheck.faults.catalogue import FAULTS, MODELS

    page = " ".join((ROOT / "docs" / "faults.md").read_text(encoding="utf-8").split())
    found = re.search(r"(\d+) of (\d+) faults in (\d+) models rejected", page)
    today = re.search(r"all of it together, rejects (\d+)", page)
    assert found is not None
    assert today is not None
    assert (int(found[2]), int(found[3])) == (len(FAULTS), len(MODELS))
    shown = " ".join(README.split())
    assert f"{found[1]} of {found[2]}, where what people do today finds {today[1]}" in shown


@pytest.mark.xdist_group("readme")
@pytest.mark.parametrize(("mark", "code"), [("green", 0), ("red", 1)])
def test_the_gate_prints_what_the_readme_shows(mark: str, code: int, tmp_path: Path) -> None:
    """Also with one character of it broken."""
    gate = pages.block(README, "gate")
    assert len(gate.splitlines()) <= 32
    if mark == "red":
        assert gate.count("- jnp.log(r)") == 1
        gate = gate.replace("- jnp.log(r)", "+ jnp.log(r)")
    (tmp_path / "gate.py").write_text(gate, encoding="utf-8")
    done = elbocheck("verify", "gate:target", folder=tmp_path)
    assert done.returncode == code, done.stderr
    shown, printed = pages.block(README, mark), done.stdout
    if mark == "red":  # the README shows the failure without the table before it
        printed = printed[printed.index("VIOLATED") : printed.index("  also violated")]
    assert not difference(printed.rstrip() + "\n", shown)


def test_the_readme_is_short_and_honest() -> None:
    assert README.count("\n") <= 140
    assert "pip install elbocheck" not in README
    assert "pip install elbocheck" not in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\((docs/[^)#]+)", README) + re.findall(r'(?:srcset|src)="([^"]+)"', README):
        assert (ROOT / name).is_file(), name


WIDE = {"catalogue.md", "connect.md", "extend.md", "faults.md", "monitor.md", "scale.md"}
"""Pages with code or tables that are wider still."""
PAGES = [path for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in WIDE]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_code_fits_without_scrolling(page: Path) -> None:
    """Code and what it prints; long commands may go on, as a terminal would let them."""
    text = page.read_text(encoding="utf-8")
    lines = [
        line
        for _, body in re.findall(r"^```(\w*)[^\n]*\n(.*?)^```$", text, flags=re.M | re.S)
        for line in body.splitlines()
    ]
    assert [line for line in lines if len(line) > WIDTH] == []
