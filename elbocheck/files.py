"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from elbocheck.errors import InputError


def writable(name: str) -> Path:
    """The path of a report to be written; raises `InputError` where that cannot succeed."""
    path = Path(name)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write the report to {name!r}: no such folder, or not writable")
    return path


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text beside `path` and move it there, with the mode of a file that is simply opened."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp's is for the owner only
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
