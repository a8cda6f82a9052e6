"""A fault: one line of hand-written code, replaced; and the code with that line in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import ModuleType
from typing import Literal

from elbocheck.errors import InputError

LIBRARY = "elbocheck.faults.library"
Kind = Literal["value", "entropy", "gradient", "training", "scale", "sign", "data"]


@dataclass(frozen=True)
class Fault:
    """One line of `<model>.py`, replaced, and the diagnosis that a check must make of it."""

    model: str
    """Name of the file."""

    name: str
    """In tables; unique in its model."""

    kind: Kind
    """What is wrong: a value, an entropy, …"""

    factor: str
    """Where: a factor's name, "q" for the variational distribution, empty for the bound as a whole."""

    sentence: str
    """The fault, for people."""

    old: str
    """Text that occurs once in the file, within one line."""

    new: str
    """What it becomes."""

    equivalent: str = ""
    """A proof that no promise is broken; empty for all others."""

    folder: str = LIBRARY
    """The package with the model's file."""


@cache
def source(model: str, folder: str = LIBRARY) -> str:
    """The text of a model's correct code."""
    file = files(folder) / f"{model}.py"
    if not file.is_file():
        raise InputError(f"unknown model {model!r} of the fault catalogue")
    return file.read_text(encoding="utf-8")


def lines(fault: Fault) -> tuple[str, str]:
    """The one line that differs: (as it should be, as it is)."""
    before, after = source(fault.model, fault.folder).splitlines(), mutated(fault).splitlines()
    differing = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    if len(differing) != 1:
        raise InputError(f"fault {fault.name!r} changes {len(differing)} lines instead of one")
    return differing[0][0].strip(), differing[0][1].strip()


def mutated(fault: Fault) -> str:
    """The text of the model's code with the fault in it.

    Raises `InputError` unless `old` occurs exactly once.
    """
    text = source(fault.model, fault.folder)
    if text.count(fault.old) != 1:
        raise InputError(f"fault {fault.name!r}: {fault.old!r} occurs {text.count(fault.old)} times, not once")
    return text.replace(fault.old, fault.new)


@cache
def code(model: str, fault: Fault | None = None, folder: str = LIBRARY) -> ModuleType:
    """The model's code as a module, with the fault in it if one is given."""
    module = ModuleType(f"{model}_{'correct' if fault is None else fault.name}")
    text = source(model, folder) if fault is None else mutated(fault)
    exec(compile(text, f"<{module.__name__}>", "exec"), module.__dict__)
    return module
