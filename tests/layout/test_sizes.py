"""A file is one room: none is longer than 400 lines."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST = 400
FILES = sorted(
    path for room in ("elbocheck", "models", "strategies", "properties") for path in (ROOT / room).rglob("*.py")
)


def too_long(text: str) -> bool:
    return len(text.splitlines()) > MOST


@pytest.mark.parametrize("room", sorted({path.parent.relative_to(ROOT).as_posix() for path in FILES}))
def test_no_file_is_too_long(room: str) -> None:
    own = [path for path in FILES if path.parent == ROOT / room]
    assert [path.name for path in own if too_long(path.read_text(encoding="utf-8"))] == []


def test_a_file_that_is_too_long_is_seen() -> None:
    assert too_long("x = 1\n" * (MOST + 1))
    assert not too_long("x = 1\n" * MOST)
