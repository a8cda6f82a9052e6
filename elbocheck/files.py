"""Files that are there whole or not at all, where the command began, whatever code under test does meanwhile."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from elbocheck.errors import InputError, named
from elbocheck.output import complain

_began: list[Path] = []


@contextmanager
def beginning_here() -> Iterator[None]:
    """Relative names inside are those of this directory; raises `InputError` if it has been removed."""
    try:
        _began.append(Path.cwd())
    except OSError as error:
        raise InputError(f"the working directory cannot be read: {error.strerror}") from error
    try:
        yield
    finally:
        _began.pop()


def began() -> Path:
    """Where the command began; outside of one, the working directory."""
    return _began[-1] if _began else Path.cwd()


def writable(name: str) -> Path:
    """The absolute path of a report to be written; raises `InputError` where that cannot succeed."""
    path = began() / name
    if not name or "\0" in name or path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write the report to {name!r}: no such folder, or not writable")
    return path


def different(outputs: Mapping[str, str | None], inputs: Mapping[str, str | None]) -> None:
    """Raise `InputError` for two options that would write one file, or for one that would write over what is read.

    Option -> name of a file, None where it is not given.
    """
    seen: dict[str, str] = {}
    for option, name in inputs.items():
        if name:
            seen.setdefault(os.path.realpath(began() / name), option)
    for option, name in outputs.items():
        if name is None:
            continue
        where = os.path.realpath(began() / name)
        if where in seen:
            raise InputError(f"{option} {name} would write over the file of {seen[where]}; give another name")
        seen[where] = option


def read_text(name: str | Path, most: int = 2**28) -> str:
    """A text file in UTF-8, with or without a mark at its beginning; a name is relative to where the command began.

    Raises `OSError`, and `ValueError` for what is no such file, or is larger than `most` bytes.
    """
    path = began() / name
    if path.exists() and not path.is_file():
        raise ValueError("it is no regular file")
    data = path.read_bytes() if path.stat().st_size <= most else None
    if data is None:
        raise ValueError(f"it is larger than {most >> 20} MiB")
    if b"\0" in data:
        raise ValueError("it holds zero bytes; is it in UTF-16? UTF-8 is expected")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not in UTF-8: {error.reason} at byte {error.start}") from error


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text beside `path` and move it there, with the mode of a file that is simply opened.

    Links are followed; what is no regular file (`/dev/stdout`, a pipe) is written to. Half characters are escaped as
    JSON does.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp's is for the owner only
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def written(path: Path, text: Callable[[], str], what: str) -> bool:
    """Whether a file could be made and written; where not, one line says so, and the verdict stays what it is."""
    try:
        write_atomically(path, text())
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else named(error)
        complain(f"{what} could not be written to {path}: {reason}")
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only process that writes a file, which is created; raises `InputError` where another one does.

    The system takes the lock back when a process ends, however it ends.
    """
    with path.open("a", encoding="utf-8") as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            raise InputError(
                f"{path}: another process is writing it; wait for its end, or give another file"
            ) from error
        yield


def _lock(handle: int) -> None:
    """Raises `OSError` if another process holds it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
