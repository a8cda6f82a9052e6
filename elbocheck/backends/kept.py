"""Executables of the catalogue's programs, kept from one run to the next.

JAX's own cache finds an executable by the text of its program, and to trace and write that text again takes half as
long as to compile it. Here it is found by what the program is made from: the cell and what is computed of it, the
shapes of the arguments, the source of this package, and the version of everything that takes part.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import re
import sys
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import serialize_executable

from elbocheck.backends.base import Function, Kept
from elbocheck.executables import where_kept

MOST = 2**28
"""Bytes that stay in the folder: the catalogue's programs take some 20 MB, for each state of this package's source."""


def key_of(function: Function, *how: Any) -> str:
    """The key of a function that may be kept, and of what is computed of it; else empty."""
    return f"{function.key}: {how}" if isinstance(function, Kept) and where_kept() and _alone() else ""


def find_or_compile(key: str, arguments: Any, lower: Callable[[], tuple[Any, dict[str, Any]]]) -> Any:
    """The executable of this key for arguments of these shapes and types; kept if it is new, not without a key.

    `lower()` are the program, `jax.stages.Lowered`, and options of its compiler. A file that is damaged, or that this
    JAX does not read, is written again; where none can be written nothing is kept.
    """
    folder = where_kept()
    if not key or folder is None:
        lowered, options = lower()
        return lowered.compile(compiler_options=options)
    path = folder / _name(key, arguments)
    with suppress(Exception):
        calls, *parts = pickle.loads(zlib.decompress(path.read_bytes()))
        if calls:
            _prepare_lapack()
        found = serialize_executable.deserialize_and_load(*parts)
        jax.block_until_ready(found(*arguments))  # an executable may say only here that it is not whole
        with suppress(OSError):
            os.utime(path)
        return found
    lowered, options = lower()
    calls = set(re.findall(r"custom_call @([\w.$]+)", lowered.as_text()))
    executable, compiled_here = _compiled(lowered, options)
    if compiled_here and all(name.startswith("lapack_") for name in calls):
        with suppress(Exception):  # JAX serialises no program with constants of its own
            parts = serialize_executable.serialize(executable)
            _write(path, zlib.compress(pickle.dumps((calls, *parts)), level=1))
    return executable


@cache
def _make_room(folder: Path) -> None:
    """Remove what was not used for longest, down to `MOST` bytes; once in a process."""
    files = sorted(((path.stat().st_mtime, path.stat().st_size, path) for path in folder.iterdir()), reverse=True)
    kept = 0
    for _, size, path in files:
        kept += size
        if kept > MOST:
            path.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: other processes look for the same file."""
    with suppress(OSError):  # another process may be doing the same
        _make_room(path.parent)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
        try:
            file.write(content)
            file.close()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


@cache
def _prepare_lapack() -> None:
    """Let JAX find the routines of LAPACK, as it does where a program that needs them is lowered, not where it runs."""
    jax.jit(jnp.linalg.cholesky).lower(np.eye(1))


_hits: list[str] = []
"""What JAX says of its own cache."""


def _compiled(lowered: Any, options: dict[str, Any]) -> tuple[Any, bool]:
    """(executable, whether it was compiled here).

    What JAX takes from its own cache has lost its machine code and cannot be written again; so nothing goes there.
    """
    if not _hits:
        _hits.append("listening")
        jax.monitoring.register_event_listener(_heard)
    before, limit = len(_hits), "jax_persistent_cache_min_compile_time_secs"
    earlier = getattr(jax.config, limit)
    jax.config.update(limit, 1e9)
    try:
        return lowered.compile(compiler_options=options), len(_hits) == before
    finally:
        jax.config.update(limit, earlier)


def _heard(event: str, **more: Any) -> None:
    if event == "/jax/compilation_cache/cache_hits":
        _hits.append(event)


def _alone() -> bool:
    """Whether programs run on one processor, the only place where executables are kept for."""
    return jax.default_backend() == "cpu" and jax.device_count() == 1 and jax.config.jax_default_device is None  # type: ignore[attr-defined]


def _name(key: str, arguments: Any) -> str:
    leaves, structure = jax.tree.flatten(arguments)
    shapes = [(np.shape(leaf), str(np.asarray(leaf).dtype)) for leaf in leaves]
    return hashlib.sha256(repr((key, shapes, str(structure), _made_from())).encode()).hexdigest()


@cache
def _made_from() -> tuple[str, ...]:
    """Versions, flags of the compiler, and a digest of this package's source."""
    versions = [version(name) for name in ("jax", "jaxlib", "numpy", "scipy", "array-api-compat")]
    flags = [f"{name}={value}" for name, value in sorted(os.environ.items()) if _matters(name)]
    source = hashlib.sha256()
    for folder in _packages():
        for path in sorted(folder.rglob("*.py")):
            source.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return (sys.version, *versions, *flags, source.hexdigest())


def _matters(variable: str) -> bool:
    """Whether JAX or XLA may make another program because of this environment variable."""
    return variable.startswith(("JAX_", "XLA_")) and "_CACHE_" not in variable


def _packages() -> list[Path]:
    """Folders of this package: parts of a checkout lie elsewhere than in it."""
    specs = [importlib.util.find_spec(name) for name in ("elbocheck", "elbocheck.models")]
    return sorted({Path(one) for spec in specs if spec for one in spec.submodule_search_locations or ()})
