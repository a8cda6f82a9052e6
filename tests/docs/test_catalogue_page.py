"""The pages on the catalogue are true: models, profiles and outputs are the real ones."""

from __future__ import annotations

import re
from pathlib import Path

from elbocheck.models import CELLS, OUT_OF_SCOPE, cells
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


def test_every_cell_is_proved_or_has_a_reason() -> None:
    """Catches a cell that is new, a proof of something else than 0, and a count that is not that of the rows."""
    page = (ROOT / "docs" / "certify.md").read_text(encoding="utf-8")
    page = page[page.index("<!-- proofs -->") : page.index("<!-- end of proofs -->")]
    lines = [re.split(r"(?<!\\)\|", line.strip("|")) for line in page.splitlines() if "/" in line]
    rows = [[cell.strip() for cell in line] for line in lines]
    proved, others = [row for row in rows if len(row) == 7], [row for row in rows if len(row) == 2]
    assert sorted(row[0] for row in (*proved, *others)) == sorted(cell.name for cell in cells())
    assert f"{len(proved)} of {len(rows)} cells are proved" in page
    for name, _, free, point, radius, gap, _ in proved:
        assert int(free) > 0, name
        assert point in ("maximum", "saddle"), name
        assert float(radius) < 1e-24, name
        assert re.fullmatch(r"0 ± \de-\d\d", gap), name
    reasons = dict(others)
    assert {name for name, why in reasons.items() if why.startswith("outside the theorem: ")} == {
        cell.name for cell in OUT_OF_SCOPE
    }
    assert all(reasons.values())


def test_the_profiles_are_the_real_ones() -> None:
    page = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    for name, count in PROFILES.items():
        assert f"| `{name}` | {count} |" in page
