"""A user's module, by path or by import name."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from elbocheck import limits
from elbocheck.errors import InputError, TimeoutExceeded


def load_module(source: str) -> ModuleType:
    """A module by path (`my_model.py`) or by import name; raises `InputError` if it cannot be loaded."""
    try:
        if not source.endswith(".py"):
            with limits.time_limit(limits.IMPORT, f"the import of {source!r}"):
                return importlib.import_module(source)
        path = Path(source).resolve()
        name = f"elbocheck_user_{path.stem}"
        if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(path):
            return sys.modules[name]
        specification = importlib.util.spec_from_file_location(name, path)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module  # dataclasses look their module up
        try:
            with limits.time_limit(limits.IMPORT, f"the import of {source!r}"):
                specification.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    except TimeoutExceeded:
        raise
    except Exception as error:  # whatever the user's code raises
        raise InputError(f"cannot load {source!r}: {type(error).__name__}: {error}") from error
    return module


def named(source: str, default: str) -> Any:
    """What MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE names, `default` without one; None if the module has no such thing."""
    where, _, attribute = source.partition(":")
    return getattr(load_module(where), attribute or default, None)
