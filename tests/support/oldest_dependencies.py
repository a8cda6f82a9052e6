"""Write the lower bounds of pyproject.toml as pins: `python tests/support/oldest_dependencies.py FILE`."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def pins(project: dict[str, object], extras: tuple[str, ...] = ("test",)) -> list[str]:
    """`name==lower bound` for every dependency of the project and of the named extras."""
    optional = project["optional-dependencies"]
    assert isinstance(optional, dict)
    wanted = [*project["dependencies"], *(entry for extra in extras for entry in optional[extra])]  # type: ignore[misc]
    found = []
    for entry in wanted:
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)>=([0-9.]+)", entry)
        if match is None:
            raise ValueError(f"dependency {entry!r} has no plain lower bound")
        found.append(f"{match[1]}=={match[2]}")
    return found


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    Path(sys.argv[1]).write_text("\n".join(pins(project)) + "\n", encoding="utf-8")
