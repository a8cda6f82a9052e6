"""The README is true: its example runs and prints what it shows, its catalogue and its profiles are the real ones."""

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
    assert "pip install . && elbocheck verify" in TEXT
    assert "pip install -e '.[test]' && pytest -n auto" in TEXT
    assert "test" in project["optional-dependencies"]
    assert "elbocheck" in project["scripts"]


def test_the_number_of_faults_is_right() -> None:
    from elbocheck.faults.catalogue import FAULTS, MODELS

    shown = " ".join(after("faults"))
    assert f"{len(FAULTS)} of {len(FAULTS)} faults in {len(MODELS)} models rejected" in shown
