"""Oracles of the families, one file each, that share no code with them: textbook formulas at 50 digits (mpmath).

A family enters by a file that defines `CASE`.
"""

from __future__ import annotations

import importlib
import pkgutil

from support.oracles.base import Case

MODULES = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")
CASES: dict[type, Case] = {
    case.family: case for case in (importlib.import_module(f"{__name__}.{name}").CASE for name in MODULES)
}
