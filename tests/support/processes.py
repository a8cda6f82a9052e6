"""Programs of their own: Python, and elbocheck as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

LIMIT = 600
"""Seconds."""


def python(
    *arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS` in a folder, by default one away from the checkout, with 80 columns; its exit code is free.

    `environment` takes the place of this process's own.
    """
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder or tempfile.gettempdir(),
        env={**(os.environ if environment is None else environment), "COLUMNS": "80"},
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        check=False,
    )


def elbocheck(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`elbocheck ARGUMENTS` in a folder."""
    return python("-m", "elbocheck", *arguments, folder=folder)
