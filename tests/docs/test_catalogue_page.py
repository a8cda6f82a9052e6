"""The pages on the catalogue are true: models, profiles and outputs are the real ones."""

from __future__ import annotations

from pathlib import Path

from elbocheck.models import CELLS, OUT_OF_SCOPE
from elbocheck.models.datasets import REAL
from elbocheck.profiles import PROFILES
from support import ROOT, pages
from support.processes import elbocheck

TEXT = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")


def after(mark: str, page: str = "catalogue.md") -> list[str]:
    """The lines of the fenced block after a comment."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [line.rstrip() for line in pages.block(text, mark).splitlines()]


def test_the_list_is_what_the_command_prints(tmp_path: Path) -> None:
    # away from the checkout, whose folder elbocheck/ would hide an installed package
    done = elbocheck("list", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.rstrip() for line in done.stdout.splitlines() if line.strip()] == [
        f" {line}" for line in after("list")
    ], "run `python docs/refresh.py`"


def test_the_numbers_of_models_are_right() -> None:
    shown, models = " ".join(TEXT.split()), len({cell.model.name for cell in CELLS})
    assert f"runs {models} models, in {len(CELLS)} pairs with their variational families" in shown
    assert f"{len(REAL)} of the pairs on real data" in shown
    assert len(OUT_OF_SCOPE) == 8
    assert "eight models that the theorem does not cover" in shown


def test_the_table_shows_every_pair_on_real_data() -> None:
    rows = [line.split() for line in after("verify") if "/" in line and "e-" in line]
    assert [(row[0], row[1]) for row in rows] == [(cell, data) for cell, data, _ in REAL]


def test_the_whole_output_shows_every_cell() -> None:
    block = after("output", "output.md")
    start = next(i for i, line in enumerate(block) if line.startswith("Random problems"))
    end = next(i for i, line in enumerate(block) if line.startswith("|F−S| and its"))
    assert {line.split()[0] for line in block[start:end] if "%" in line} == {cell.name for cell in CELLS}


def test_the_profiles_are_the_real_ones() -> None:
    page = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    for name, count in PROFILES.items():
        assert f"| `{name}` | {count} |" in page
