"""What a failure leaves behind: a replay, a JSON file with the values of its case in it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from elbocheck.errors import InputError
from elbocheck.files import write_atomically


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
            flat = np.frombuffer(base64.b64decode(value["array"]), dtype=np.dtype(value["dtype"]))
            return flat.reshape(value["shape"]).copy()
        if "tuple" in value:
            return tuple(decoded(one) for one in value["tuple"])
        return {key: decoded(one) for key, one in value["mapping"].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the case is damaged: {error!r} in {str(value)[:80]}") from error


FOLDER = "elbocheck-cases"


def write_replay(case: Mapping[str, Any], folder: str | Path = FOLDER) -> Path:
    """Write a replay to a file of its own, whole or not at all; the same case gives the same file."""
    text = json.dumps(case, indent=1, ensure_ascii=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    words = re.sub(r"[^A-Za-z0-9]+", "-", f"{case['name']}-{case['check']}").strip("-").lower()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{words[:80]}-{digest}.json"
    write_atomically(path, text)
    return path


def replay_line(path: str | Path) -> str:
    """The command that repeats a replay."""
    return f"elbocheck replay {path}"


def read_replay(path: str | Path) -> dict[str, Any]:
    """A replay; raises `InputError` if it is none."""
    try:
        case = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the case: {error}") from error
    except ValueError as error:
        raise InputError(f"{path} is no case: {error}") from error
    needed = {"kind", "target", "name", "check", "backend", "dtype", "outcome"}
    if not isinstance(case, dict) or not needed <= set(case):
        raise InputError(f"{path} is no case: expected the fields {sorted(needed)}")
    return case
