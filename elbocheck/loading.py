"""A user's module, by path or by import name."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from elbocheck import limits
from elbocheck.errors import InputError, TimeoutExceeded
from elbocheck.errors import named as error_named
from elbocheck.files import began


def load_module(source: str) -> ModuleType:
    """A module by path (`my_model.py`) or by import name; raises `InputError` if it cannot be loaded."""
    if not source.strip():
        raise InputError(f"an empty name names no module: {source!r}; give FILE.py or MODULE, with :NAME behind it")
    try:
        with limits.time_limit(limits.IMPORT, f"the import of {source!r}"):
            return (
                _from_file((began() / source).resolve()) if source.endswith(".py") else importlib.import_module(source)
            )
    except TimeoutExceeded:
        raise
    except BaseException as error:  # whatever the user's code raises, `sys.exit` included
        limits.pass_on(error)
        raise InputError(f"cannot load {source!r}: {error_named(error)}") from error


def _from_file(path: Path) -> ModuleType:
    name = f"elbocheck_user_{path.stem}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(path):
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        specification.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def named(source: str, default: str) -> Any:
    """What MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE names, `default` without one; None if the module has no such thing."""
    where, _, attribute = source.partition(":")
    module, name = load_module(where), attribute or default
    try:
        with limits.time_limit(limits.IMPORT, f"{where}:{name}"):
            return getattr(module, name, None)
    except BaseException as error:  # of the module's own __getattr__
        if isinstance(error, TimeoutExceeded):
            raise
        limits.pass_on(error)
        raise InputError(f"cannot read {name!r} of {where!r}: {error_named(error)}") from error


def place(source: str) -> str:
    """Where the module of MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE lies; empty if it is not found. Nothing is imported."""
    where = source.partition(":")[0]
    if where.endswith(".py"):
        return str((began() / where).resolve())
    top = where.partition(".")[0]
    try:
        found = importlib.util.find_spec(top) if top else None
    except (ImportError, ValueError, AttributeError):
        return ""
    if found is None:
        return ""
    folders = list(found.submodule_search_locations or ())
    return found.origin or (folders[0] if folders else "")


def trusted(source: str) -> bool:
    """Whether a module is one that whoever runs elbocheck here has put here: below the directory, or installed."""
    where, lies = source.partition(":")[0], place(source)
    if not lies:
        return True  # not found: there is nothing to run
    if Path(lies).resolve().is_relative_to(began().resolve()):
        return True
    return not where.endswith(".py") and where.partition(".")[0] in metadata.packages_distributions()
