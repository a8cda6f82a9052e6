"""Oracles of the families, one file each, that share no code with them.

A family enters by a file that defines `CASE`, textbook formulas at 50 digits (mpmath), and, where the catalogue mixes
it, `MIXTURES`, model -> the family as a component of it (scipy.stats).
"""

from __future__ import annotations

import importlib
import pkgutil

from support.oracles.base import Case
from support.oracles.components import Component

NAMES = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in ("base", "components"))
MODULES = [importlib.import_module(f"{__name__}.{name}") for name in NAMES]
CASES: dict[type, Case] = {module.CASE.family: module.CASE for module in MODULES}
MIXTURES: dict[str, Component] = {
    name: component for module in MODULES for name, component in getattr(module, "MIXTURES", {}).items()
}
