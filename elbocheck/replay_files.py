"""What a failure leaves behind: a replay, a JSON file with the values of its case in it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from elbocheck.errors import InputError
from elbocheck.files import began, read_text, write_atomically
from elbocheck.loading import trusted
from elbocheck.outcome import Outcome
from elbocheck.output import complain


def encoded(value: Any) -> Any:
    """A plain value as JSON; raises `InputError` for anything else. Arrays keep every bit."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": data, "dtype": value.dtype.str, "shape": list(value.shape), "shown": str(value)[:200]}
    if isinstance(value, tuple):
        return {"tuple": [encoded(one) for one in value]}
    if isinstance(value, list):
        return [encoded(one) for one in value]
    if isinstance(value, Mapping):
        return {"mapping": {str(key): encoded(one) for key, one in value.items()}}
    if dataclasses.is_dataclass(value):
        raise InputError(f"cannot write {type(value).__name__} into a case; draw plain values in `arguments`")
    raise InputError(f"cannot write {value!r} into a case; draw numbers, strings, lists and arrays in `arguments`")


def decoded(value: Any) -> Any:
    """The inverse of `encoded`; raises `InputError` for a damaged file."""
    if isinstance(value, list):
        return [decoded(one) for one in value]
    if not isinstance(value, dict):
        return value
    try:
        if "array" in value:
            kind = np.dtype(value["dtype"])
            if kind.kind not in "fiub":
                raise TypeError(f"an array of {kind}")
            flat = np.frombuffer(base64.b64decode(value["array"], validate=True), dtype=kind)
            return flat.reshape(value["shape"]).copy()
        if "tuple" in value:
            return tuple(decoded(one) for one in value["tuple"])
        return {key: decoded(one) for key, one in value["mapping"].items()}
    except InputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"the case is damaged: {error!r} in {str(value)[:80]}") from error


FOLDER = "elbocheck-cases"
KINDS = ("sample", "target")
TEXTS = ("kind", "target", "name", "check", "backend", "dtype", "outcome")
"""Fields that every case has, all of them text."""


def write_replay(case: Mapping[str, Any], folder: str | Path = FOLDER) -> Path:
    """Write a replay to a file of its own, whole or not at all; the same case gives the same file.

    `folder`: relative to where the command began, as the path that is returned.
    """
    text = json.dumps(case, indent=1, ensure_ascii=False) + "\n"
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    words = re.sub(r"[^A-Za-z0-9]+", "-", f"{case['name']}-{case['check']}").strip("-").lower()
    path = Path(folder) / f"{words[:80]}-{digest}.json"
    (began() / folder).mkdir(parents=True, exist_ok=True)
    write_atomically(began() / path, text)
    return path


def replay_line(path: str | Path, source: str = "") -> str:
    """The command that repeats a replay of what `source` names."""
    trust = " --trust" if source and not trusted(source) else ""
    return f"elbocheck replay {path}{trust}"


def left_line(make: Callable[[], Mapping[str, Any] | None], source: str = "", folder: str | Path = FOLDER) -> str:
    """The command that repeats what `make` describes, which is written for that; empty if it describes nothing.

    What cannot be written down is said in one line on standard error, and loses nothing else: empty, too.
    """
    try:
        case = make()
        return "" if case is None else replay_line(write_replay(case, folder), source)
    except InputError as error:
        complain(f"a failure leaves no case: {error}", once=True)
    except OSError as error:
        complain(f"the case of a failure could not be written to {folder}: {error.strerror or error}", once=True)
    return ""


def read_replay(path: str | Path) -> dict[str, Any]:
    """A replay, as data: nothing that it names is imported. Raises `InputError` if it is none."""
    try:
        case = json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"cannot read the case: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no case: {error}") from error
    if not isinstance(case, dict) or not {*TEXTS} <= set(case):
        raise InputError(f"{path} is no case: expected the fields {sorted(TEXTS)}")
    for name in TEXTS:
        if not isinstance(case[name], str):
            raise InputError(f"{path} is no case: {name!r} must be text; got {str(case[name])[:80]}")
    if case["kind"] not in KINDS:
        raise InputError(f"{path} is no case: its kind is {case['kind']!r}; there are {', '.join(KINDS)}")
    if case["outcome"] not in [*Outcome]:
        raise InputError(f"{path} is no case: its outcome is {case['outcome']!r}; there are {', '.join(Outcome)}")
    return case
