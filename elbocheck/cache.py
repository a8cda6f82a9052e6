"""A folder of the user's own where XLA's compiled programs are kept from one run to the next.

Most of the time of a first run goes into compiling; the second one finds what it needs by its program, its options and
the version of the compiler, which are JAX's own keys.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import MutableMapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from elbocheck import __version__
from elbocheck.errors import InputError

VARIABLE = "ELBOCHECK_CACHE"
"""Environment variable: another folder, or `off`."""
OFF = "off"
JAX_FOLDER = "JAX_COMPILATION_CACHE_DIR"
"""JAX's own variable, which has the last word."""
SHORTEST = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}
"""Programs that compile faster than this are compiled again: reading them takes as long."""


def keep_compiled(environment: MutableMapping[str, str] = os.environ) -> Path | None:
    """Let JAX, which must not be loaded yet, keep what it compiles; the folder, None where nothing is kept.

    A folder of the user's own that cannot be written is no reason not to verify; one that was asked for by
    `ELBOCHECK_CACHE` is, and raises `InputError`.
    """
    given = environment.get(VARIABLE, "").strip()
    if given == OFF or environment.get(JAX_FOLDER) or "jax" in sys.modules:
        return None
    folder = None
    try:
        folder = (Path(given).expanduser() if given else _users(environment)) / _programs()
        folder.mkdir(parents=True, exist_ok=True)
        usable = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    except (OSError, ValueError, RuntimeError):  # the last one where nobody's home is known
        usable = False
    if folder is None or not usable:
        if given:
            raise InputError(f"{VARIABLE}={given} cannot be read and written; give another folder, or {OFF}")
        return None
    environment[JAX_FOLDER] = str(folder)
    for name, seconds in SHORTEST.items():
        environment.setdefault(name, seconds)
    return folder


def _users(environment: MutableMapping[str, str]) -> Path:
    """The folder for what programs may keep of a user, and lose again."""
    if sys.platform == "win32" and environment.get("LOCALAPPDATA"):
        return Path(environment["LOCALAPPDATA"]) / "elbocheck" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "elbocheck"
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elbocheck"


def _programs() -> str:
    """The name of the folder of programs that run here: what was compiled for other processors may not."""
    try:
        jax = version("jax")
    except PackageNotFoundError:
        jax = "none"
    return f"elbocheck-{__version__}-jax-{jax}-{hashlib.sha256(_processor().encode()).hexdigest()[:8]}"


def _processor() -> str:
    """What tells a processor from others that programs may have been compiled for."""
    known = f"{platform.machine()} {platform.processor()}"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return known
    return " ".join([known, *sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})])
