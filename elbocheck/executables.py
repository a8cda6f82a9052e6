"""Where executables of the catalogue's programs are kept from one run to the next, see `elbocheck.backends.kept`."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

VARIABLE = "ELBOCHECK_EXECUTABLES"
"""Environment variable that a command sets for its processes: a folder."""


def keep_executables(folder: Path, environment: MutableMapping[str, str] = os.environ) -> None:
    """Let this process and those that it starts keep executables in a folder of `folder`, if one can be made.

    Only for processes that run what is installed: where a test replaces a part of this package, what was kept before
    would be run in its place.
    """
    with suppress(OSError):
        (folder / "executables").mkdir(exist_ok=True)
        environment[VARIABLE] = str(folder / "executables")


def where_kept() -> Path | None:
    """The folder; None where nothing is kept."""
    folder = os.environ.get(VARIABLE)
    return Path(folder) if folder else None
