"""The README is true: its example runs and prints what it shows, its catalogue and its profiles are the real ones."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from elbocheck.profiles import PROFILES
from support import ROOT
from support.printed import difference

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, flags=re.M | re.S)


def block(start: str) -> str:
    """The only fenced block that starts like this."""
    found = [body for _, body in BLOCKS if body.startswith(start)]
    assert len(found) == 1, f"{len(found)} blocks of the README start with {start!r}"
    return found[0]


@pytest.mark.xdist_group("readme")
def test_the_example_prints_what_the_readme_shows() -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block("import jax\n"), "README.md", "exec"), {})
    assert not difference(out.getvalue(), block("  nats per datum"))


def after(marker: str, text: str = TEXT) -> list[str]:
    """The lines of the fenced block after `<!-- marker -->`."""
    found = re.findall(rf"<!-- {marker} -->\n```\n(.*?)^```$", text, flags=re.M | re.S)
    assert len(found) == 1, f"{len(found)} blocks {marker}"
    return [line.rstrip() for line in found[0].splitlines()]


def test_the_catalogue_is_what_the_command_prints(tmp_path: Path) -> None:
    # away from the checkout, whose folder elbocheck/ would hide an installed package
    command = [sys.executable, "-m", "elbocheck", "list"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, encoding="utf-8")
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


def test_the_real_data_table_shows_the_same_cells_and_no_gap() -> None:
    from elbocheck.models.datasets import REAL

    rows = [line.split() for line in after("verify") if "/" in line and "e-" in line]
    assert [(row[0], row[1]) for row in rows] == [(cell, data) for cell, data, _ in REAL]
    for row in rows:
        assert float(row[2]) == pytest.approx(float(row[3].rstrip("†")), abs=1.01e-4), row  # the last printed digit
        assert float(row[4]) <= float(row[5])


def random_rows(page: str) -> list[list[str]]:
    """The rows of the table of random problems on a page of the docs."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    block = after(page.removesuffix(".md"), text)
    start = next(i for i, line in enumerate(block) if line.startswith("Random problems"))
    end = next(i for i, line in enumerate(block) if line.startswith("|F−S| and its"))
    assert "ELBO = entropy sum" in "\n".join(block)
    return [line.split() for line in block[start:end] if "%" in line]


@pytest.mark.parametrize("page", ["output.md", "census.md"])
def test_tables_of_random_problems_show_no_gap(page: str) -> None:
    for name, points, gap, bound, every, *_ in random_rows(page):
        assert int(points) > 0, name
        assert float(gap) <= float(bound), name
        assert float(every) <= 1e-12, name


def test_the_whole_output_shows_every_cell() -> None:
    from elbocheck.models import CELLS

    assert {row[0] for row in random_rows("output.md")} == {cell.name for cell in CELLS}


def test_the_census_says_how_large_it_is() -> None:
    text = (ROOT / "docs" / "census.md").read_text(encoding="utf-8")
    (problems,) = re.findall(r"stationary points of (\d+) problems", " ".join(after("census", text)))
    assert f"{int(problems):,} random problems" in text


def test_the_profiles_are_the_real_ones() -> None:
    for name, count in PROFILES.items():
        assert f"| `{name}` | {count} |" in TEXT


def test_the_two_commands_name_an_existing_extra_and_script() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "pip install . && elbocheck verify" in TEXT
    assert "pip install -e '.[test]' && pytest -n auto" in TEXT
    assert "test" in project["optional-dependencies"]
    assert "elbocheck" in project["scripts"]


def test_the_share_of_faults_is_that_of_the_page() -> None:
    page = " ".join((ROOT / "docs" / "faults.md").read_text(encoding="utf-8").split())
    assert " ".join(" ".join(after("faults")).split()) in page
    assert "recovery alone finds 27 %" in TEXT
    assert "recovery within 5 % 27%" in page
