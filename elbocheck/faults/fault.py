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
    """One line of `<model>.py` in which `old`, which occurs once in the file, becomes `new`.

    `kind` and `factor` are the diagnosis that a check must make: what is wrong (a value, an entropy, …) and in which
    factor ("q": in the variational distribution; "": in the bound as a whole). `sentence`: the fault, for people.
    `equivalent`: a proof that no promise is broken; empty for all others. `folder`: the package with the model's file.
    """

    model: str
    name: str
    kind: Kind
    factor: str
    sentence: str
    old: str
    new: str
    equivalent: str = ""
    folder: str = LIBRARY


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
